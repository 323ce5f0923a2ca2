"""Request and response bodies of courses."""

from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from headway.contracts.learner.wire import LearnerFieldProblem, PageQuery
from headway.courses.completion import LARGEST_THRESHOLD, Rule
from headway.courses.model import (
    MAX_ACCESS_DAYS,
    MAX_CAPACITY,
    MAX_DESCRIPTION,
    MAX_GRADE,
    MAX_SOURCE,
    MAX_TITLE,
    MAX_WORD,
    CourseKind,
)
from headway.http import params
from headway.http.params import ID_PATTERN, SearchText, Timestamp
from headway.http.schemas import single_line, visible_text
from headway.identity import CourseRole
from headway.ids import MAX_EXTERNAL_ID
from headway.reports.export_model import Part, TableName

Direction: TypeAlias = Literal["asc", "desc"]
Title = Annotated[str, visible_text(MAX_TITLE)]
Word = Annotated[str, visible_text(MAX_WORD)]
ExternalId = Annotated[str, single_line(MAX_EXTERNAL_ID)]
"""What the system `source` calls the thing."""
Source = Annotated[str, single_line(MAX_SOURCE)]
PartId = Annotated[str, Meta(max_length=15, pattern=ID_PATTERN)]
"""A new course gives its parts ids of their own, whatever it says: so a course that was read can be created again."""
CourseId = Annotated[str, Meta(max_length=300, extra_json_schema={"pattern": ID_PATTERN})]
Description = Annotated[str, visible_text(MAX_DESCRIPTION)]
Seats = Annotated[int, Meta(ge=0, le=MAX_CAPACITY)]
Days = Annotated[int, Meta(ge=1, le=MAX_ACCESS_DAYS)]
MaxGrade = Annotated[float, Meta(gt=0, le=MAX_GRADE)]
Threshold = Annotated[float, Meta(gt=0, le=max(LARGEST_THRESHOLD.values()))]


class Completion(msgspec.Struct, frozen=True, gc=False):
    """The completion rule of a unit. `threshold` is in seconds for `time`, in percent for `scroll`, `video` and `quiz`."""

    rule: Rule = Rule.MANUAL
    threshold: Threshold | None = None


class UnitBody(msgspec.Struct, rename="camel", gc=False):
    """A unit to create, or with the `id` or the `externalId` of a stored one, to update.

    It is locked before `opensAt` and from `closesAt` on. A hidden one is shown to staff alone, and does not count.
    """

    title: Title
    id: PartId | None = None
    slug: Word | None = None
    kind: Word | None = None
    required: bool = True
    completion: Completion = Completion()
    external_id: ExternalId | None = None
    source: Source | None = None
    opens_at: Timestamp | None = None
    closes_at: Timestamp | None = None
    hidden: bool = False


Units = Annotated[list[UnitBody], Meta(extra_json_schema={"maxItems": "${max_course_units}"})]


class ModuleBody(msgspec.Struct, rename="camel"):
    """A module with its units in order, to create, or with the `id` or the `externalId` of a stored one, to update."""

    title: Title
    id: PartId | None = None
    units: Units = []
    slug: Word | None = None
    external_id: ExternalId | None = None
    source: Source | None = None


class AssessmentBody(msgspec.Struct, rename="camel"):
    """An assessment to create, or with the `id` of a stored one, to update."""

    title: Title
    id: PartId | None = None
    description: Description | None = None
    due_at: Timestamp | None = None
    max_grade: MaxGrade = 100


Modules = Annotated[list[ModuleBody], Meta(extra_json_schema={"maxItems": "${max_course_modules}"})]
Assessments = Annotated[list[AssessmentBody], Meta(extra_json_schema={"maxItems": "${max_course_assessments}"})]
Prerequisites = Annotated[list[CourseId | params.Id], Meta(extra_json_schema={"maxItems": "${max_course_prerequisites}"})]


class CourseBody(msgspec.Struct, rename="camel"):
    """A course to create, with its modules, units and assessments."""

    title: Title
    modules: Modules
    slug: Word | None = None
    description: Description | None = None
    subject: Word | None = None
    level: Word | None = None
    kind: CourseKind = CourseKind.COURSE
    capacity: Seats | None = None
    starts_at: Timestamp | None = None
    ends_at: Timestamp | None = None
    enroll_from: Timestamp | None = None
    enroll_until: Timestamp | None = None
    access_days: Days | None = None
    sequential: bool = False
    prerequisites: Prerequisites = []
    published: bool = True
    assessments: Assessments = []
    external_id: ExternalId | None = None
    source: Source | None = None


