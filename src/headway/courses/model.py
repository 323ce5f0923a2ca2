"""Courses, their modules, units and assessments, and the rules for changing them."""

from enum import StrEnum
from typing import NamedTuple

import msgspec

from headway.courses.completion import Completion
from headway.courses.times import ALWAYS, Times
from headway.instants import Instant
from headway.words import TermRange, index_terms, query_terms

MAX_TITLE, MAX_WORD, MAX_DESCRIPTION = 200, 100, 10_000
"""The most characters of titles, of slugs, subjects, levels and kinds, and of descriptions."""
MAX_SOURCE = 100
"""The most characters of the names of the systems that external ids are from."""
MAX_CAPACITY, MAX_ACCESS_DAYS, MAX_GRADE = 2**31 - 1, 36_500, 1_000_000


SEATS = "seats"
"""The name of the course statistic that counts the enrollments that hold a seat."""


class CourseKind(StrEnum):
    """A course that runs, or a bookable live session."""

    COURSE = "course"
    SESSION = "session"


class NewUnit(msgspec.Struct, frozen=True):
    """A unit to create, or with an `id`, to update."""

    title: str
    slug: str | None = None
    kind: str | None = None
    is_required: bool = True
    completion: Completion = Completion()
    id: int | None = None
    external_id: str | None = None
    source: str | None = None
    times: Times = ALWAYS
    is_hidden: bool = False


class NewModule(msgspec.Struct, frozen=True):
    """A module with its units in order, to create, or with an `id`, to update."""

    title: str
    slug: str | None = None
    units: tuple[NewUnit, ...] = ()
    id: int | None = None
    external_id: str | None = None
    source: str | None = None


class NewAssessment(msgspec.Struct, frozen=True):
    """An assessment with a grade from 0 to `max_grade`, to create, or with an `id`, to update."""

    title: str
    description: str | None = None
    due_at: Instant | None = None
    max_grade: float = 100.0
    id: int | None = None


class NewCourse(msgspec.Struct, frozen=True):
    """A course to create or to update. `capacity` limits the seats; `access_days` counts from enrollment.

    `external_id` is what the system `source` calls it: of one course, module of a course, and unit of a module.
    """

    title: str
    modules: tuple[NewModule, ...] = ()
    assessments: tuple[NewAssessment, ...] = ()
    slug: str | None = None
    description: str | None = None
    subject: str | None = None
    level: str | None = None
    kind: CourseKind = CourseKind.COURSE
    capacity: int | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    enroll_from: Instant | None = None
    enroll_until: Instant | None = None
    access_days: int | None = None
    is_sequential: bool = False
    is_published: bool = True
    prerequisites: tuple[int, ...] = ()
    external_id: str | None = None
    source: str | None = None

    @property
    def terms(self) -> set[str]:
        """What the course is found by: parts of the words of its texts, and its subject and level as a whole."""
        exact = {name: value for name, value in (("subject", self.subject), ("level", self.level)) if value is not None}
        return index_terms((self.title, self.description or ""), **exact)


class CourseLimits(NamedTuple):
    """The most parts that a course may have; `units` are those of all its modules."""

    modules: int
    units: int
    assessments: int
    prerequisites: int


class Unit(msgspec.Struct, frozen=True):
    """The smallest thing that has progress. A retired one keeps its history and no longer counts."""

    id: int
    course_id: int
    module_id: int
    title: str
    slug: str | None
    kind: str | None
    position: int
    is_required: bool
    completion: Completion
    is_retired: bool
    external_id: str | None = None
    source: str | None = None
    times: Times = ALWAYS
    """When learners can complete it."""
    is_hidden: bool = False
    """Whether learners do not see it; then it does not count either."""

    @property
    def counts(self) -> bool:
        """Whether the unit is part of the course's percent."""
        return self.is_required and self.is_shown

    @property
    def is_shown(self) -> bool:
        """Whether learners see the unit."""
        return not (self.is_retired or self.is_hidden)

    def is_open(self, now: Instant) -> bool:
        """Return whether learners see the unit and can complete it at an instant."""
        return self.is_shown and self.times.include(now)


class Module(msgspec.Struct, frozen=True):
    """A part of a course, with units."""

    id: int
    course_id: int
    title: str
    slug: str | None
    position: int
    is_retired: bool
    external_id: str | None = None
    source: str | None = None


class Assessment(msgspec.Struct, frozen=True):
    """A task with a grade from 0 to `max_grade`."""

    id: int
    course_id: int
    title: str
    description: str | None
    due_at: Instant | None
    max_grade: float
    position: int
    is_retired: bool


