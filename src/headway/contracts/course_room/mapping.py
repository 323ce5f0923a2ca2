"""From the wire to the domain and back: pure functions."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, NamedTuple

import msgspec

from headway import instants
from headway.contracts.course_room import wire
from headway.courses.completion import COMPLETE, Evidence, Percent
from headway.enrollments.model import Enrollment, Order, Sort
from headway.enrollments.status import EnrollmentStatus
from headway.errors import FieldError, Invalid
from headway.http.decoding import check_json
from headway.instants import DAY, END_OF_TIME, Instant, iso, to_datetime
from headway.learning.model import Update
from headway.learning.reads import LearnerProgress
from headway.learning.statistics import CourseStatistics, UnitStatistics
from headway.learning.unit_progress import UnitProgress, UnitStatus

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SORTS = {
    "progress": Sort.PERCENT,
    "enrollmentDate": Sort.ENROLLED_AT,
    "completionDate": Sort.COMPLETED_AT,
}
_LARGEST_ID = 2**53 - 1
_MEASURED = frozenset({"engagement_metrics", "quiz_score_percent"})
"""What of metadata clients cannot set."""


class Span(NamedTuple):
    """From when, and up to but without when; None where there is no bound."""

    start: Instant | None
    end: Instant | None

    def has(self, at: Instant) -> bool:
        """Say whether a moment lies within."""
        return (self.start is None or self.start <= at) and (self.end is None or at < self.end)


def id_of(name: str, text: str) -> int:
    """Read an id in a path. Raises Invalid."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 16 else 0
    if not 1 <= number <= _LARGEST_ID:
        raise Invalid.field(name, "must be a positive integer")
    return number


def order(query: wire.LearnersQuery) -> Order:
    """Read which learners are wanted."""
    statuses = tuple(EnrollmentStatus) if query.status is None else (query.status,)
    return Order(statuses, _SORTS[query.sort_by], query.order == "desc")


def update(body: wire.UpdateBody, *, max_metadata_bytes: int) -> Update:
    """Read what is declared. Raises Invalid."""
    # What was measured comes back to us from clients that send what they have read; it is not theirs to say.
    metadata = {name: value for name, value in (body.metadata or {}).items() if name not in _MEASURED}
    fault = check_json(metadata)
    if fault is None and len(msgspec.json.encode(metadata)) > max_metadata_bytes:
        fault = f"must not have more than {max_metadata_bytes} bytes"
    if fault is not None:
        raise Invalid.field("metadata", fault)
    return Update(
        course_id=body.course_id,
        unit_id=body.course_content_id,
        status=None if body.progress_status is None else UnitStatus(body.progress_status),
        percent=None if body.progress_percent is None else _hundredths(body.progress_percent),
        duration_seconds=None if body.activity_duration is None else int(body.activity_duration),
        metadata=metadata,
    )


def span(query: wire.ActivitiesQuery, zone: tzinfo) -> Span:
    """Read from when to when; both ends count. Raises Invalid."""
    errors: list[FieldError] = []
    start = _bound(errors, "startDate", query.start_date, zone, is_end=False)
    end = _bound(errors, "endDate", query.end_date, zone, is_end=True)
    if start is not None and end is not None and end <= start:
        errors.append(FieldError("endDate", "must not be before startDate"))
    if errors:
        raise Invalid(errors)
    return Span(start, end)


def user_progress(found: LearnerProgress, zone: tzinfo) -> wire.UserProgress:
    """Write a learner in a course."""
    if found.enrollment is None:
        return wire.UserProgress(None, [])
    rows = _rows(found, zone)
    return wire.UserProgress(_enrollment(found.enrollment, zone), rows)


def learner_row(found: LearnerProgress, zone: tzinfo) -> wire.LearnerRow:
    """Write an enrolled learner among others."""
    assert found.enrollment is not None  # noqa: S101 - only those enrolled are listed
    return wire.LearnerRow(found.enrollment.user_id, _enrollment(found.enrollment, zone), _rows(found, zone))


def updated(progress: UnitProgress) -> wire.Updated:
    """Write what an update led to."""
    return wire.Updated(
        progress_id=_stored_id(progress),
        user_id=progress.user_id,
        course_id=progress.course_id,
        course_content_id=progress.unit_id,
        progress_status=progress.status,
        activity_duration=progress.duration_seconds,
        progress_percent=_percent_text(progress.percent),
        user_course_content_progress_updated_at=iso(progress.updated_at),
    )


def activities(units: Sequence[UnitProgress], within: Span, status: UnitStatus | None, zone: tzinfo) -> list[wire.ActivityRow]:
    """Write those activities that are wanted."""
    return [
        wire.ActivityRow(
            _stored_id(unit),
            unit.unit_id,
            unit.status,
            unit.duration_seconds,
            _percent_text(unit.percent),
            **_shown_times(unit, zone),
        )
        for unit in units
        if within.has(unit.updated_at) and status in {None, unit.status}
    ]


def analytics(found: CourseStatistics) -> wire.Analytics:
    """Write the figures of a course."""
    busiest = max(found.units, key=lambda unit: unit.completions, default=None)
    return wire.Analytics(
        total_enrollments=found.enrollments,
        active_users=found.by_status[EnrollmentStatus.IN_PROGRESS],
        completed_users=found.finished,
        average_progress=round(found.average_percent, 2),
        completion_rate=round(found.completion_percent, 2),
        average_completion_time=round(found.average_completion_days, 1),
        total_activities=found.unit_progress,
        content_engagement=_content(busiest) if busiest and busiest.completions else wire.ContentStatistics(None, 0, 0.0),
        by_status=found.by_status,
        active_last7_days=found.recently_active,
        contents=[_content(unit) for unit in found.units],
    )


