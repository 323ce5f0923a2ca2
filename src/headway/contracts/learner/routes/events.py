"""Events that services report for learners."""

from headway.contracts.learner import event_mapping, event_wire, wire
from headway.http.decoding import decode_apart
from headway.http.observations.batch import decode_named_batch
from headway.http.request import Request, Response
from headway.http.routes import post
from headway.identity import Scope
from headway.learning.on_behalf import require_service
from headway.services import Services
from headway.settings import Settings


class EventRoutes:
    """Record events and heartbeats of others."""

    def __init__(self, services: Services, settings: Settings) -> None:
        self._reporting = services.reporting
        self._clock = services.clock
        self._new_id = services.new_id
        self._settings = settings

    # Not idempotent by a key: each item is by its `event_id`, and they are committed with those of other requests.
    @post(
        "/events",
        body=event_wire.EventsBody,
        responses={200: wire.One[event_wire.EventsData]},
        verbatim=True,
        scope=Scope.EVENTS_WRITE,
    )
    async def record(self, request: Request[None, None]) -> Response:
        """Record events and heartbeats of learners, each with its own verdict: for service accounts."""
        received_at = self._clock()
        require_service(request.caller)
        body = request.raw_body
        items = await decode_apart(lambda body: decode_named_batch(body, self._settings, self._new_id), body)
        reported = await self._reporting.record(request.caller, items, received_at, size_bytes=len(body), client=request.client)
        return Response(200, wire.One(data=event_mapping.verdicts(reported)))
