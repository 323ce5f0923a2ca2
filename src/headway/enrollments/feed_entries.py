"""Feed entries about a learner in a course, for the learner and the staff of the course."""

from headway.enrollments.model import Enrollment
from headway.feed.model import EnrollmentUpdated, FeedEvent, NewFeedEntry, SeatTaken, course_topic, new_entries, user_topic


def enrollment_updated(enrollment: Enrollment, title: str) -> list[NewFeedEntry]:
    """Announce that a learner enrolled, or that the status of the enrollment changed."""
    return learner_entries(enrollment, _event(EnrollmentUpdated, enrollment, title))


def seat_taken(enrollment: Enrollment, title: str) -> list[NewFeedEntry]:
    """Announce that a learner moved up from the waiting list."""
    return learner_entries(enrollment, _event(SeatTaken, enrollment, title))


def learner_entries(enrollment: Enrollment, event: FeedEvent) -> list[NewFeedEntry]:
    """Publish an event in the topics of the learner and of the course."""
    return new_entries(event, user_topic(enrollment.user_id), course_topic(enrollment.course_id))


def _event(kind: type[EnrollmentUpdated], enrollment: Enrollment, title: str) -> EnrollmentUpdated:
    return kind(enrollment.course_id, title, enrollment.user_id, enrollment.status.value, enrollment.enrolled_at)
