"""Feed entries about a learner's progress in a course, for the learner and the staff of the course."""

from collections.abc import Collection, Iterable

from headway.enrollments.feed_entries import enrollment_updated, learner_entries
from headway.enrollments.model import Enrollment
from headway.feed.model import NewFeedEntry, ProgressUpdated, UnitUpdated
from headway.learning.unit_progress import UnitProgress


def progress_updated(enrollment: Enrollment, units: Iterable[UnitProgress]) -> list[NewFeedEntry]:
    """Announce the progress in a course, and in those of its units in which it changed."""
    event = ProgressUpdated(
        course_id=enrollment.course_id,
        learner_id=enrollment.user_id,
        status=enrollment.status.value,
        percent=enrollment.percent,
        units=[UnitUpdated(unit.unit_id, unit.status.value, unit.percent) for unit in units],
    )
    return learner_entries(enrollment, event)


def progress_entries(before: Enrollment, after: Enrollment, title: str, units: Collection[UnitProgress]) -> list[NewFeedEntry]:
    """Announce what changed in an enrollment; `units` are those whose status or percent did."""
    entries = enrollment_updated(after, title) if after.status is not before.status else []
    return entries + (progress_updated(after, units) if units or after.percent != before.percent else [])
