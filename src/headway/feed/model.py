"""The feed: numbered entries by topic, which live clients follow and resume.

A new kind of entry is a struct here and its rendering in `headway.feed.rendering`.
"""

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from headway.instants import Instant

LARGEST_SEQ = 2**63 - 1
"""The largest number that the databases hold."""


class FeedEvent(msgspec.Struct, frozen=True):
    """Something that happened, for those who follow a topic."""

    type: ClassVar[str]
    is_personal: ClassVar[bool] = False
    """Whether it holds what people wrote, and so is stored encrypted."""


class MessageSent(FeedEvent, frozen=True):
    """One user wrote to another."""

    type = "message"
    is_personal = True
    id: str
    sender_id: int
    receiver_id: int
    message: str
    created_at: Instant


class MessagesRead(FeedEvent, frozen=True):
    """A user read what another wrote: one message, or all where `message_id` is None."""

    type = "messages_read"
    reader_id: int
    sender_id: int
    message_id: str | None


class EnrollmentUpdated(FeedEvent, frozen=True):
    """A learner enrolled, or the status of the enrollment changed."""

    type = "enrollment.updated"
    course_id: int
    title: str
    learner_id: int
    status: str
    enrolled_at: Instant


class SeatTaken(EnrollmentUpdated, frozen=True):
    """A learner moved up from the waiting list."""

    type = "seat"


class UnitUpdated(msgspec.Struct, frozen=True):
    """The status or percent of a unit changed; `percent` is in hundredths."""

    unit_id: int
    status: str
    percent: int


class ProgressUpdated(FeedEvent, frozen=True):
    """A learner's progress in a course changed; `percent` is in hundredths."""

    type = "progress.updated"
    course_id: int
    learner_id: int
    status: str
    percent: int
    units: Sequence[UnitUpdated]


class CourseUpdated(FeedEvent, frozen=True):
    """The staff changed a course."""

    type = "course.updated"
    course_id: int


class SubmissionReceived(FeedEvent, frozen=True):
    """A learner submitted work."""

    type = "submission"
    submission_id: str
    assessment_id: int
    title: str
    course_id: int
    learner_id: int
    submission_url: str


class GradeGiven(FeedEvent, frozen=True):
    """The staff graded a submission."""

    type = "grade"
    is_personal = True
    submission_id: str
    assessment_id: int
    title: str
    course_id: int
    learner_id: int
    grade: float
    max_grade: float
    feedback: str | None


class TutorialUpdated(FeedEvent, frozen=True):
    """A learner's progress in a tutorial changed; `percent` is a whole number."""

    type = "tutorial.updated"
    tutorial_id: str
    percent: int
    is_certificate_eligible: bool
    is_certificate_earned: bool


PERSONAL_TYPES = frozenset(kind.type for kind in (MessageSent, GradeGiven))
"""The types of entries that are stored encrypted."""


class NewFeedEntry(msgspec.Struct, frozen=True):
    """An event to publish in a topic."""

    topic: str
    event: FeedEvent


class FeedEntry(msgspec.Struct, frozen=True):
    """A published event. `seq` grows by 1 within a topic; `data` is the rendered event."""

    topic: str
    seq: int
    type: str
    at: Instant
    data: msgspec.Raw


class Position(msgspec.Struct, frozen=True):
    """The newest `seq` of a topic, and the oldest that can still be read; both 0 for an empty topic."""

    newest: int
    oldest: int


def user_topic(user_id: int) -> str:
    """Return the topic that only a user follows."""
    return f"user:{user_id}"


def course_topic(course_id: int) -> str:
    """Return the topic that the staff of a course follows."""
    return f"course:{course_id}"


def new_entries(event: FeedEvent, *topics: str) -> list[NewFeedEntry]:
    """Return the entries that publish one event in several topics."""
    return [NewFeedEntry(topic, event) for topic in topics]
