"""Bodies and answers exactly as they are on the wire: camelCase, ids as strings."""

from datetime import datetime
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from headway.domain.catalogue import CourseKind
from headway.domain.completion import Rule
from headway.domain.enrollment_status import EnrollmentStatus

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


class Completion(msgspec.Struct):
    """What completes a unit; the threshold is in seconds for `time`, in percent for `scroll`, `video` and `quiz`."""

    rule: Rule = Rule.MANUAL
    threshold: float | None = None


class UnitBody(msgspec.Struct):
    """A unit to be made; where a course is changed, `id` names the one that is kept."""

    title: str
    id: str | None = None
    slug: str | None = None
    kind: str | None = None
    required: bool = True
    completion: Completion = msgspec.field(default_factory=Completion)


class ModuleBody(msgspec.Struct):
    """A module to be made, with its units in order; where a course is changed, `id` names the one that is kept."""

    title: str
    id: str | None = None
    units: list[UnitBody] = []
    slug: str | None = None


class AssessmentBody(msgspec.Struct, rename="camel"):
    """An assessment to be made; where a course is changed, `id` names the one that is kept."""

    title: str
    id: str | None = None
    description: str | None = None
    due_at: datetime | None = None
    max_grade: float = 100


class CourseBody(msgspec.Struct, rename="camel"):
    """A course to be made, with everything in it."""

    title: str
    modules: list[ModuleBody]
    slug: str | None = None
    description: str | None = None
    subject: str | None = None
    level: str | None = None
    kind: CourseKind = CourseKind.COURSE
    capacity: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    enroll_from: datetime | None = None
    enroll_until: datetime | None = None
    access_days: int | None = None
    sequential: bool = False
    prerequisites: list[str | int] = []
    published: bool = True
    assessments: list[AssessmentBody] = []


class CourseChangeBody(msgspec.Struct, rename="camel"):
    """What is to change in a course; what is left out stays.

    `modules` replaces the list, and with it the units, matched by `id`; so does `assessments`. What is not in them is retired.
    """

    title: str | UnsetType = UNSET
    modules: list[ModuleBody] | UnsetType = UNSET
    slug: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    subject: str | UnsetType | None = UNSET
    level: str | UnsetType | None = UNSET
    kind: CourseKind | UnsetType = UNSET
    capacity: int | UnsetType | None = UNSET
    starts_at: datetime | UnsetType | None = UNSET
    ends_at: datetime | UnsetType | None = UNSET
    enroll_from: datetime | UnsetType | None = UNSET
    enroll_until: datetime | UnsetType | None = UNSET
    access_days: int | UnsetType | None = UNSET
    sequential: bool | UnsetType = UNSET
    prerequisites: list[str | int] | UnsetType = UNSET
    published: bool | UnsetType = UNSET
    assessments: list[AssessmentBody] | UnsetType = UNSET


class CourseQuery(PageQuery):
    """Which courses are asked for: `tutor` is an id or part of a name, `q` part of a title or description."""

    subject: str | None = None
    level: str | None = None
    tutor: str | None = None
    kind: CourseKind | None = None
    q: str | None = None


class Unit(msgspec.Struct):
    """A unit as stored."""

    id: str
    title: str
    slug: str | None
    kind: str | None
    required: bool
    completion: Completion


class Module(msgspec.Struct):
    """A module as stored."""

    id: str
    title: str
    slug: str | None
    units: list[Unit]


class Assessment(msgspec.Struct, rename="camel"):
    """An assessment as stored."""

    id: str
    title: str
    description: str | None
    due_at: str | None
    max_grade: float


class Tutor(msgspec.Struct):
    """The owner of a course."""

    id: str
    name: str


class CourseListing(msgspec.Struct, rename="camel"):
    """A course as stored, without what is in it."""

    id: str
    title: str
    slug: str | None
    description: str | None
    subject: str | None
    level: str | None
    kind: CourseKind
    capacity: int | None
    seats_taken: int
    starts_at: str | None
    ends_at: str | None
    enroll_from: str | None
    enroll_until: str | None
    access_days: int | None
    sequential: bool
    prerequisites: list[str]
    published: bool
    tutor: Tutor


class Course(CourseListing, rename="camel"):
    """A course as stored, with everything in it."""

    modules: list[Module]
    assessments: list[Assessment]


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


class StandingBody(msgspec.Struct, rename="camel"):
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
    after: Annotated[int, Meta(ge=0)] = 0
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
