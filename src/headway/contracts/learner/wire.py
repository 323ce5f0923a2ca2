"""Request and response bodies of the contract: camelCase, ids as strings."""

from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from headway.assessments.model import MAX_FEEDBACK_LENGTH, MAX_SUBMISSION_URL_LENGTH, SUBMISSION_PATTERN
from headway.courses.model import MAX_ACCESS_DAYS, MAX_GRADE
from headway.enrollments.status import BY_STAFF, EnrollmentStatus
from headway.feed.model import LARGEST_SEQ
from headway.http.pages import Cursor, NextCursor
from headway.http.params import Limit, Page, Timestamp
from headway.http.schemas import text, visible_text
from headway.live.subscriptions import TOPIC_PATTERN
from headway.messaging.model import MAX_LENGTH
from headway.text import MAX_URL_LENGTH, URL_PATTERN

Data = TypeVar("Data")
Id = Annotated[str, Meta(max_length=300)]

CertificateUrl = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_URL_LENGTH,
        description="An https URL.",
        extra_json_schema={"pattern": URL_PATTERN},
    ),
]
SubmissionUrl = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_SUBMISSION_URL_LENGTH,
        description="An https URL on GitHub, Google Drive or S3.",
        extra_json_schema={"pattern": SUBMISSION_PATTERN},
    ),
]


class One(msgspec.Struct, Generic[Data], kw_only=True):
    """The envelope of a single object."""

    status: str = "success"
    data: Data


class Paging(msgspec.Struct, kw_only=True):
    """The page of a list: `page` counts from 1, `total` is the number of items in the whole list."""

    page: int
    limit: int
    total: int
    next_cursor: NextCursor = msgspec.field(name="nextCursor")


class Many(msgspec.Struct, Generic[Data], kw_only=True):
    """The envelope of a list."""

    status: str = "success"
    data: list[Data]
    metadata: Paging


class LearnerFieldProblem(msgspec.Struct):
    """An error of one field."""

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
    """The page of a list to return."""

    page: Page = 1
    limit: Limit | None = None
    cursor: Cursor | None = None


class EnrollQuery(msgspec.Struct):
    """Options of an enrollment: `waitlist` joins the waiting list if no seat is free."""

    waitlist: bool = False


class Enrollment(msgspec.Struct, rename="camel"):
    """An enrollment. Its `status` is `active`, `completed` or `dropped`; `expiresAt` is when access ends by itself."""

    id: str
    learner_id: str
    course_id: str
    status: str
    enrolled_at: str
    expires_at: str | None


class Waiting(msgspec.Struct, rename="camel"):
    """An entry of a course's waiting list; positions count from 1."""

    course_id: str
    learner_id: str
    position: int
    status: str = "waitlisted"


class CourseEnrollment(Enrollment, rename="camel"):
    """An enrollment, as the staff of the course sees it.

    `standing` is its exact status, such as `CERTIFIED`; `version` grows with each change.
    """

    name: str
    standing: str
    completion_percentage: float
    study_seconds: int
    last_accessed: str | None
    completed_at: str | None
    certificate_url: str | None
    version: int


class EnrollmentChangeBody(msgspec.Struct, rename="camel"):
    """One change of an enrollment.

    The status to set, `CERTIFIED`, `EXPIRED` or `DROPPED`, with the URL of the certificate; or `expiresAt`, when access ends,
    null for the course's days of access; or `extendDays`, by how many days it ends later.
    """

    status: Annotated[EnrollmentStatus, Meta(extra_json_schema={"enum": sorted(BY_STAFF)})] | UnsetType = UNSET
    certificate_url: CertificateUrl | None = None
    expires_at: Timestamp | UnsetType | None = UNSET
    extend_days: Annotated[int, Meta(ge=1, le=MAX_ACCESS_DAYS)] | UnsetType = UNSET


