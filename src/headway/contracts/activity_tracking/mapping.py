"""Conversion between wire structs and models: pure functions. Decoding raises Invalid naming every invalid field."""

from collections.abc import Callable, Sequence

import msgspec

from headway import instants
from headway.contracts.activity_tracking import wire
from headway.courses.completion import EngagementMetrics
from headway.errors import FieldError, Invalid
from headway.http.decoding import Decoder, check_json, find_text, split_list
from headway.http.params import parse_instant
from headway.instants import SECOND, Instant
from headway.learning.model import ActivityType, Event, Heartbeat, Observation, Outcome, Verdict
from headway.measures import cut_share, score_percent
from headway.settings import Settings
from headway.text import canonical_json

_track_decoder = Decoder(wire.TrackBody)
_heartbeat_decoder = Decoder(wire.HeartbeatBody)
_batch_heartbeat_decoder = Decoder(wire.BatchHeartbeatBody)
_batch_decoder = Decoder(wire.BatchBody)
_NO_METRICS = wire.EngagementMetricsBody()


def decode_track(body: bytes, settings: Settings, new_id: Callable[[], str]) -> Event:
    """Decode the body of `track`. Raises Invalid."""
    _check_size(body, settings)
    return _event(_track_decoder.decode(body), new_id)


def decode_heartbeat(body: bytes) -> Heartbeat:
    """Decode the body of `heartbeat`. Raises Invalid."""
    return _heartbeat(_heartbeat_decoder.decode(body))


def decode_batch(body: bytes, settings: Settings, new_id: Callable[[], str]) -> list[Observation | Verdict]:
    """Decode the body of `batch` into an observation for each item, or the verdict that rejects it. Raises Invalid."""
    items = _items(body)
    if not 1 <= len(items) <= settings.max_batch_events:
        raise Invalid.field("events", f"must have 1 to {settings.max_batch_events} items")
    return [_decode_item(item, settings, new_id) for item in items]


def _items(body: bytes) -> list[bytes]:
    try:
        return [bytes(item) for item in _batch_decoder.decode(body).events]
    except Invalid:
        # An item that the decoder cannot skip (nested too deeply, or with an unpaired surrogate, as in a string that was cut
        # within an emoji) must not fail its neighbours.
        parts = split_list(body, "events")
        if parts is None:
            raise
        items, rest = parts
        _batch_decoder.decode(rest)
        return items


def _decode_item(item: bytes, settings: Settings, new_id: Callable[[], str]) -> Observation | Verdict:
    try:
        _check_size(item, settings)
        if (b"heartbeat" in item or b"\\u" in item) and _ItemHeader.read(item).activity_type == "heartbeat":
            return _heartbeat(_batch_heartbeat_decoder.decode(item))
        return _event(_track_decoder.decode(item), new_id)
    except Invalid as error:
        return Verdict(Outcome.REJECTED, event_id=_ItemHeader.read(item).valid_event_id, errors=error.fields)


class _ItemHeader(msgspec.Struct):
    """The fields of an item that are read even if the rest is invalid."""

    activity_type: object = None
    event_id: object = None

    @classmethod
    def read(cls, item: bytes) -> "_ItemHeader":
        try:
            return msgspec.json.decode(item, type=cls)
        except (ValueError, RecursionError):
            return cls(find_text(item, "activity_type"), find_text(item, "event_id"))

    @property
    def valid_event_id(self) -> str | None:
        event_id = self.event_id
        return event_id if isinstance(event_id, str) and len(event_id) <= 100 and "\0" not in event_id else None


def _check_size(item: bytes, settings: Settings) -> None:
    if len(item) > settings.max_event_bytes:
        raise Invalid.field("body", f"must not have more than {settings.max_event_bytes} bytes")


