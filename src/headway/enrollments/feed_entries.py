"""What live clients are told of a learner in a course: the learner, and the staff of the course."""

from collections.abc import Mapping

from headway.enrollments.model import Enrollment
from headway.feed.model import Change, ChangeType, topic_of_course, topic_of_user
from headway.instants import iso


def of_standing(enrollment: Enrollment, title: str, kind: ChangeType = ChangeType.ENROLLMENT) -> list[Change]:
    """Tell that a learner enrolled, or stands otherwise in a course than before."""
    data = {
        "courseId": str(enrollment.course_id),
        "title": title,
        "learnerId": str(enrollment.user_id),
        "status": enrollment.status.value,
        "enrolledAt": iso(enrollment.enrolled_at),
    }
    return to_learner_and_staff(enrollment, kind, data)


def to_learner_and_staff(enrollment: Enrollment, kind: ChangeType, data: Mapping[str, object]) -> list[Change]:
    """Put the same data into the learner's topic and the course's."""
    topics = topic_of_user(enrollment.user_id), topic_of_course(enrollment.course_id)
    return [Change(topic, kind, data) for topic in topics]