def _content(unit: UnitStatistics) -> wire.ContentStatistics:
    return wire.ContentStatistics(unit.unit_id, unit.completions, round(unit.average_seconds, 2))


def _enrollment(enrollment: Enrollment, zone: tzinfo) -> wire.EnrollmentRow:
    return wire.EnrollmentRow(
        **_shown_times(enrollment, zone),
        enrollment_id=enrollment.id,
        user_id=enrollment.user_id,
        course_id=enrollment.course_id,
        enrollment_status=enrollment.status,
        enrollment_date=iso(enrollment.enrolled_at),
        completion_date=None if enrollment.completed_at is None else iso(enrollment.completed_at),
        certificate_url=enrollment.certificate_url,
        metadata=_metadata(enrollment.evidence, None),
        enrollment_created_at=iso(enrollment.created_at),
        enrollment_updated_at=iso(enrollment.updated_at),
    )


def _rows(found: LearnerProgress, zone: tzinfo) -> list[wire.ContentRow]:
    rows = [_content_row(unit, zone) for unit in found.units]
    if found.enrollment is not None:
        learner = (found.enrollment.user_id, found.enrollment.course_id)
        rows += [_untouched_row(*learner, unit_id, status) for unit_id, status in found.untouched.items()]
    return rows


def _content_row(unit: UnitProgress, zone: tzinfo) -> wire.ContentRow:
    return wire.ContentRow(
        **_shown_times(unit, zone),
        progress_id=unit.id,
        user_id=unit.user_id,
        course_id=unit.course_id,
        course_content_id=unit.unit_id,
        progress_status=unit.status,
        activity_duration=unit.duration_seconds,
        progress_percent=_percent_text(unit.percent),
        metadata=_metadata(unit.evidence, unit.client_metadata),
        user_course_content_progress_created_at=iso(unit.created_at),
        user_course_content_progress_updated_at=iso(unit.updated_at),
    )


def _untouched_row(user_id: int, course_id: int, unit_id: int, status: UnitStatus) -> wire.ContentRow:
    return wire.ContentRow(
        v_created_date=None,
        v_created_time=None,
        v_updated_date=None,
        v_updated_time=None,
        progress_id=None,
        user_id=user_id,
        course_id=course_id,
        course_content_id=unit_id,
        progress_status=status,
        activity_duration=0,
        progress_percent=_percent_text(0),
        metadata={},
        user_course_content_progress_created_at=None,
        user_course_content_progress_updated_at=None,
    )


def _metadata(evidence: Evidence, client_metadata: str | None) -> dict[str, Any]:
    """Show what the client wants to be kept, and over it what was measured."""
    shown: dict[str, Any] = msgspec.json.decode(client_metadata) if client_metadata else {}
    if evidence.engagement_metrics is not None:
        shown["engagement_metrics"] = msgspec.to_builtins(evidence.engagement_metrics)
    if evidence.quiz_score_percent is not None:
        shown["quiz_score_percent"] = evidence.quiz_score_percent
    return shown


def _stored_id(progress: UnitProgress) -> int:
    assert progress.id is not None  # noqa: S101 - what is read or written is stored
    return progress.id


def _hundredths(percent: float) -> Percent:
    """Cut to hundredths, but do not let the last bit of a binary fraction cost one; only 100 is all of it."""
    return COMPLETE if percent >= 100 else min(int(percent * 100 + 1e-6), COMPLETE - 1)


def _percent_text(percent: Percent) -> str:
    return f"{percent // 100}.{percent % 100:02}"


def _shown_times(of: Enrollment | UnitProgress, zone: tzinfo) -> dict[str, str]:
    """Write when something was made and changed, for reading."""
    created_date, created_time = _shown(of.created_at, zone)
    updated_date, updated_time = _shown(of.updated_at, zone)
    return {
        "v_created_date": created_date,
        "v_created_time": created_time,
        "v_updated_date": updated_date,
        "v_updated_time": updated_time,
    }


def _shown(instant: Instant, zone: tzinfo) -> tuple[str, str]:
    """Write a date and a time as the seed does: `DD-Mon-YYYY` and `HH:MM:SS`, the months in English."""
    text = to_datetime(instant).astimezone(zone).isoformat()
    return f"{text[8:10]}-{_MONTHS[int(text[5:7]) - 1]}-{text[:4]}", text[11:19]


def _bound(errors: list[FieldError], field: str, text: str | None, zone: tzinfo, *, is_end: bool) -> Instant | None:
    if text is None:
        return None
    try:
        return _instant(text, zone, is_end=is_end)
    except (ValueError, OverflowError):
        errors.append(FieldError(field, "must be an ISO 8601 date, or date and time"))
        return None


def _instant(text: str, zone: tzinfo, *, is_end: bool) -> Instant:
    """Read a bound; one that ends something is the first moment after it. Raises ValueError, OverflowError."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        moment = instants.from_datetime(datetime.fromisoformat(text))
        return moment + 1 if is_end else moment
    if is_end and day == date.max:
        return END_OF_TIME + DAY
    first = datetime(day.year, day.month, day.day, tzinfo=zone)
    return instants.from_datetime(first + timedelta(days=1) if is_end else first)
