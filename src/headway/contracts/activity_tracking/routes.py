"""The routes of activity tracking: decode, record, answer."""

from collections.abc import Mapping, Sequence

from litestar import Router
from litestar.handlers import ASGIRouteHandler

from headway.contracts.activity_tracking import mapping, wire
from headway.contracts.activity_tracking.errors import render_error
from headway.contracts.activity_tracking.mapping import Limits
from headway.errors import Conflict, Forbidden, Invalid
from headway.http.contract import Contract
from headway.http.openapi import Kind
from headway.http.problems import status_of
from headway.http.thin import Answer, Endpoint, post
from headway.identity import Caller
from headway.ids import NewId
from headway.instants import Clock, Instant
from headway.learning.ingest import Ingest
from headway.learning.model import Observation, Outcome, Refusal, Report, Verdict

PREFIX = "/api/courses/activity"


def activity_tracking(
    ingest: Ingest, *, clock: Clock, new_id: NewId, limits: Limits, heartbeat_interval_seconds: int
) -> Contract:
    """Make the contract. Authentication is put in front of its router by the application."""

    async def track(caller: Caller, body: bytes) -> Answer:
        """Record one activity event: 201 if it is new, 200 if it was recorded before, 409 if its id has other content."""
        received_at = clock()
        event = mapping.decode_track(body, limits, new_id)
        (verdict,) = await ingest.record(Report(caller.user_id, received_at, (event,)))
        _raise_if_not_good(verdict)
        status = 201 if verdict.outcome is Outcome.ACCEPTED else 200
        return Answer(status, mapping.track_answer(event, verdict, received_at))

    async def heartbeat(caller: Caller, body: bytes) -> Answer:
        """Vouch for some seconds of study, and learn in how many seconds the next heartbeat is wanted."""
        received_at = clock()
        signal = mapping.decode_heartbeat(body)
        (verdict,) = await ingest.record(Report(caller.user_id, received_at, (signal,)))
        _raise_if_not_good(verdict)
        return Answer(200, mapping.heartbeat_answer(received_at, heartbeat_interval_seconds))

    async def batch(caller: Caller, body: bytes) -> Answer:
        """Record events and heartbeats, each with a verdict of its own; 400 only if the envelope or every item is bad."""
        received_at = clock()
        items = mapping.decode_batch(body, limits, new_id)
        verdicts = await _record_good(ingest, caller.user_id, received_at, items, len(body))
        answer = mapping.batch_answer(items, verdicts)
        return Answer(200 if answer.success else 400, answer)

    def route(path: str, endpoint: Endpoint, body: Kind, answers: Mapping[int, Kind | tuple[Kind, ...]]) -> ASGIRouteHandler:
        return post(path, endpoint, max_body_bytes=limits.body_bytes, body=body, answers=answers, tag="Activity tracking")

    handlers = [
        route("/track", track, wire.TrackBody, {201: wire.TrackAnswer, 200: wire.TrackAnswer}),
        route("/heartbeat", heartbeat, wire.HeartbeatBody, {200: wire.HeartbeatAnswer}),
        route("/batch", batch, wire.BatchBodySchema, {200: wire.BatchAnswer, 400: (wire.BatchAnswer, wire.Failure)}),
    ]
    return Contract(
        name="activity_tracking",
        prefixes=(PREFIX,),
        router=Router(PREFIX, route_handlers=handlers),
        status_of=status_of,
        render_error=render_error,
        error_schema=wire.Failure,
        error_statuses=(400, 401, 403, 409, 413, 415, 500, 503),
    )


async def _record_good(
    ingest: Ingest, user_id: int, received_at: Instant, items: Sequence[Observation | Verdict], size_bytes: int
) -> list[Verdict]:
    """Record what could be read, and give the verdicts of all items in their order."""
    observations = tuple(item for item in items if not isinstance(item, Verdict))
    recorded = iter(await ingest.record(Report(user_id, received_at, observations, size_bytes)) if observations else ())
    verdicts = [item if isinstance(item, Verdict) else next(recorded) for item in items]
    ingest.count_rejected(verdicts, unread=len(items) - len(observations))
    return verdicts


def _raise_if_not_good(verdict: Verdict) -> None:
    if verdict.outcome is Outcome.CONFLICT:
        raise Conflict("This event_id was used before for an event with other content.", fields=verdict.errors)
    if verdict.refusal is Refusal.FORBIDDEN:
        raise Forbidden("You are not enrolled in this course.", fields=verdict.errors)
    if verdict.outcome is Outcome.REJECTED:
        raise Invalid(verdict.errors)
