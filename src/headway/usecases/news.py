"""What live clients are told of a learner in a course: the learner, and the staff of the course."""

from collections.abc import Collection, Iterable, Mapping

from headway.domain.feed import Change, ChangeType, topic_of_course, topic_of_user
from headway.domain.instants import iso
from headway.domain.progress import UnitProgress
from headway.storage.enrollments import Enrollment


def of_standing(enrollment: Enrollment, title: str, kind: ChangeType = ChangeType.ENROLLMENT) -> list[Change]:
    """Tell that a learner enrolled, or stands otherwise in a course than before."""
    data = {
        "courseId": str(enrollment.course_id),
        "title": title,
        "learnerId": str(enrollment.user_id),
        "status": enrollment.status.value,
        "enrolledAt": iso(enrollment.enrolled_at),
    }
    return _to_both(enrollment, kind, data)


def of_progress(enrollment: Enrollment, units: Iterable[UnitProgress]) -> list[Change]:
    """Tell how far a learner is, in the course and in those units in which that changed."""
    data = {
        "courseId": str(enrollment.course_id),
        "learnerId": str(enrollment.user_id),
        "status": enrollment.status.value,
        "completionPercentage": enrollment.percent / 100,
        "units": [{"unitId": str(unit.unit_id), "status": unit.status.value, "percent": unit.percent / 100} for unit in units],
    }
    return _to_both(enrollment, ChangeType.PROGRESS, data)


def of_changes(before: Enrollment, after: Enrollment, title: str, units: Collection[UnitProgress]) -> list[Change]:
    """Tell what is other than it was; `units` are those whose status or percent is."""
    told = of_standing(after, title) if after.status is not before.status else []
    return told + (of_progress(after, units) if units or after.percent != before.percent else [])


def _to_both(enrollment: Enrollment, kind: ChangeType, data: Mapping[str, object]) -> list[Change]:
    topics = topic_of_user(enrollment.user_id), topic_of_course(enrollment.course_id)
    return [Change(topic, kind, data) for topic in topics]