def _event(body: wire.TrackBody, new_id: Callable[[], str]) -> Event:
    errors: list[FieldError] = []
    start = parse_instant(errors, "start_time", body.start_time)
    end = parse_instant(errors, "end_time", body.end_time)
    if start is not None and end is not None and end <= start:
        errors.append(FieldError("end_time", "must be after start_time"))
    sent_at = parse_instant(errors, "sent_at", body.sent_at)
    metadata = _metadata(errors, body)
    quiz_score = _quiz_score(errors, body)
    if errors:
        raise Invalid(errors)
    return Event(
        event_id=body.event_id if body.event_id is not None else new_id(),
        activity_type=body.activity_type,
        course_id=body.course_id,
        module_id=body.module_id,
        unit_id=body.unit_id,
        duration_seconds=body.duration_seconds,
        metrics=_metrics(body),
        start_time=start,
        end_time=end,
        session_id=body.session_id,
        sent_at=sent_at,
        metadata=metadata,
        quiz_score_percent=quiz_score,
    )


def _heartbeat(body: wire.HeartbeatBody) -> Heartbeat:
    errors: list[FieldError] = []
    timestamp = parse_instant(errors, "timestamp", body.timestamp)
    sent_at = parse_instant(errors, "sent_at", body.sent_at)
    if errors:
        raise Invalid(errors)
    return Heartbeat(
        course_id=body.course_id,
        is_active=body.is_active,
        module_id=body.module_id,
        unit_id=body.unit_id,
        timestamp=timestamp,
        # The service cuts claims to twice the heartbeat interval.
        active=None if body.active_seconds is None else int(min(body.active_seconds, 86_400) * SECOND),
        session_id=body.session_id,
        sent_at=sent_at,
        event_id=body.event_id,
    )


def _metrics(body: wire.TrackBody) -> EngagementMetrics | None:
    """Return the metrics; whoever completed a video and does not say how much of it was watched has watched it."""
    told = body.engagement_metrics or _NO_METRICS
    scroll_depth, watched, interactions = told.scroll_depth, told.video_watch_percentage, told.interaction_count
    if watched is None and body.activity_type is ActivityType.VIDEO_COMPLETE:
        watched = 100.0
    if scroll_depth is None and watched is None and interactions is None:
        return None
    return EngagementMetrics(_cut(scroll_depth), _cut(watched), None if interactions is None else int(interactions))


def _cut(share: float | None) -> float | None:
    return None if share is None else cut_share(share)


def _metadata(errors: list[FieldError], body: wire.TrackBody) -> str | None:
    if body.metadata is None:
        return None
    fault = check_json(body.metadata)
    if fault is not None:
        errors.append(FieldError("metadata", fault))
        return None
    return canonical_json(body.metadata)


def _quiz_score(errors: list[FieldError], body: wire.TrackBody) -> float | None:
    """Return the percent of `{score, max_score}` of a `quiz_submit`: both numbers or neither, of whatever size."""
    if body.activity_type is not ActivityType.QUIZ_SUBMIT or body.metadata is None:
        return None
    given = {field: body.metadata.get(field) for field in ("score", "max_score")}
    if all(value is None for value in given.values()):
        return None
    numbers = [_number(value) for value in given.values()]
    wrong = [field for field, number in zip(given, numbers, strict=True) if number is None]
    errors += [FieldError(f"metadata.{field}", "must be a number, as score and max_score go together") for field in wrong]
    return None if wrong else score_percent(*(number for number in numbers if number is not None))


def _number(value: object) -> float | None:
    """Return a number as a double, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


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
    counts = dict.fromkeys(Outcome, 0)
    results: list[wire.ItemResult] = []
    for index, (item, verdict) in enumerate(zip(items, verdicts, strict=True)):
        counts[verdict.outcome] += 1
        result = wire.ItemResult(index, item.event_id, verdict.outcome.value)
        if verdict.errors:
            result.errors = field_problems(verdict.errors)
        results.append(result)
    is_good = counts[Outcome.REJECTED] < len(items)
    return wire.BatchAnswer(
        message="Batch processed" if is_good else "Every item was rejected",
        data=wire.BatchData(
            accepted=counts[Outcome.ACCEPTED],
            duplicates=counts[Outcome.DUPLICATE],
            conflicts=counts[Outcome.CONFLICT],
            rejected=counts[Outcome.REJECTED],
            results=results,
        ),
        success=is_good,
    )


def field_problems(errors: Sequence[FieldError]) -> list[wire.FieldProblem]:
    """Render the errors of fields."""
    return [wire.FieldProblem(error.field, error.message) for error in errors]
