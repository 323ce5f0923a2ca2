"""The routes of activity tracking: decode, record, render."""

from collections.abc import Sequence

from headway.contracts.activity_tracking import mapping, wire
from headway.contracts.activity_tracking.errors import render_error
from headway.errors import Conflict, Forbidden, Invalid
from headway.http.contract import Contract
from headway.http.decoding import decode_apart
from headway.http.observations import wire as observed
from headway.http.observations.batch import decode_batch
from headway.http.problems import status_of
from headway.http.request import Response
from headway.http.routes import make_router, post
from headway.identity import Caller
from headway.instants import Instant
from headway.learning.model import Observation, Outcome, Refusal, Report, Verdict
from headway.services import Services
from headway.settings import Settings

PREFIX = "/api/courses/activity"


def make(services: Services, settings: Settings) -> Contract:
    """Make the contract."""
    groups = [TrackingRoutes(services, settings)]
    return Contract(
        prefixes=(PREFIX,),
        router=make_router(PREFIX, "Activity tracking", groups, transactions=services.transactions, settings=settings),
        status_of=status_of,
        render_error=render_error,
        error_schema=wire.Failure,
        error_statuses=(400, 401, 403, 409, 413, 415, 500, 503),
        schemas={"ActivityType": observed.ACTIVITY_TYPE_SCHEMA},
    )


class TrackingRoutes:
    """Record events and heartbeats."""

    def __init__(self, services: Services, settings: Settings) -> None:
        self._ingest = services.ingest
        self._clock = services.clock
        self._new_id = services.new_id
        self._settings = settings

    @post(
        "/track",
        raw=True,
        body=observed.TrackBody,
        other_bodies=(observed.ExternalTrackBody,),
        responses={201: wire.TrackAnswer, 200: wire.TrackAnswer},
    )
    async def track(self, caller: Caller, body: bytes) -> Response:
        """Record one activity event: 201 if it is new, 200 if it was recorded before, 409 if its id has other content."""
        received_at = self._clock()
        event = mapping.decode_track(body, self._settings, self._new_id)
        (verdict,) = await self._ingest.record(Report(caller.user_id, received_at, (event,)))
        _raise_if_refused(verdict)
        status = 201 if verdict.outcome is Outcome.ACCEPTED else 200
        return Response(status, mapping.track_answer(event, verdict, received_at))

    @post(
        "/heartbeat",
        raw=True,
        body=observed.HeartbeatBody,
        other_bodies=(observed.ExternalHeartbeatBody,),
        responses={200: wire.HeartbeatAnswer},
    )
    async def heartbeat(self, caller: Caller, body: bytes) -> Response:
        """Record some seconds of study; the response says in how many seconds to send the next heartbeat."""
        received_at = self._clock()
        heartbeat = await decode_apart(mapping.decode_heartbeat, body)
        (verdict,) = await self._ingest.record(Report(caller.user_id, received_at, (heartbeat,)))
        _raise_if_refused(verdict)
        return Response(200, mapping.heartbeat_answer(received_at, self._settings.heartbeat_interval_seconds))

    @post(
        "/batch", raw=True, body=wire.BatchBodySchema, responses={200: wire.BatchAnswer, 400: (wire.BatchAnswer, wire.Failure)}
    )
    async def batch(self, caller: Caller, body: bytes) -> Response:
        """Record events and heartbeats, each with its own verdict; 400 only if the envelope or every item is invalid."""
        received_at = self._clock()
        items = await decode_apart(lambda body: decode_batch(body, self._settings, self._new_id), body)
        verdicts = await self._record_valid(caller.user_id, received_at, items, len(body))
        answer = mapping.batch_answer(items, verdicts)
        return Response(200 if answer.success else 400, answer)

    async def _record_valid(
        self, user_id: int, received_at: Instant, items: Sequence[Observation | Verdict], size_bytes: int
    ) -> list[Verdict]:
        """Record the items that could be decoded, and return the verdicts of all items in their order."""
        observations = tuple(item for item in items if not isinstance(item, Verdict))
        report = Report(user_id, received_at, observations, size_bytes)
        recorded = iter(await self._ingest.record(report) if observations else ())
        verdicts = [item if isinstance(item, Verdict) else next(recorded) for item in items]
        self._ingest.count_rejected(verdicts, unread=len(items) - len(observations))
        return verdicts


def _raise_if_refused(verdict: Verdict) -> None:
    if verdict.outcome is Outcome.CONFLICT:
        raise Conflict("This event_id was used before for an event with other content.", fields=verdict.errors)
    if verdict.refusal is Refusal.FORBIDDEN:
        raise Forbidden("You are not enrolled in this course.", fields=verdict.errors)
    if verdict.outcome is Outcome.REJECTED:
        raise Invalid(verdict.errors)
