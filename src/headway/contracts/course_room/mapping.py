"""Conversion between wire structs and models: pure functions."""

from collections.abc import Sequence
from datetime import tzinfo
from typing import Any, Literal

import msgspec
from msgspec import UNSET

from headway.contracts.course_room import wire
from headway.courses.completion import COMPLETE, Evidence, Percent
from headway.courses.video import Playback
from headway.enrollments.lists import Order, Sort
from headway.enrollments.model import Enrollment
from headway.enrollments.status import EnrollmentStatus
from headway.errors import Invalid
from headway.http.decoding import check_json
from headway.http.params import DateBounds, DateRange
from headway.instants import SECOND, Instant, Milliseconds, iso, to_datetime
from headway.learning.explanation import CourseExplanation, UnitExplanation, calculation
from headway.learning.model import Update
from headway.learning.reads import LearnerProgress
from headway.learning.statistics import CourseStatistics, UnitStatistics
from headway.learning.unit_progress import UnitProgress, UnitStatus, percent_text

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DISPLAY_TIMES = ("v_created_date", "v_created_time", "v_updated_date", "v_updated_time")
_SORTS = {"progress": Sort.PERCENT, "enrollmentDate": Sort.ENROLLED_AT, "completionDate": Sort.COMPLETED_AT}
_MEASURED = frozenset({"engagement_metrics", "quiz_score_percent"})
"""Keys of metadata that are measured: clients cannot set them."""


def order(query: wire.LearnersQuery) -> Order:
    """Return the order of a list of learners, with its filter."""
    statuses = tuple(EnrollmentStatus) if query.status is None else (query.status,)
    return Order(statuses, _SORTS[query.sort_by], query.order == "desc")


def update(body: wire.UpdateBody, *, max_metadata_bytes: int) -> Update:
    """Return the update of a unit's progress. Raises Invalid."""
    # Clients that send back a response include the measured values, which they cannot set.
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


def date_bounds(zone: tzinfo) -> DateBounds:
    """Return the date bounds of a list of activities."""
    return DateBounds("startDate", "endDate", zone)


def user_progress(learner: LearnerProgress, zone: tzinfo) -> wire.UserProgress:
    """Render a learner's enrollment and progress in a course."""
    if learner.enrollment is None:
        return wire.UserProgress(None, [])
    explanation = UNSET if learner.explanation is None else why(learner.explanation)
    return wire.UserProgress(_enrollment(learner.enrollment, zone), _rows(learner, zone), explanation)


def why(explanation: CourseExplanation) -> wire.Why:
    """Render the explanation of a learner's progress in a course."""
    return wire.Why(
        contents=[_why_content(unit) for unit in explanation.units],
        required_contents=explanation.required_units,
        sum_of_percents=percent_text(explanation.sum_of_percents),
        calculation=calculation(explanation),
        progress_percent=percent_text(explanation.percent),
    )


def _why_content(explained: UnitExplanation) -> wire.WhyContent:
    unit, met = explained.unit, explained.met
    return wire.WhyContent(
        course_content_id=unit.id,
        title=unit.title,
        is_required=unit.is_required,
        is_retired=unit.is_retired,
        is_hidden=unit.is_hidden,
        opens_at=None if unit.times.opens_at is None else iso(unit.times.opens_at),
        closes_at=None if unit.times.closes_at is None else iso(unit.times.closes_at),
        counts_from=None if explained.counts_from is None else iso(explained.counts_from),
        progress_status=explained.status,
        locked=explained.lock,
        completion=wire.CompletionRule(unit.completion.rule, unit.completion.threshold),
        met=None if met is None else wire.CompletionRule(met.rule, met.threshold),
        completed_by=_completed_by(explained),
        evidence=_evidence(explained.evidence, explained.study_ms),
        missing=explained.missing,
        progress_percent=percent_text(explained.percent),
        counted_percent=None if explained.counted is None else percent_text(explained.counted),
    )


def _completed_by(explained: UnitExplanation) -> Literal["evidence", "declaration"] | None:
    if explained.status is not UnitStatus.COMPLETED:
        return None
    return "declaration" if explained.is_only_declared else "evidence"


