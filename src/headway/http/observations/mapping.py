"""Conversion of events and heartbeats from wire structs to models: pure functions. They raise Invalid naming every field."""

from collections.abc import Callable
from typing import Any

import msgspec

from headway.courses.completion import EngagementMetrics
from headway.courses.external_ids import UNKNOWN_COURSE, ExternalIds
from headway.courses.video import encode_segments, played
from headway.errors import FieldError, Invalid
from headway.http.decoding import check_json
from headway.http.observations import wire
from headway.http.params import parse_instant
from headway.instants import SECOND
from headway.learning.model import ActivityType, Event, Heartbeat
from headway.measures import cut_share, score_percent
from headway.settings import Settings
from headway.text import canonical_json

_NO_NAMES = ExternalIds()
_NO_METRICS = wire.EngagementMetricsBody()


def check_size(item: bytes, settings: Settings) -> None:
    """Raise Invalid for an event that is larger than the settings allow."""
    if len(item) > settings.max_event_bytes:
        raise Invalid.field("body", f"must not have more than {settings.max_event_bytes} bytes")


def to_event(body: wire.EventBody, new_id: Callable[[], str], names: ExternalIds | None = None) -> Event:
    """Return the event of a body. Raises Invalid."""
    errors: list[FieldError] = []
    start = parse_instant(errors, "start_time", body.start_time)
    end = parse_instant(errors, "end_time", body.end_time)
    if start is not None and end is not None and end <= start:
        errors.append(FieldError("end_time", "must be after start_time"))
    sent_at = parse_instant(errors, "sent_at", body.sent_at)
    metadata = _metadata(errors, body)
    quiz_score = _quiz_score(errors, body)
    told = body.engagement_metrics or _NO_METRICS
    has_video = told.video_segments is not None or told.video_duration_seconds is not None
    video = _video(errors, told, body.unit_id) if has_video else None
    if errors:
        raise Invalid(errors)
    event = Event(
        event_id=body.event_id if body.event_id is not None else new_id(),
        activity_type=body.activity_type,
        course_id=body.course_id or UNKNOWN_COURSE,
        module_id=body.module_id,
        unit_id=body.unit_id,
        duration_seconds=body.duration_seconds,
        metrics=_metrics(body.activity_type, told),
        start_time=start,
        end_time=end,
        session_id=body.session_id,
        sent_at=sent_at,
        metadata=metadata,
        quiz_score_percent=quiz_score,
        names=names,
    )
    # Most events have no video: they do not pay for its fields.
    return event if video is None else msgspec.structs.replace(event, **video)


def to_heartbeat(body: wire.HeartbeatBody, names: ExternalIds | None = None) -> Heartbeat:
    """Return the heartbeat of a body. Raises Invalid."""
    errors: list[FieldError] = []
    timestamp = parse_instant(errors, "timestamp", body.timestamp)
    sent_at = parse_instant(errors, "sent_at", body.sent_at)
    if errors:
        raise Invalid(errors)
    return Heartbeat(
        course_id=body.course_id or UNKNOWN_COURSE,
        is_active=body.is_active,
        module_id=body.module_id,
        unit_id=body.unit_id,
        timestamp=timestamp,
        # The service cuts claims to twice the heartbeat interval.
        active=None if body.active_seconds is None else int(min(body.active_seconds, 86_400) * SECOND),
        session_id=body.session_id,
        sent_at=sent_at,
        event_id=body.event_id,
        names=names,
    )


def names_of(body: wire.TrackBody | wire.ExternalBatchItemBody | wire.HeartbeatBody) -> ExternalIds | None:
    """Return the external ids of a body; None if it has none."""
    names = ExternalIds(body.course_external_id, body.module_external_id, body.unit_external_id)
    return None if names == _NO_NAMES else names


def _metrics(activity_type: ActivityType, told: wire.EngagementMetricsBody) -> EngagementMetrics | None:
    """Return the metrics; whoever completed a video and does not say how much of it was watched has watched it."""
    scroll_depth, watched, interactions = told.scroll_depth, told.video_watch_percentage, told.interaction_count
    if watched is None and activity_type is ActivityType.VIDEO_COMPLETE and told.video_segments is None:
        watched = 100.0
    if scroll_depth is None and watched is None and interactions is None:
        return None
    return EngagementMetrics(
        None if scroll_depth is None else cut_share(scroll_depth),
        None if watched is None else cut_share(watched),
        None if interactions is None else int(interactions),
    )


def _video(errors: list[FieldError], told: wire.EngagementMetricsBody, unit_id: int | None) -> dict[str, Any]:
    """Return the fields of an event that say what was played of a video."""
    errors += [
        FieldError(f"engagement_metrics.video_segments[{index}]", "must end after it begins")
        for index, (start, end) in enumerate(told.video_segments or ())
        if end <= start
    ]
    segments, duration = encode_segments(told.video_segments) if told.video_segments else None, told.video_duration_seconds
    playback = None if unit_id is None else played(segments, duration)
    return {"video_segments": segments, "video_duration_seconds": duration, "playback": playback}


def _metadata(errors: list[FieldError], body: wire.EventBody) -> str | None:
    if body.metadata is None:
        return None
    fault = check_json(body.metadata)
    if fault is not None:
        errors.append(FieldError("metadata", fault))
        return None
    return canonical_json(body.metadata)


def _quiz_score(errors: list[FieldError], body: wire.EventBody) -> float | None:
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
