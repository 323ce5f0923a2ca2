"""Courses, their modules and units, and what may be said about them when they are made."""

from enum import StrEnum

import msgspec

from headway.domain.completion import LARGEST_THRESHOLD, Completion, Rule
from headway.domain.errors import FieldError
from headway.domain.instants import Instant


class CourseKind(StrEnum):
    """A course that runs, or a bookable live session."""

    COURSE = "course"
    SESSION = "session"


class NewUnit(msgspec.Struct, frozen=True):
    """A unit to be made."""

    title: str
    slug: str | None = None
    kind: str | None = None
    is_required: bool = True
    completion: Completion = Completion()


class NewModule(msgspec.Struct, frozen=True):
    """A module to be made, with its units in order."""

    title: str
    slug: str | None = None
    units: tuple[NewUnit, ...] = ()


class NewAssessment(msgspec.Struct, frozen=True):
    """A task with a grade from 0 to `max_grade`."""

    title: str
    description: str | None = None
    due_at: Instant | None = None
    max_grade: float = 100.0


class NewCourse(msgspec.Struct, frozen=True):
    """A course to be made. `capacity` limits the seats; `access_days` counts from enrollment."""

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
    """A part of a course."""

    id: int
    course_id: int
    title: str
    slug: str | None
    position: int
    is_retired: bool


class Assessment(msgspec.Struct, frozen=True):
    """A task of a course."""

    id: int
    course_id: int
    title: str
    description: str | None
    due_at: Instant | None
    max_grade: float
    position: int
    is_retired: bool


class CourseTerms(msgspec.Struct, frozen=True):
    """Who may enroll in a course, and when."""

    is_published: bool
    enroll_from: Instant | None
    enroll_until: Instant | None
    ends_at: Instant | None
    access_days: int | None


class CourseTree(msgspec.Struct, frozen=True):
    """A course with everything in it, as stored; modules, units and assessments in their order."""

    id: int
    course: NewCourse
    """The course's own fields; the lists of parts are empty here."""
    seats_taken: int
    owner_id: int
    owner_name: str
    modules: list[Module]
    units: list[Unit]
    assessments: list[Assessment]


class Outline(msgspec.Struct, frozen=True):
    """What has to be known of a course to place activity in it; `revision` grows with each change of the course."""

    course_id: int
    revision: int
    module_ids: frozenset[int]
    units: dict[int, Unit]
    required_units: int


def check_course(course: NewCourse) -> list[FieldError]:
    """List what is wrong with a course to be made, by the field's path in the body of `POST /api/v1/courses`."""
    errors: list[FieldError] = []
    _check_text(errors, "title", course.title, 200)
    _check_text(errors, "slug", course.slug, 100)
    for field, text in (("subject", course.subject), ("level", course.level)):
        _check_text(errors, field, text, 100)
    _check_text(errors, "description", course.description, 10_000)
    if course.capacity is not None and not 0 <= course.capacity <= 2**31 - 1:
        errors.append(FieldError("capacity", "must not be negative"))
    if course.access_days is not None and not 1 <= course.access_days <= 36_500:
        errors.append(FieldError("accessDays", "must be between 1 and 36500"))
    _check_window(errors, "endsAt", course.starts_at, course.ends_at)
    _check_window(errors, "enrollUntil", course.enroll_from, course.enroll_until)
    for m, module in enumerate(course.modules):
        _check_text(errors, f"modules[{m}].title", module.title, 200)
        _check_text(errors, f"modules[{m}].slug", module.slug, 100)
        for u, unit in enumerate(module.units):
            _check_unit(errors, f"modules[{m}].units[{u}]", unit)
    for a, assessment in enumerate(course.assessments):
        _check_text(errors, f"assessments[{a}].title", assessment.title, 200)
        _check_text(errors, f"assessments[{a}].description", assessment.description, 10_000)
        if not 0 < assessment.max_grade <= 1_000_000:
            errors.append(FieldError(f"assessments[{a}].maxGrade", "must be above 0 and at most 1000000"))
    return errors


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