def _evidence(evidence: Evidence, study_ms: Milliseconds) -> wire.ContentEvidence:
    metrics = evidence.engagement_metrics
    return wire.ContentEvidence(
        study_seconds=study_ms // SECOND,
        outside_seconds=(evidence.outside_ms or 0) // SECOND,
        scroll_depth=None if metrics is None else metrics.scroll_depth,
        video_watch_percentage=None if metrics is None else metrics.video_watch_percentage,
        quiz_score_percent=evidence.quiz_score_percent,
        is_viewed=evidence.is_viewed,
        is_marked_complete=evidence.is_marked_complete,
        declared=_declared(evidence),
        video=None if evidence.video is None else _played_video(evidence.video),
    )


def _played_video(video: Playback) -> wire.PlayedVideo:
    return wire.PlayedVideo(**_video(video), segments=video.segments(wire.MOST_SEGMENTS))


def _video(video: Playback) -> dict[str, float]:
    """Render what was played of a video, but for its segments."""
    watched, reached = video.watched, video.reached
    return {
        "watched": watched / 100,
        "reached": reached / 100,
        "watched_seconds": video.seconds(watched),
        "reached_seconds": video.seconds(reached),
        "duration_seconds": video.duration_seconds,
    }


def _declared(evidence: Evidence) -> wire.Declared | None:
    declaration = evidence.declaration
    if declaration is None:
        return None
    return wire.Declared(
        progress_percent=percent_text(evidence.declared_percent or 0),
        is_complete=evidence.declared == COMPLETE,
        user_id=declaration.user_id,
        declared_at=iso(declaration.at),
    )


def learner_row(learner: LearnerProgress, zone: tzinfo) -> wire.LearnerRow:
    """Render an enrolled learner in a list."""
    assert learner.enrollment is not None  # noqa: S101 - lists hold enrolled learners only
    enrollment = learner.enrollment
    return wire.LearnerRow(enrollment.user_id, learner.name, _enrollment(enrollment, zone), _rows(learner, zone))


def updated(progress: UnitProgress) -> wire.Updated:
    """Render the progress after an update."""
    return wire.Updated(
        progress_id=_stored_id(progress),
        user_id=progress.user_id,
        course_id=progress.course_id,
        course_content_id=progress.unit_id,
        progress_status=progress.status,
        activity_duration=progress.duration_seconds,
        progress_percent=percent_text(progress.percent),
        user_course_content_progress_updated_at=iso(progress.updated_at),
    )


def activities(
    units: Sequence[UnitProgress], dates: DateRange, status: UnitStatus | None, zone: tzinfo
) -> list[wire.ActivityRow]:
    """Render the activities in a range of dates, of one status or of all."""
    return [
        wire.ActivityRow(
            progress_id=_stored_id(unit),
            course_content_id=unit.unit_id,
            progress_status=unit.status,
            activity_duration=unit.duration_seconds,
            progress_percent=percent_text(unit.percent),
            **_display_times(unit, zone),
        )
        for unit in units
        if dates.has(unit.updated_at) and status in {None, unit.status}
    ]


def analytics(statistics: CourseStatistics) -> wire.Analytics:
    """Render the statistics of a course."""
    busiest = max(statistics.units, key=lambda unit: unit.completions, default=None)
    return wire.Analytics(
        total_enrollments=statistics.enrollments,
        active_users=statistics.by_status[EnrollmentStatus.IN_PROGRESS],
        completed_users=statistics.finished,
        average_progress=round(statistics.average_percent, 2),
        completion_rate=round(statistics.completion_percent, 2),
        average_completion_time=round(statistics.average_completion_days, 1),
        total_activities=statistics.unit_progress,
        content_engagement=_content(busiest) if busiest and busiest.completions else wire.ContentStatistics(None, 0, 0.0),
        by_status=statistics.by_status,
        active_last7_days=statistics.recently_active,
        contents=[_completions(unit) for unit in statistics.units],
    )


def _content(unit: UnitStatistics) -> wire.ContentStatistics:
    return wire.ContentStatistics(unit.unit_id, unit.completions, round(unit.average_seconds, 2))


