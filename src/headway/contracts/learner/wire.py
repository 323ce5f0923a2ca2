"""Bodies and answers exactly as they are on the wire: camelCase, ids as strings."""

from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from headway.enrollments.model import EnrollmentStatus
from headway.feed.model import LARGEST_SEQ

Data = TypeVar("Data")


class One(msgspec.Struct, Generic[Data], kw_only=True):
    """The envelope of a single object."""

    status: str = "success"
    data: Data


class Paging(msgspec.Struct, kw_only=True):
    """Which part of a list this is: `page` counts from 1, `total` is the length of the whole."""

    page: int
    limit: int
    total: int


class Many(msgspec.Struct, Generic[Data], kw_only=True):
    """The envelope of a list."""

    status: str = "success"
    data: list[Data]
    metadata: Paging


class LearnerFieldProblem(msgspec.Struct):
    """What is wrong with one field."""

    field: str
    message: str


class LearnerFailure(msgspec.Struct, kw_only=True, rename="camel"):
    """The envelope of every error; `errors` names the fields of a `VALIDATION_ERROR`."""

    status: str = "error"
    code: str
    message: str
    timestamp: str
    errors: list[LearnerFieldProblem] | UnsetType = UNSET
    request_id: str


class PageQuery(msgspec.Struct):
    """Which part of a list is asked for."""

    page: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    limit: Annotated[int, Meta(ge=1)] | None = None


class RegisterBody(msgspec.Struct):
    """A new learner. Anything else, such as a role, is ignored."""

    name: str
    email: str
    password: str
    interests: list[str] = []


class Account(msgspec.Struct, rename="camel"):
    """An account as it is told to its owner."""

    id: str
    name: str
    email: str | None
    role: str
    interests: list[str]
    created_at: str


class LoginBody(msgspec.Struct):
    """What one signs in with."""

    email: str
    password: str


class RefreshBody(msgspec.Struct, rename="camel"):
    """The token with which a session goes on."""

    refresh_token: str


class PasswordBody(msgspec.Struct, rename="camel"):
    """A password and the one that is to replace it."""

    current_password: str
    new_password: str


class SignedIn(msgspec.Struct, kw_only=True, rename="camel"):
    """A session: an access token with its lifetime in seconds, and a refresh token that is good for one use."""

    status: str = "success"
    token: str
    refresh_token: str
    expires_in: int
    user: Account


class Profile(msgspec.Struct, rename="camel"):
    """An account with what follows from the learner's work."""

    id: str
    name: str
    email: str | None
    role: str
    interests: list[str]
    learning_goals: list[str]
    enrolled_courses: list[str]
    total_study_hours: float
    points: int
    created_at: str


class ProfileBody(msgspec.Struct, rename="camel"):
    """What users say about themselves; what is left out stays. Anything else is ignored."""

    name: str | UnsetType = UNSET
    interests: list[str] | UnsetType = UNSET
    learning_goals: list[str] | UnsetType = UNSET


class EnrollQuery(msgspec.Struct):
    """Whether to wait for a seat if none is free."""

    waitlist: bool = False


class Enrollment(msgspec.Struct, rename="camel"):
    """A learner's place in a course: `active`, `completed` or `dropped`."""

    id: str
    learner_id: str
    course_id: str
    status: str
    enrolled_at: str


class Waiting(msgspec.Struct, rename="camel"):
    """A place on a course's waiting list; the first is 1."""

    course_id: str
    learner_id: str
    position: int
    status: str = "waitlisted"


class EnrollmentsQuery(PageQuery):
    """Which enrollments are asked for: `active`, `completed` or `dropped` ones, or all."""

    status: str | None = None


class CourseEnrollment(msgspec.Struct, rename="camel"):
    """A learner's place in a course as its staff sees it; `standing` is the word of the status machine."""

    id: str
    learner_id: str
    course_id: str
    status: str
    enrolled_at: str
    name: str
    standing: str
    completion_percentage: float
    study_seconds: int
    last_accessed: str | None
    completed_at: str | None
    certificate_url: str | None