class Schedule(NamedTuple):
    """What kind of course it is, and when it runs."""

    kind: CourseKind
    starts_at: Instant | None
    ends_at: Instant | None


class EnrollmentTerms(msgspec.Struct, frozen=True):
    """The terms of enrollment of a course; the number of seats is unlimited if `capacity` is None."""

    id: int
    title: str
    is_published: bool
    capacity: int | None
    seats_taken: int
    """Of the limited seats; 0 without a limit."""
    enroll_from: Instant | None
    enroll_until: Instant | None
    ends_at: Instant | None
    access_days: int | None

    @property
    def free_seats(self) -> int | None:
        """The number of free seats; None if there is no limit."""
        return None if self.capacity is None else max(self.capacity - self.seats_taken, 0)


class Prerequisite(msgspec.Struct, frozen=True):
    """A course that has to be completed before another one, with what decides whether it still can be."""

    course_id: int
    title: str
    is_published: bool
    enroll_until: Instant | None
    ends_at: Instant | None
    has_units: bool
    """Whether it ever had units, retired ones included."""
    has_required_units: bool
    """Whether it has units that count; it cannot be completed without."""


class CourseTree(msgspec.Struct, frozen=True):
    """A stored course with its modules, units and assessments in order."""

    id: int
    course: NewCourse
    """The course's own fields; the lists of parts are empty here."""
    seats_taken: int
    owner_id: int
    owner_name: str
    modules: list[Module]
    units: list[Unit]
    assessments: list[Assessment]
    prerequisites: list[Prerequisite] = []
    warnings: tuple[str, ...] = ()
    """What its staff should know about the prerequisites."""

    @property
    def active_modules(self) -> list[tuple[Module, list[Unit]]]:
        """The modules that are not retired, each with its units that are not retired."""
        units: dict[int, list[Unit]] = {module.id: [] for module in self.modules}
        for unit in self.units:
            if not unit.is_retired:
                units[unit.module_id].append(unit)
        return [(module, units[module.id]) for module in self.modules if not module.is_retired]

    @property
    def without_hidden(self) -> "CourseTree":
        """The course as learners see it: without hidden units, and modules that have no others."""
        units = [unit for unit in self.units if not unit.is_hidden]
        empty = {unit.module_id for unit in self.units if unit.is_hidden and not unit.is_retired}
        empty -= {unit.module_id for unit in units if not unit.is_retired}
        modules = [module for module in self.modules if module.id not in empty]
        shown = {module.id for module in modules}
        return msgspec.structs.replace(self, modules=modules, units=[unit for unit in units if unit.module_id in shown])

    @property
    def unchanged(self) -> NewCourse:
        """The course with its parts as they are, in the form in which a change is given."""
        modules = tuple(
            NewModule(
                module.title, module.slug, tuple(map(_unchanged_unit, units)), module.id, module.external_id, module.source
            )
            for module, units in self.active_modules
        )
        assessments = tuple(
            NewAssessment(each.title, each.description, each.due_at, each.max_grade, each.id)
            for each in self.active_assessments
        )
        return msgspec.structs.replace(self.course, modules=modules, assessments=assessments)

    @property
    def active_assessments(self) -> list[Assessment]:
        """The assessments that are not retired."""
        return [assessment for assessment in self.assessments if not assessment.is_retired]


def _unchanged_unit(unit: Unit) -> NewUnit:
    return NewUnit(**{name: getattr(unit, name) for name in NewUnit.__struct_fields__})


class CourseSearch(msgspec.Struct, frozen=True):
    """Filters for a list of courses: `tutor` is an id or part of a name, `q` words of a title or description."""

    subject: str | None = None
    level: str | None = None
    tutor: str | None = None
    kind: CourseKind | None = None
    q: str | None = None
    external_id: str | None = None

    @property
    def terms(self) -> list[TermRange]:
        """The terms that a course must have; an empty `q` asks for none."""
        exact = {name: value for name, value in (("subject", self.subject), ("level", self.level)) if value is not None}
        return query_terms(self.q if self.q and self.q.strip() else None, **exact)


class CoursePage(msgspec.Struct, frozen=True):
    """A page of courses, without their modules and assessments, and the number of all courses that match."""

    courses: list[CourseTree]
    total: int


class Facets(NamedTuple):
    """The subjects and levels of the courses that anybody can find, each in order."""

    subjects: list[str]
    levels: list[str]
