"""Request and response bodies of the contract: camelCase with snake_case times, ids as numbers."""

from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from headway.courses.completion import Rule
from headway.courses.times import Lock
from headway.enrollments.status import EnrollmentStatus
from headway.http.pages import Cursor, NextCursor
from headway.http.params import DateBound, Id, Limit, Moment, Page, SearchText
from headway.learning.unit_progress import UnitStatus
from headway.measures import LARGEST_SHARE

Results = TypeVar("Results")
MOST_SEGMENTS = 200

Percent = Annotated[float, Meta(ge=0, le=LARGEST_SHARE, description="0 to 100; up to 100.5 counts as 100.")]
Seconds = Annotated[float, Meta(ge=0, le=2**31 - 1, description="Seconds; fractions are cut.")]
Share = Annotated[float, Meta(ge=0, le=100)]
PercentText = Annotated[str, Meta(pattern=r"^\d{1,3}\.\d\d$", description="0.00 to 100.00.")]
DisplayDate = Annotated[str, Meta(description="DD-Mon-YYYY in the display time zone.")]
DisplayTime = Annotated[str, Meta(description="HH:MM:SS in the display time zone.")]


class Found(msgspec.Struct, Generic[Results], kw_only=True):
    """The envelope of success."""

    success: bool = True
    message: str
    results: Results


class Pagination(msgspec.Struct, rename="camel"):
    """The page of a list: `page` counts from 1, `total` is the number of items in the whole list."""

    page: int
    limit: int
    total: int
    total_pages: int
    next_cursor: NextCursor


class FoundPage(Found[Results], Generic[Results], kw_only=True):
    """The envelope of a page."""

    pagination: Pagination


class FoundSome(Found[Results], Generic[Results], kw_only=True):
    """The envelope of a bulk read; `missing` lists the ids of users who are not enrolled."""

    missing: list[int]


class ProgressFailure(msgspec.Struct, kw_only=True, rename="camel"):
    """The envelope of every error; the message names the invalid fields, if any."""

    success: bool = False
    message: str
    request_id: str


class EnrollmentRow(msgspec.Struct, rename="camel", kw_only=True):
    """An enrollment."""

    v_created_date: DisplayDate = msgspec.field(name="v_created_date")
    v_created_time: DisplayTime = msgspec.field(name="v_created_time")
    v_updated_date: DisplayDate = msgspec.field(name="v_updated_date")
    v_updated_time: DisplayTime = msgspec.field(name="v_updated_time")
    enrollment_id: int
    user_id: int
    course_id: int
    enrollment_status: EnrollmentStatus
    enrollment_date: Moment
    completion_date: Moment | None
    certificate_url: str | None
    metadata: dict[str, Any]
    enrollment_created_at: Moment = msgspec.field(name="enrollment_created_at")
    enrollment_updated_at: Moment = msgspec.field(name="enrollment_updated_at")


class Video(msgspec.Struct, rename="camel", kw_only=True):
    """What a learner has played of a content's video, in percent and in seconds of it: in all, and the furthest place."""

    watched: Share
    reached: Share
    watched_seconds: float
    reached_seconds: float
    duration_seconds: float


class PlayedVideo(Video, kw_only=True):
    """What a learner has played of a content's video, with its segments `[from, to]` in seconds; of many, the 200 longest."""

    segments: Annotated[list[tuple[float, float]], Meta(max_length=MOST_SEGMENTS)]


class ContentRow(msgspec.Struct, rename="camel", kw_only=True):
    """A learner's progress in a content. Before the first activity, `progressId` and the times are null."""

    v_created_date: DisplayDate | None = msgspec.field(name="v_created_date")
    v_created_time: DisplayTime | None = msgspec.field(name="v_created_time")
    v_updated_date: DisplayDate | None = msgspec.field(name="v_updated_date")
    v_updated_time: DisplayTime | None = msgspec.field(name="v_updated_time")
    progress_id: int | None
    user_id: int
    course_id: int
    course_content_id: int
    progress_status: UnitStatus
    activity_duration: int
    progress_percent: PercentText
    metadata: dict[str, Any]
    video: Annotated[Video | UnsetType, Meta(description="Present once segments of a video were played.")] = UNSET
    user_course_content_progress_created_at: Moment | None = msgspec.field(name="user_course_content_progress_created_at")
    user_course_content_progress_updated_at: Moment | None = msgspec.field(name="user_course_content_progress_updated_at")


class CompletionRule(msgspec.Struct):
    """The completion rule of a content. `threshold` is in seconds for `time`, in percent for `scroll`, `video` and `quiz`."""

    rule: Rule
    threshold: float | None


class Declared(msgspec.Struct, rename="camel"):
    """Progress that a user declared, and the time of the declaration."""

    progress_percent: PercentText
    is_complete: bool
    user_id: int
    declared_at: Moment


class ContentEvidence(msgspec.Struct, rename="camel"):
    """The evidence of a learner's progress in a content; unknown values are null."""

    study_seconds: int
    outside_seconds: Annotated[
        int, Meta(description="Of them, those outside of the content's times, which do not count for it.")
    ]
    scroll_depth: float | None
    video_watch_percentage: float | None
    quiz_score_percent: float | None
    is_viewed: bool
    is_marked_complete: bool
    declared: Declared | None
    video: Annotated[PlayedVideo | None, Meta(description="What was played in segments; null before.")]


