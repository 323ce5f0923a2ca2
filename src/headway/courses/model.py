"""Courses, their modules, units and assessments, and the rules for changing them."""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

import msgspec

from headway.courses.completion import COMPLETE, Completion, Percent
from headway.courses.grading import Grading, UnitGrading
from headway.courses.times import ALWAYS, Lock, Times
from headway.instants import Instant
from headway.words import TermRange, index_terms, query_terms

MAX_TITLE, MAX_WORD, MAX_DESCRIPTION = 200, 100, 10_000
"""The most characters of titles, of slugs, subjects, levels and kinds, and of descriptions."""
MAX_EXTERNAL_ID, MAX_SOURCE = 500, 100
"""The most characters of external ids, and of the names of the systems that they are from."""
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


class CourseStructure(msgspec.Struct, frozen=True, dict=True):
    """The tree of a course that rules are applied to; `revision` grows with each change of the course."""

    course_id: int
    title: str
    revision: int
    module_ids: frozenset[int]
    units: dict[int, Unit]
    """In the order of the course, including retired ones."""
    required: frozenset[int]
    """The ids of the units that count for the course's percent and completion."""
    is_sequential: bool = False
    external_id: str | None = None
    module_names: Mapping[str, int] = {}
    """The ids of modules by their external ids."""
    unit_names: Mapping[str, Sequence[int]] = {}
    """The ids of the units that have an external id, which is unique in a module, by that."""

    @property
    def grading(self) -> Grading:
        """The grading of all units, including retired ones."""
        return {
            unit.id: UnitGrading(
                unit.completion.rule, unit.completion.threshold, unit.counts, unit.times.opens_at, unit.times.closes_at
            )
            for unit in self.units.values()
        }

    @cached_property
    def timed(self) -> dict[int, Times]:
        """The times of those units that have any."""
        return {unit.id: unit.times for unit in self.units.values() if unit.times != ALWAYS}

    @cached_property
    def hidden(self) -> frozenset[int]:
        """The units that are hidden from learners."""
        return frozenset(unit.id for unit in self.units.values() if unit.is_hidden)

    @cached_property
    def _turns(self) -> list[Instant]:
        """The instants at which a unit opens or closes, in order."""
        return sorted(at for times in self.timed.values() for at in (times.opens_at, times.closes_at) if at is not None)

    def share_opened(self, now: Instant) -> Percent:
        """Return the share of the required units that have opened by now, in hundredths: more nobody can have completed."""
        opened = sum(self.units[unit_id].times.lock_at(now) is not Lock.NOT_OPEN for unit_id in self.required)
        return opened * COMPLETE // len(self.required) if self.required else COMPLETE

    def phase(self, now: Instant) -> int:
        """Return a number that changes when a unit opens or closes."""
        return bisect_right(self._turns, now)

    def is_outside(self, unit_id: int | None, at: Instant) -> bool:
        """Return whether an instant lies outside of the times of a unit."""
        return bool(self.timed) and unit_id in self.timed and not self.timed[unit_id].include(at)

    def ordinal(self, unit_id: int) -> int:
        """Return how many units of the course are older than one of them: a number that never changes."""
        return sum(other < unit_id for other in self.units)

    def units_of(self, module_id: int) -> list[Unit]:
        """Return a module's units that learners see, in order."""
        return [unit for unit in self.units.values() if unit.module_id == module_id and unit.is_shown]

    def find_lock(self, unit_id: int, completed: Collection[int], now: Instant, *, is_begun: bool = False) -> Lock | None:
        """Return why a unit is locked for a learner: by its times, or if it is not begun, by the units before it."""
        times = self.timed.get(unit_id)
        lock = None if times is None else times.lock_at(now)
        return Lock.SEQUENCE if lock is None and not is_begun and self.blocks(unit_id, completed, now) else lock

    def blocks(self, unit_id: int, completed: Collection[int], now: Instant) -> bool:
        """Return whether units before a unit lock it: in a sequential course, required ones that are not complete.

        One that has closed does not: it would do so for ever. One that has yet to open does, until it is complete.
        """
        if not self.is_sequential:
            return False
        for unit in self.units.values():
            if unit.id == unit_id:
                return False
            if unit.counts and unit.id not in completed and unit.times.lock_at(now) is not Lock.CLOSED:
                return True
        return False