def _completions(unit: UnitStatistics) -> wire.ContentCompletions:
    return wire.ContentCompletions(
        content_id=unit.unit_id,
        completion_count=unit.completions,
        avg_duration=round(unit.average_seconds, 2),
        declared_count=unit.declared_completions,
    )


def _enrollment(enrollment: Enrollment, zone: tzinfo) -> wire.EnrollmentRow:
    return wire.EnrollmentRow(
        **_display_times(enrollment, zone),
        enrollment_id=enrollment.id,
        user_id=enrollment.user_id,
        course_id=enrollment.course_id,
        enrollment_status=enrollment.status,
        enrollment_date=iso(enrollment.enrolled_at),
        completion_date=None if enrollment.completed_at is None else iso(enrollment.completed_at),
        certificate_url=enrollment.certificate_link,
        metadata=_metadata(enrollment.evidence, None),
        enrollment_created_at=iso(enrollment.created_at),
        enrollment_updated_at=iso(enrollment.updated_at),
    )


def _rows(learner: LearnerProgress, zone: tzinfo) -> list[wire.ContentRow]:
    rows = [_content_row(unit, zone) for unit in learner.units]
    if learner.enrollment is not None:
        key = (learner.enrollment.user_id, learner.enrollment.course_id)
        rows += [_untouched_row(*key, unit_id, status) for unit_id, status in learner.untouched.items()]
    return rows


def _content_row(unit: UnitProgress, zone: tzinfo) -> wire.ContentRow:
    return wire.ContentRow(
        **_display_times(unit, zone),
        progress_id=unit.id,
        user_id=unit.user_id,
        course_id=unit.course_id,
        course_content_id=unit.unit_id,
        progress_status=unit.status,
        activity_duration=unit.duration_seconds,
        progress_percent=percent_text(unit.percent),
        metadata=_metadata(unit.evidence, unit.client_metadata),
        video=UNSET if unit.evidence.video is None else wire.Video(**_video(unit.evidence.video)),
        user_course_content_progress_created_at=iso(unit.created_at),
        user_course_content_progress_updated_at=iso(unit.updated_at),
    )


def _untouched_row(user_id: int, course_id: int, unit_id: int, status: UnitStatus) -> wire.ContentRow:
    return wire.ContentRow(
        **dict.fromkeys(_DISPLAY_TIMES),
        progress_id=None,
        user_id=user_id,
        course_id=course_id,
        course_content_id=unit_id,
        progress_status=status,
        activity_duration=0,
        progress_percent=percent_text(0),
        metadata={},
        video=UNSET,
        user_course_content_progress_created_at=None,
        user_course_content_progress_updated_at=None,
    )


def _metadata(evidence: Evidence, client_metadata: str | None) -> dict[str, Any]:
    """Merge the client's metadata with the measured values, which win."""
    merged: dict[str, Any] = msgspec.json.decode(client_metadata) if client_metadata else {}
    if evidence.engagement_metrics is not None:
        merged["engagement_metrics"] = msgspec.to_builtins(evidence.engagement_metrics)
    if evidence.quiz_score_percent is not None:
        merged["quiz_score_percent"] = evidence.quiz_score_percent
    return merged


def _stored_id(progress: UnitProgress) -> int:
    assert progress.id is not None  # noqa: S101 - progress that was read or written is stored
    return progress.id


def _hundredths(percent: float) -> Percent:
    """Convert to hundredths, rounded down after correcting errors of binary fractions; only 100 is complete."""
    return COMPLETE if percent >= 100 else min(int(percent * 100 + 1e-6), COMPLETE - 1)


def _display_times(row: Enrollment | UnitProgress, zone: tzinfo) -> dict[str, str]:
    """Render the times of creation and change for display."""
    times = (*_display(row.created_at, zone), *_display(row.updated_at, zone))
    return dict(zip(_DISPLAY_TIMES, times, strict=True))


def _display(instant: Instant, zone: tzinfo) -> tuple[str, str]:
    """Render a date and a time as `DD-Mon-YYYY` and `HH:MM:SS`, with English months."""
    text = to_datetime(instant, zone).isoformat()
    return f"{text[8:10]}-{_MONTHS[int(text[5:7]) - 1]}-{text[:4]}", text[11:19]
