"""What live clients are told of a learner's progress in a course: the learner, and the staff of the course."""

from collections.abc import Collection, Iterable

from headway.enrollments.feed_entries import of_standing, to_learner_and_staff
from headway.enrollments.model import Enrollment
from headway.feed.model import Change, ChangeType
from headway.learning.unit_progress import UnitProgress


def of_progress(enrollment: Enrollment, units: Iterable[UnitProgress]) -> list[Change]:
    """Tell how far a learner is, in the course and in those units in which that changed."""
    data = {
        "courseId": str(enrollment.course_id),
        "learnerId": str(enrollment.user_id),
        "status": enrollment.status.value,
        "completionPercentage": enrollment.percent / 100,
        "units": [{"unitId": str(unit.unit_id), "status": unit.status.value, "percent": unit.percent / 100} for unit in units],
    }
    return to_learner_and_staff(enrollment, ChangeType.PROGRESS, data)


def of_changes(before: Enrollment, after: Enrollment, title: str, units: Collection[UnitProgress]) -> list[Change]:
    """Tell what is other than it was; `units` are those whose status or percent is."""
    told = of_standing(after, title) if after.status is not before.status else []
    return told + (of_progress(after, units) if units or after.percent != before.percent else [])