class WhyContent(msgspec.Struct, rename="camel"):
    """The explanation of a learner's progress in a content."""

    course_content_id: int
    title: str
    is_required: bool
    is_retired: bool
    is_hidden: Annotated[bool, Meta(description="Hidden from learners, so only staff is told of it.")]
    opens_at: Moment | None
    closes_at: Moment | None
    counts_from: Annotated[Moment | None, Meta(description="When it was last reset: what was before does not count.")]
    progress_status: UnitStatus
    locked: Annotated[Lock | None, Meta(description="Why nothing can be completed now; null for a content that is not locked.")]
    completion: CompletionRule
    met: Annotated[CompletionRule | None, Meta(description="The rule that was met; the content may have another one now.")]
    completed_by: Annotated[
        Literal["evidence", "declaration"] | None,
        Meta(description="What completed the content: evidence that met a rule, or a declaration alone; null before."),
    ]
    evidence: ContentEvidence
    missing: Annotated[str | None, Meta(description="What is missing to complete the content; null once it is complete.")]
    progress_percent: PercentText
    counted_percent: Annotated[
        str | None, Meta(description="The percent that counts in the sum; null for a content that does not count.")
    ]


class Why(msgspec.Struct, rename="camel"):
    """The explanation of the course progress: the sum of the percents of required contents, divided by their number."""

    contents: list[WhyContent]
    required_contents: int
    sum_of_percents: Annotated[str, Meta(pattern=r"^\d+\.\d\d$")]
    calculation: Annotated[str, Meta(examples=["100.00 / 3 = 33.33, cut to two decimals"])]
    progress_percent: PercentText


class UserProgress(msgspec.Struct, rename="camel"):
    """A learner's enrollment and progress in a course; `enrollments` is null for a user who is not enrolled."""

    enrollments: EnrollmentRow | None
    activity_logs: list[ContentRow]
    why: Annotated[Why | UnsetType, Meta(description="Present with `include=why`, if the learner is enrolled.")] = UNSET


class LearnerRow(msgspec.Struct, rename="camel"):
    """A learner in a list, with enrollment and progress."""

    user_id: int
    name: str
    enrollments: EnrollmentRow
    activity_logs: list[ContentRow]


class ProgressQuery(msgspec.Struct):
    """Options: `include=all` adds the contents without progress, `include=why` the explanation of each percent."""

    include: Literal["all", "why"] | None = None


class LearnersQuery(msgspec.Struct, rename="camel"):
    """Filters and order for a list of learners; those without a date come last. `q` has parts of words of the name."""

    q: SearchText | None = None
    status: EnrollmentStatus | None = None
    sort_by: Literal["progress", "enrollmentDate", "completionDate"] = "enrollmentDate"
    order: Literal["asc", "desc"] = "asc"
    page: Page = 1
    limit: Limit | None = None
    cursor: Cursor | None = None


class BulkBody(msgspec.Struct, rename="camel"):
    """The learners of a course to return."""

    course_id: Id
    user_ids: Annotated[list[Id], Meta(extra_json_schema={"minItems": 1, "maxItems": "${max_bulk_ids}"})]


class UpdateBody(msgspec.Struct, rename="camel"):
    """An update of a learner's progress in a content. The status LOCKED cannot be set: it follows from the course."""

    course_id: Id
    course_content_id: Id
    progress_status: Literal["NOT_STARTED", "IN_PROGRESS", "COMPLETED"] | None = None
    activity_duration: Seconds | None = None
    progress_percent: Percent | None = None
    metadata: dict[str, Any] | None = None
    user_id: Id | None = None


class Updated(msgspec.Struct, rename="camel"):
    """The progress in a content after an update."""

    progress_id: int
    user_id: int
    course_id: int
    course_content_id: int
    progress_status: UnitStatus
    activity_duration: int
    progress_percent: PercentText
    user_course_content_progress_updated_at: Moment = msgspec.field(name="user_course_content_progress_updated_at")


class ActivitiesQuery(msgspec.Struct, rename="camel"):
    """Filters for a list of activities, by the time of their last change; a date is the whole day in the display time zone."""

    start_date: DateBound | None = None
    end_date: DateBound | None = None
    status: UnitStatus | None = None


class ActivityRow(msgspec.Struct, rename="camel"):
    """A learner's progress in a content, without metadata."""

    progress_id: int
    course_content_id: int
    progress_status: UnitStatus
    activity_duration: int
    progress_percent: PercentText
    v_created_date: DisplayDate = msgspec.field(name="v_created_date")
    v_created_time: DisplayTime = msgspec.field(name="v_created_time")
    v_updated_date: DisplayDate = msgspec.field(name="v_updated_date")
    v_updated_time: DisplayTime = msgspec.field(name="v_updated_time")


class ContentStatistics(msgspec.Struct, rename="camel"):
    """The statistics of a content: the number of completions, and the mean of `activityDuration` in seconds."""

    content_id: int | None
    completion_count: int
    avg_duration: float


class ContentCompletions(ContentStatistics):
    """The statistics of a content, and how many of its completions were only declared: no rule was met."""

    declared_count: int


class Analytics(msgspec.Struct, rename="camel"):
    """The statistics of a course, without personal data."""

    total_enrollments: int
    active_users: int
    completed_users: int
    average_progress: float
    completion_rate: float
    average_completion_time: float
    total_activities: int
    content_engagement: ContentStatistics
    by_status: dict[EnrollmentStatus, int]
    active_last7_days: int = msgspec.field(name="activeLast7Days")
    contents: list[ContentCompletions]