class StatusBody(msgspec.Struct, rename="camel"):
    """What staff sets: `CERTIFIED`, `EXPIRED` or `DROPPED`, with where the certificate is."""

    status: EnrollmentStatus
    certificate_url: str | None = None


class Progress(msgspec.Struct, rename="camel"):
    """How far a learner is in a course; the percentage is cut to two decimals."""

    course_id: str
    title: str
    status: str
    completed_modules: list[str]
    completion_percentage: float
    last_accessed: str | None
    study_seconds: int


class ProgressBody(msgspec.Struct, rename="camel"):
    """The module whose units are all done."""

    module_id: str


class Submission(msgspec.Struct, rename="camel"):
    """What a learner handed in; `isLate` where it came after the due date."""

    id: str
    assessment_id: str
    learner_id: str
    submission_url: str | None
    grade: float | None
    feedback: str | None
    submitted_at: str
    graded_at: str | None
    is_late: bool


class LearnersSubmission(Submission, rename="camel"):
    """What a learner handed in, with the learner's name."""

    learner_name: str


class OwnAssessment(msgspec.Struct, rename="camel"):
    """An assessment with the newest of what the caller handed in, and how many versions there are."""

    id: str
    course_id: str
    title: str
    description: str | None
    due_at: str | None
    max_grade: float
    submission: Submission | None
    versions: int


class SubmitBody(msgspec.Struct, rename="camel"):
    """Where the work is: on GitHub, Google Drive or S3."""

    submission_url: str


class GradeBody(msgspec.Struct):
    """A grade from 0 to the assessment's largest."""

    grade: float
    feedback: str | None = None


class SharedCourse(msgspec.Struct):
    """A course that two learners have in common."""

    id: str
    title: str


class Peer(msgspec.Struct, rename="camel"):
    """Somebody who learns in the same courses."""

    user_id: str
    name: str
    shared_courses: list[SharedCourse]


class MessageBody(msgspec.Struct, rename="camel"):
    """What is written to whom."""

    receiver_id: str
    message: str


class MessagesQuery(PageQuery):
    """Which messages are asked for: those with one user, or all."""

    with_: str | None = msgspec.field(default=None, name="with")


class Message(msgspec.Struct, rename="camel"):
    """What one user wrote to another."""

    id: str
    sender_id: str
    receiver_id: str
    message: str
    is_read: bool
    created_at: str


class ReadBody(msgspec.Struct, rename="camel"):
    """A reading mark; there is no way back."""

    is_read: bool


class Conversation(msgspec.Struct, rename="camel"):
    """What the caller and somebody else wrote to each other."""

    user_id: str
    name: str
    last_message: Message
    unread: int


class UnreadPaging(Paging, kw_only=True):
    """Which part of the list this is, and how many messages are unread in all conversations."""

    unread: int


class Conversations(msgspec.Struct, kw_only=True):
    """The envelope of a list of conversations."""

    status: str = "success"
    data: list[Conversation]
    metadata: UnreadPaging


class MarkedRead(msgspec.Struct, rename="camel"):
    """How many messages were marked as read."""

    user_id: str
    marked: int


class FeedQuery(msgspec.Struct):
    """What is asked of the feed: `topic` is `user:ID` (one's own, the default) or `course:ID` (its staff)."""

    topic: str | None = None
    after: Annotated[int, Meta(ge=0, le=LARGEST_SEQ)] = 0
    limit: Annotated[int, Meta(ge=1)] | None = None


class Change(msgspec.Struct):
    """What happened, in its place in a topic."""

    type: str
    topic: str
    seq: int
    at: str
    data: msgspec.Raw


class FeedPosition(msgspec.Struct):
    """How far the topic goes; a change after `after` that is older than `oldest` is no longer kept."""

    newest: int
    oldest: int


class Feed(msgspec.Struct, kw_only=True):
    """The envelope of changes."""

    status: str = "success"
    data: list[Change]
    metadata: FeedPosition
