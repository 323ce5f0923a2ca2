"""Conversion between wire structs and models: pure functions. Decoding raises Invalid naming every invalid field."""

from collections.abc import Callable, Sequence

from msgspec import UNSET

from headway import instants
from headway.contracts.activity_tracking import wire
from headway.errors import FieldError
from headway.http.observations import decoding
from headway.http.observations.mapping import check_size
from headway.instants import Instant
from headway.learning.model import Event, Heartbeat, Observation, Outcome, Verdict
from headway.settings import Settings


def decode_track(body: bytes, settings: Settings, new_id: Callable[[], str]) -> Event:
    """Decode the body of `track`. Raises Invalid."""
    check_size(body, settings)
    return decoding.decode_event(body, new_id)


def decode_heartbeat(body: bytes) -> Heartbeat:
    """Decode the body of `heartbeat`. Raises Invalid."""
    return decoding.decode_heartbeat(body)


def track_answer(event: Event, verdict: Verdict, received_at: Instant) -> wire.TrackAnswer:
    """Render the verdict on an event that is stored, by this request or an earlier one."""
    is_new = verdict.outcome is Outcome.ACCEPTED
    message = "Activity recorded" if is_new else "Activity was recorded before"
    return wire.TrackAnswer(message, wire.TrackData(event.event_id, verdict.outcome.value, instants.iso(received_at)))


def heartbeat_answer(received_at: Instant, next_heartbeat_seconds: int) -> wire.HeartbeatAnswer:
    """Render the receipt of a heartbeat."""
    data = wire.HeartbeatData(instants.iso(received_at), next_heartbeat_seconds)
    return wire.HeartbeatAnswer("Heartbeat received", data)


def batch_answer(items: Sequence[Observation | Verdict], verdicts: Sequence[Verdict]) -> wire.BatchAnswer:
    """Render the verdict of each item, in the order of the items."""
    outcomes = [verdict.outcome for verdict in verdicts]
    rejected = outcomes.count(Outcome.REJECTED)
    is_good = rejected < len(items)
    return wire.BatchAnswer(
        message="Batch processed" if is_good else "Every item was rejected",
        data=wire.BatchData(
            accepted=outcomes.count(Outcome.ACCEPTED),
            duplicates=outcomes.count(Outcome.DUPLICATE),
            conflicts=outcomes.count(Outcome.CONFLICT),
            rejected=rejected,
            results=[
                wire.ItemResult(
                    index, item.event_id, verdict.outcome, field_problems(verdict.errors) if verdict.errors else UNSET
                )
                for index, (item, verdict) in enumerate(zip(items, verdicts, strict=True))
            ],
        ),
        success=is_good,
    )


def field_problems(errors: Sequence[FieldError]) -> list[wire.FieldProblem]:
    """Render the errors of fields."""
    return [wire.FieldProblem(error.field, error.message) for error in errors]
