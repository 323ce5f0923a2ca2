"""What is told to those who follow a learner or a course when an enrollment changes."""

from collections.abc import Collection, Sequence

import msgspec

from headway.enrollments.model import Enrollment
from headway.feed.model import (
    EnrollmentUpdated,
    FeedEvent,
    NewFeedEntry,
    ProgressUpdated,
    SeatTaken,
    UnitUpdated,
    course_topic,
    new_entries,
    user_topic,
)


def enrollment_updated(
    enrollment: Enrollment, title: str, units: Sequence[UnitUpdated] = (), *, hidden: Collection[int] = ()
) -> list[NewFeedEntry]:
    """Announce that a learner enrolled or that the status of the enrollment changed, with the units that changed with it."""
    entries = _learner_entries(enrollment, _event(EnrollmentUpdated, enrollment, title))
    return entries + progress_updated(enrollment, units, hidden=hidden)


def seat_taken(enrollment: Enrollment, title: str) -> list[NewFeedEntry]:
    """Announce that a learner moved up from the waiting list."""
    return _learner_entries(enrollment, _event(SeatTaken, enrollment, title)) + progress_updated(enrollment)


def progress_updated(
    enrollment: Enrollment, units: Sequence[UnitUpdated] = (), *, hidden: Collection[int] = ()
) -> list[NewFeedEntry]:
    """Announce the progress of a learner whose enrollment has changed and been touched, with the units that changed.

    Of those that are hidden staff alone is told.
    """
    course_id, learner_id = str(enrollment.course_id), str(enrollment.user_id)
    status, percent = enrollment.status, enrollment.percent / 100
    event = ProgressUpdated(enrollment.updated_at, course_id, learner_id, status, percent, units)
    entries = _learner_entries(enrollment, event)
    shown = [unit for unit in units if int(unit.unit_id) not in hidden] if hidden else units
    if len(shown) < len(units):
        entries[0] = NewFeedEntry(entries[0].topic, msgspec.structs.replace(event, units=shown))
    return entries


def _learner_entries(enrollment: Enrollment, event: FeedEvent) -> list[NewFeedEntry]:
    """Publish an event in the topics of the learner and of the course."""
    return new_entries(event, user_topic(enrollment.user_id), course_topic(enrollment.course_id))


def _event(kind: type[EnrollmentUpdated], enrollment: Enrollment, title: str) -> EnrollmentUpdated:
    return kind(enrollment.course_id, title, enrollment.user_id, enrollment.status.value, enrollment.enrolled_at)
