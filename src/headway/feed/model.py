"""The feed: what live clients follow by topic. Entries are stored and numbered; events that are not stored are told once."""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Annotated, Any, ClassVar, NamedTuple, get_type_hints

import msgspec

from headway.instants import Instant, iso

LARGEST_SEQ = 2**63 - 1
"""The largest number that the databases hold."""


Id = Annotated[int, str]
"""An id, written as a string. `Rendered` writes a field by the function in its annotation."""
Moment = Annotated[Instant, iso]


def write_optional_id(value: int | None) -> str | None:
    """Write an id that may be missing."""
    return None if value is None else str(value)


OptionalId = Annotated[int | None, write_optional_id]


class Rendered(msgspec.Struct, frozen=True, rename="camel"):
    """A struct that is written as JSON, in camelCase."""

    def fields(self) -> dict[str, Any]:
        """Return the fields as they are written."""
        return {
            name: write(getattr(self, field)) if write else getattr(self, field) for name, field, write in _layout(type(self))
        }


@cache
def _layout(kind: type[Rendered]) -> list[tuple[str, str, Any]]:
    """Return for each field its name in JSON, its own name, and the function of its annotation or None."""
    hints = get_type_hints(kind, include_extras=True)
    writers = [getattr(hints[field], "__metadata__", (None,))[0] for field in kind.__struct_fields__]
    return list(zip(kind.__struct_encode_fields__, kind.__struct_fields__, writers, strict=True))


class FeedEvent(Rendered, frozen=True):
    """Something that happened, for those who follow a topic."""

    type: ClassVar[str]
    is_stored: ClassVar[bool] = True
    """Whether it is stored as an entry; what is not is told to those who are connected."""
    is_personal: ClassVar[bool] = False
    """Whether it holds what people wrote, and so is stored encrypted, under the keys of `people`."""

    @property
    def people(self) -> Collection[int]:
        """The ids of the accounts whose texts it holds."""
        return ()

    def render(self) -> str:
        """Return the JSON of the event, which is stored and sent as it is."""
        return msgspec.json.encode(self.fields()).decode()


class MessageSent(FeedEvent, frozen=True):
    """One user wrote to another."""

    type = "message"
    is_personal = True
    id: str
    sender_id: Id
    receiver_id: Id
    message: str
    created_at: Moment

    @property
    def people(self) -> Collection[int]:
        """Both of its users."""
        return self.sender_id, self.receiver_id


class MessagesRead(FeedEvent, frozen=True):
    """A user read what another wrote: one message, or all where `message_id` is None."""

    type = "messages_read"
    reader_id: Id
    sender_id: Id
    message_id: str | None


class EnrollmentUpdated(FeedEvent, frozen=True):
    """A learner enrolled, or the status of the enrollment changed."""

    type = "enrollment.updated"
    course_id: Id
    title: str
    learner_id: Id
    status: str
    enrolled_at: Moment


class SeatTaken(EnrollmentUpdated, frozen=True):
    """A learner moved up from the waiting list."""

    type = "seat"


class UnitUpdated(msgspec.Struct, frozen=True, rename="camel"):
    """The status or percent of a unit changed. The fields are as they are written."""

    unit_id: str
    status: str
    percent: float


class ProgressUpdated(FeedEvent, frozen=True):
    """The status of an enrollment, its percent or that of a unit changed; `units` are those that did.

    `version` grows with each visible change of the enrollment, so the newest one wins. There may be one with each event of a
    learner: its fields are as they are written, which makes it five times as fast to render.
    """

    type = "progress.updated"
    is_stored = False
    version: int
    course_id: str
    learner_id: str
    status: str
    percent: float = msgspec.field(name="completionPercentage")
    units: Sequence[UnitUpdated]

    def render(self) -> str:
        """Return the JSON of the event."""
        return msgspec.json.encode(self).decode()


class ProgressReset(FeedEvent, frozen=True):
    """The staff reset progress of a learner in a unit, a module or, without either, the course, or undid it."""

    type = "progress.reset"
    course_id: Id
    title: str
    learner_id: Id
    reset_id: Id
    module_id: OptionalId
    unit_id: OptionalId
    is_new_attempt: bool = msgspec.field(name="newAttempt")
    is_undone: bool = msgspec.field(name="undone")


class CourseUpdated(FeedEvent, frozen=True):
    """The staff changed a course."""

    type = "course.updated"
    course_id: Id


class SubmissionReceived(FeedEvent, frozen=True):
    """A learner submitted work."""

    type = "submission"
    is_personal = True
    submission_id: str
    assessment_id: Id
    title: str
    course_id: Id
    learner_id: Id
    submission_url: str

    @property
    def people(self) -> Collection[int]:
        """Who handed it in."""
        return (self.learner_id,)


class GradeGiven(FeedEvent, frozen=True):
    """The staff graded a submission."""

    type = "grade"
    is_personal = True
    submission_id: str
    assessment_id: Id
    title: str
    course_id: Id
    learner_id: Id
    grade: float
    max_grade: float
    feedback: str | None

    @property
    def people(self) -> Collection[int]:
        """Whose work it is."""
        return (self.learner_id,)


class TutorialUpdated(FeedEvent, frozen=True):
    """A learner's progress in a tutorial changed; `percent` is a whole number."""

    type = "tutorial.updated"
    tutorial_id: str
    percent: int = msgspec.field(name="completionPercentage")
    is_certificate_eligible: bool = msgspec.field(name="certificateEligible")
    is_certificate_earned: bool = msgspec.field(name="certificateEarned")


PERSONAL_TYPES = frozenset(kind.type for kind in (MessageSent, GradeGiven, SubmissionReceived))
"""The types of entries that are stored encrypted."""
ERASED_DATA = '{"erased":true}'
"""What is left of an entry when one of its people was erased."""


def people_of_entry(_row: object, data: str) -> Collection[int]:
    """Return the ids of the people whose texts the data of a stored entry holds."""
    fields = msgspec.json.decode(data, type=dict[str, Any])
    named = (fields.get(name) for name in ("senderId", "receiverId", "learnerId"))
    return [int(each) for each in named if each is not None]


class NewFeedEntry(NamedTuple):
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
    """The newest `seq` of a topic, and the oldest that can still be read, or will be the first; both 0 for a new topic."""

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