class Progress(msgspec.Struct, rename="camel"):
    """A learner's progress in a course; the percentage is cut to two decimals, and `version` grows with each change."""

    course_id: str
    title: str
    status: str
    completed_modules: list[str]
    completion_percentage: float
    last_accessed: str | None
    study_seconds: int
    version: int


class ProgressBody(msgspec.Struct, rename="camel"):
    """The module to mark as complete, with all its units."""

    module_id: Id


class Submission(msgspec.Struct, rename="camel"):
    """A submission; `isLate` is true if it was submitted after the due date."""

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
    """A submission with the learner's name."""

    learner_name: str


class OwnAssessment(msgspec.Struct, rename="camel"):
    """An assessment with the caller's newest submission; `versions` is the number of the caller's submissions."""

    id: str
    course_id: str
    title: str
    description: str | None
    due_at: str | None
    max_grade: float
    submission: Submission | None
    versions: int


class SubmitBody(msgspec.Struct, rename="camel"):
    """A submission by URL, on GitHub, Google Drive or S3."""

    submission_url: SubmissionUrl


class GradeBody(msgspec.Struct):
    """A grade from 0 to the assessment's `maxGrade`, with optional feedback."""

    grade: Annotated[float, Meta(extra_json_schema={"minimum": 0, "maximum": MAX_GRADE})]
    feedback: Annotated[str, text(MAX_FEEDBACK_LENGTH)] | None = None


class SharedCourse(msgspec.Struct):
    """A course in which both learners are enrolled."""

    id: str
    title: str


class Peer(msgspec.Struct, rename="camel"):
    """A learner who shares courses with the caller."""

    user_id: str
    name: str
    shared_courses: list[SharedCourse]


class MessageBody(msgspec.Struct, rename="camel"):
    """A message to send."""

    receiver_id: Id
    message: Annotated[str, visible_text(MAX_LENGTH)]


class MessagesQuery(PageQuery):
    """Filters for a list of messages: `with` is the id of the other user."""

    with_: Id | None = msgspec.field(default=None, name="with")


class Message(msgspec.Struct, rename="camel"):
    """A message from one user to another."""

    id: str
    sender_id: str
    receiver_id: str
    message: str
    is_read: bool
    created_at: str


class ReadBody(msgspec.Struct, rename="camel"):
    """Marks a message as read; it cannot be marked as unread."""

    is_read: Annotated[bool, Meta(extra_json_schema={"const": True})]


class Conversation(msgspec.Struct, rename="camel"):
    """A conversation of the caller with another user."""

    user_id: str
    name: str
    last_message: Message
    unread: int


class UnreadPaging(Paging, kw_only=True):
    """The page of a list of conversations, and the number of unread messages in all of them."""

    unread: int


class Conversations(msgspec.Struct, kw_only=True):
    """The envelope of a list of conversations."""

    status: str = "success"
    data: list[Conversation]
    metadata: UnreadPaging


class MarkedRead(msgspec.Struct, rename="camel"):
    """The number of messages that were marked as read."""

    user_id: str
    marked: int


class FeedQuery(msgspec.Struct):
    """Filters for the feed: `topic` is `user:ID` (the caller's own, the default) or `course:ID` (for its staff)."""

    topic: Annotated[str, Meta(max_length=200, extra_json_schema={"pattern": TOPIC_PATTERN})] | None = None
    after: Annotated[int, Meta(ge=0, le=LARGEST_SEQ)] = 0
    limit: Limit | None = None


class Change(msgspec.Struct):
    """A feed entry; `seq` is its number in the topic."""

    type: str
    topic: str
    seq: int
    at: str
    data: msgspec.Raw


class FeedPosition(msgspec.Struct):
    """The newest and the oldest number that is stored of the topic; older entries have been deleted."""

    newest: int
    oldest: int


class Feed(msgspec.Struct, kw_only=True):
    """The envelope of feed entries."""

    status: str = "success"
    data: list[Change]
    metadata: FeedPosition
