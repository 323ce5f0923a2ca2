"""Courses, their modules, units and assessments, and the rules for changing them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, TypeAlias

import msgspec

from headway.courses.completion import Completion, Rule
from headway.identity import CourseRole, Role
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

    @property
    def counts(self) -> bool:
        """Whether the unit is part of the course's percent."""
        return self.is_required and not self.is_retired


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


class TaughtCourse(NamedTuple):
    """A course as its staff see it in a list."""

    id: int
    title: str
    kind: CourseKind
    is_published: bool
    starts_at: Instant | None
    ends_at: Instant | None
    role: CourseRole | None
    """The caller's role in the course; None for those who see all courses."""
    enrollments: int
    """All of them, whatever their status, as course statistics count them."""


class StaffMember(msgspec.Struct, frozen=True):
    """A user with a role in a course."""

    user_id: int
    course_id: int
    name: str
    role: CourseRole
    account_role: Role
    is_disabled: bool
    since: Instant
    """When the role was given."""

    @property
    def counts(self) -> bool:
        """Whether the role gives rights: the account can be used, and may have a role in courses."""
        return self.account_role.can_teach and not self.is_disabled


def keeps_owner(before: Iterable[StaffMember], after: Iterable[StaffMember]) -> bool:
    """Return whether a change of staff leaves an owner, and one whose role counts if there was one before."""
    owners_before, owners = ([each for each in some if each.role is CourseRole.OWNER] for some in (before, after))
    had_rights, has_rights = (any(each.counts for each in some) for some in (owners_before, owners))
    return bool(owners) and (has_rights or not had_rights)


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


class CourseStructure(msgspec.Struct, frozen=True):
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
    def grading(self) -> "Grading":
        """The grading of all units, including retired ones."""
        return {
            unit.id: UnitGrading(unit.completion.rule, unit.completion.threshold, unit.counts) for unit in self.units.values()
        }

    def ordinal(self, unit_id: int) -> int:
        """Return how many units of the course are older than one of them: a number that never changes."""
        return sum(other < unit_id for other in self.units)

    def units_of(self, module_id: int) -> list[Unit]:
        """Return a module's units that are not retired, in order."""
        return [unit for unit in self.units.values() if unit.module_id == module_id and not unit.is_retired]

    def blocks(self, unit_id: int, completed: Collection[int]) -> bool:
        """Return whether a unit is locked: in a sequential course, until the required units before it are complete."""
        if not self.is_sequential:
            return False
        for unit in self.units.values():
            if unit.id == unit_id:
                return False
            if unit.counts and unit.id not in completed:
                return True
        return False


class UnitGrading(msgspec.Struct, frozen=True, array_like=True):
    """The completion rule of a unit at a revision of its course, and whether the unit counted for the course."""

    rule: Rule
    threshold: float | None
    counts: bool


Grading: TypeAlias = dict[int, UnitGrading]
"""The rules of a course at a revision, by unit id."""


class GradingHistory(msgspec.Struct, frozen=True):
    """All gradings of a course: a completion is verified against the one that applied at its time."""

    gradings: dict[int, Grading]
    """By the first revision of the course to which they apply, in ascending order."""

    def had_rule(self, unit_id: int, completion: Completion) -> bool:
        """Return whether a unit ever had a rule."""
        rule, threshold = completion.rule, completion.threshold
        units = (grading.get(unit_id) for grading in self.gradings.values())
        return any(unit is not None and (unit.rule, unit.threshold) == (rule, threshold) for unit in units)

    def required_at(self, revision: int) -> set[int]:
        """Return the units that counted at a revision of the course; none for a revision before the first one."""
        applied = [grading for since, grading in self.gradings.items() if since <= revision]
        return {unit_id for unit_id, unit in applied[-1].items() if unit.counts} if applied else set()