class CourseChangeBody(msgspec.Struct, rename="camel"):
    """Changes to a course. Omitted fields keep their values.

    `modules` and `assessments` replace the whole list, matched by `id`, or else modules and units by `externalId`; what the new
    list omits is retired.
    """

    title: Title | UnsetType = UNSET
    modules: Modules | UnsetType = UNSET
    slug: Word | UnsetType | None = UNSET
    description: Description | UnsetType | None = UNSET
    subject: Word | UnsetType | None = UNSET
    level: Word | UnsetType | None = UNSET
    kind: CourseKind | UnsetType = UNSET
    capacity: Seats | UnsetType | None = UNSET
    starts_at: Timestamp | UnsetType | None = UNSET
    ends_at: Timestamp | UnsetType | None = UNSET
    enroll_from: Timestamp | UnsetType | None = UNSET
    enroll_until: Timestamp | UnsetType | None = UNSET
    access_days: Days | UnsetType | None = UNSET
    sequential: bool | UnsetType = UNSET
    prerequisites: Prerequisites | UnsetType = UNSET
    published: bool | UnsetType = UNSET
    assessments: Assessments | UnsetType = UNSET
    external_id: ExternalId | UnsetType | None = UNSET
    source: Source | UnsetType | None = UNSET


class CourseQuery(PageQuery, rename="camel"):
    """Filters for a list of courses: `tutor` is an id or part of a name, `q` parts of words of a title or description.

    `externalId` finds the one course that has it.
    """

    subject: Annotated[str, Meta(max_length=MAX_WORD)] | None = None
    level: Annotated[str, Meta(max_length=MAX_WORD)] | None = None
    tutor: SearchText | None = None
    kind: CourseKind | None = None
    q: SearchText | None = None
    external_id: Annotated[str, Meta(max_length=MAX_EXTERNAL_ID)] | None = None


class LearnersQuery(PageQuery):
    """Filters for a list of learners: `q` has parts of words of the name, in any order."""

    q: SearchText | None = None


class EnrollmentsQuery(LearnersQuery):
    """Filters and order of a list of enrollments: `status` is `active`, `completed` or `dropped`, `q` has parts of words.

    Sorted by `lastActivity`, those without any come last.
    """

    status: Literal["active", "completed", "dropped"] | None = None
    sort: Literal["id", "name", "lastActivity"] = "id"
    order: Direction = "asc"


class SubmissionsQuery(LearnersQuery):
    """Filters and order of a list of submissions: by the learner's `id` or `name`, or by when they were submitted."""

    sort: Literal["id", "name", "submittedAt"] = "id"
    order: Direction = "asc"


class ExportFormat(StrEnum):
    """The forms of an export."""

    CSV = "csv"
    NDJSON = "ndjson"


_PARTS = "|".join(Part)


class ExportQuery(msgspec.Struct):
    """The form of an export: a `table` as CSV, or learners as lines of JSON with what `include` names, separated by commas.

    `timeZone` is that of the days of study.
    """

    format: ExportFormat = ExportFormat.CSV
    table: TableName | None = None
    include: Annotated[str, Meta(max_length=100, pattern=f"^({_PARTS})(,({_PARTS}))*$")] | None = None
    time_zone: Annotated[str, Meta(max_length=64, examples=["Europe/Berlin"])] | None = msgspec.field(
        default=None, name="timeZone"
    )


class Unit(msgspec.Struct, rename="camel"):
    """A unit; see `UnitBody`."""

    id: str
    title: str
    slug: str | None
    kind: str | None
    required: bool
    completion: Completion
    external_id: str | None
    source: str | None
    opens_at: str | None
    closes_at: str | None
    hidden: bool


class Module(msgspec.Struct, rename="camel"):
    """A module with its units in order."""

    id: str
    title: str
    slug: str | None
    units: list[Unit]
    external_id: str | None
    source: str | None


class Assessment(msgspec.Struct, rename="camel"):
    """An assessment."""

    id: str
    title: str
    description: str | None
    due_at: str | None
    max_grade: float


class Tutor(msgspec.Struct):
    """The owner of a course."""

    id: str
    name: str


class StaffBody(msgspec.Struct):
    """The role of a user in the staff of a course."""

    role: CourseRole


class StaffMember(msgspec.Struct, rename="camel"):
    """A member of the staff of a course.

    `active` is false while the role gives no rights, because the account is disabled or may not teach any more.
    """

    user_id: str
    name: str
    role: CourseRole
    active: bool
    since: str


class CourseListing(msgspec.Struct, rename="camel"):
    """A course, without its modules and assessments."""

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
    external_id: str | None
    source: str | None


class Course(CourseListing, rename="camel"):
    """A course with its modules, units and assessments.

    `warnings` are for its staff, if there are any: of prerequisites that not every learner can complete.
    """

    modules: list[Module]
    assessments: list[Assessment]
    warnings: list[LearnerFieldProblem] | UnsetType = UNSET
