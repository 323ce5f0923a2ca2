"""Courses, their modules, units and assessments, and the rules for changing them."""

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from typing import TypeAlias

import msgspec

from headway.courses.completion import LARGEST_THRESHOLD, Completion, Rule
from headway.errors import FieldError
from headway.identity import CourseRole, Role
from headway.instants import Instant
from headway.words import Terms, index_terms, query_terms

MAX_GRADE = 1_000_000


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


class NewModule(msgspec.Struct, frozen=True):
    """A module with its units in order, to create, or with an `id`, to update."""

    title: str
    slug: str | None = None
    units: tuple[NewUnit, ...] = ()
    id: int | None = None


class NewAssessment(msgspec.Struct, frozen=True):
    """An assessment with a grade from 0 to `max_grade`, to create, or with an `id`, to update."""

    title: str
    description: str | None = None
    due_at: Instant | None = None
    max_grade: float = 100.0
    id: int | None = None


class NewCourse(msgspec.Struct, frozen=True):
    """A course to create or to update. `capacity` limits the seats; `access_days` counts from enrollment."""

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

    @property
    def terms(self) -> set[str]:
        """What the course is found by: parts of the words of its texts, and its subject and level as a whole."""
        exact = {name: value for name, value in (("subject", self.subject), ("level", self.level)) if value is not None}
        return index_terms((self.title, self.description or ""), **exact)


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


class CourseTerms(msgspec.Struct, frozen=True):
    """The terms of enrollment of a course; the number of seats is unlimited if `capacity` is None."""

    title: str
    is_published: bool
    capacity: int | None
    seats_taken: int
    enroll_from: Instant | None
    enroll_until: Instant | None
    ends_at: Instant | None
    access_days: int | None

    @property
    def free_seats(self) -> int | None:
        """The number of free seats; None if there is no limit."""
        return None if self.capacity is None else max(self.capacity - self.seats_taken, 0)


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

    @property
    def active_modules(self) -> list[tuple[Module, list[Unit]]]:
        """The modules that are not retired, each with its units that are not retired."""
        units = [unit for unit in self.units if not unit.is_retired]
        modules = [module for module in self.modules if not module.is_retired]
        return [(module, [unit for unit in units if unit.module_id == module.id]) for module in modules]

    @property
    def active_assessments(self) -> list[Assessment]:
        """The assessments that are not retired."""
        return [assessment for assessment in self.assessments if not assessment.is_retired]


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

    @property
    def terms(self) -> list[Terms]:
        """The terms that a course must have; an empty `q` asks for none."""
        exact = {name: value for name, value in (("subject", self.subject), ("level", self.level)) if value is not None}
        return query_terms(self.q if self.q and self.q.strip() else None, **exact)


class CoursePage(msgspec.Struct, frozen=True):
    """A page of courses, without their modules and assessments, and the number of all courses that match."""

    courses: list[CourseTree]
    total: int


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

    @property
    def grading(self) -> "Grading":
        """The grading of all units, including retired ones."""
        return {
            unit.id: UnitGrading(unit.completion.rule, unit.completion.threshold, unit.counts) for unit in self.units.values()
        }

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


def check_course(course: NewCourse) -> list[FieldError]:
    """Return the errors of a course to create or to update, by the path of the field."""
    errors: list[FieldError] = []
    _check_text(errors, "title", course.title, 200)
    _check_text(errors, "slug", course.slug, 100)
    for field, text in (("subject", course.subject), ("level", course.level)):
        _check_text(errors, field, text, 100)
    _check_text(errors, "description", course.description, 10_000)
    if course.capacity is not None and not 0 <= course.capacity <= 2**31 - 1:
        errors.append(FieldError("capacity", "must not be negative"))
    if course.access_days is not None and not 1 <= course.access_days <= 36_500:
        errors.append(FieldError("access_days", "must be between 1 and 36500"))
    _check_window(errors, "ends_at", course.starts_at, course.ends_at)
    _check_window(errors, "enroll_until", course.enroll_from, course.enroll_until)
    for m, module in enumerate(course.modules):
        _check_text(errors, f"modules[{m}].title", module.title, 200)
        _check_text(errors, f"modules[{m}].slug", module.slug, 100)
        for u, unit in enumerate(module.units):
            _check_unit(errors, f"modules[{m}].units[{u}]", unit)
    for a, assessment in enumerate(course.assessments):
        _check_text(errors, f"assessments[{a}].title", assessment.title, 200)
        _check_text(errors, f"assessments[{a}].description", assessment.description, 10_000)
        if not 0 < assessment.max_grade <= MAX_GRADE:
            errors.append(FieldError(f"assessments[{a}].max_grade", f"must be above 0 and at most {MAX_GRADE}"))
    _check_unique(errors, course)
    return errors


