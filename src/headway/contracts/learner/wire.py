"""Bodies and answers exactly as they are on the wire: camelCase, ids as strings."""

from datetime import datetime

import msgspec

from headway.domain.catalogue import CourseKind
from headway.domain.completion import Rule


class Completion(msgspec.Struct):
    """What completes a unit; the threshold is in seconds for `time`, in percent for `scroll`, `video` and `quiz`."""

    rule: Rule = Rule.MANUAL
    threshold: float | None = None


class UnitBody(msgspec.Struct):
    """A unit to be made."""

    title: str
    slug: str | None = None
    kind: str | None = None
    required: bool = True
    completion: Completion = msgspec.field(default_factory=Completion)


class ModuleBody(msgspec.Struct):
    """A module to be made, with its units in order."""

    title: str
    units: list[UnitBody] = []
    slug: str | None = None


class AssessmentBody(msgspec.Struct, rename="camel"):
    """An assessment to be made."""

    title: str
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


class Course(msgspec.Struct, rename="camel"):
    """A course as stored, with everything in it."""

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
    modules: list[Module]
    assessments: list[Assessment]