def check_identities(course: NewCourse, stored: CourseTree) -> list[FieldError]:
    """Return an error for each id of a module, unit or assessment that the course does not have."""
    modules, units, assessments = _parts(course)
    errors: list[FieldError] = []
    for parts, stored_parts in ((modules, stored.modules), (units, stored.units), (assessments, stored.assessments)):
        ids = {part.id for part in stored_parts}
        unknown = [path for path, part in parts if part.id is not None and part.id not in ids]
        errors += [FieldError(f"{path}.id", "is not in this course") for path in unknown]
    return errors


def _parts(course: NewCourse) -> tuple[list[tuple[str, NewModule]], list[tuple[str, NewUnit]], list[tuple[str, NewAssessment]]]:
    """Return the modules, units and assessments, each with its path."""
    modules = [(f"modules[{m}]", module) for m, module in enumerate(course.modules)]
    units = [(f"{path}.units[{u}]", unit) for path, module in modules for u, unit in enumerate(module.units)]
    return modules, units, [(f"assessments[{a}]", each) for a, each in enumerate(course.assessments)]


def _check_unique(errors: list[FieldError], course: NewCourse) -> None:
    modules, units, assessments = _parts(course)
    _check_repeated(errors, "slug", [(path, module.slug) for path, module in modules])
    _check_repeated(errors, "slug", [(path, unit.slug) for path, unit in units])
    for parts in (modules, units, assessments):
        _check_repeated(errors, "id", [(path, part.id) for path, part in parts])


def _check_repeated(errors: list[FieldError], field: str, named: Sequence[tuple[str, str | int | None]]) -> None:
    seen: set[str | int] = set()
    for path, name in named:
        if name is not None and name in seen:
            errors.append(FieldError(f"{path}.{field}", "is used twice in this course"))
        elif name is not None:
            seen.add(name)


def _check_unit(errors: list[FieldError], path: str, unit: NewUnit) -> None:
    _check_text(errors, f"{path}.title", unit.title, 200)
    _check_text(errors, f"{path}.slug", unit.slug, 100)
    _check_text(errors, f"{path}.kind", unit.kind, 100)
    rule, threshold = unit.completion.rule, unit.completion.threshold
    largest = LARGEST_THRESHOLD.get(rule)
    if largest is None:
        if threshold is not None:
            errors.append(FieldError(f"{path}.completion.threshold", f"does not apply to the rule {rule}"))
    elif threshold is None:
        errors.append(FieldError(f"{path}.completion.threshold", f"is required for the rule {rule}"))
    elif not 0 < threshold <= largest:
        limit = f"{largest:g} {'seconds' if rule is Rule.TIME else 'percent'}"
        errors.append(FieldError(f"{path}.completion.threshold", f"must be above 0 and at most {limit}"))


def _check_text(errors: list[FieldError], field: str, text: str | None, longest: int) -> None:
    if text is None:
        return
    if not text.strip() or len(text) > longest:
        errors.append(FieldError(field, f"must have 1 to {longest} characters"))
    elif "\0" in text:
        errors.append(FieldError(field, "must not contain NUL characters"))


def _check_window(errors: list[FieldError], field: str, start: Instant | None, end: Instant | None) -> None:
    if start is not None and end is not None and end <= start:
        errors.append(FieldError(field, "must be after the start"))
