"""The rules for courses that are created and changed, with the path of each field that breaks one."""

from collections.abc import Sequence
from itertools import accumulate
from unicodedata import category

from headway.courses.completion import LARGEST_THRESHOLD, Rule
from headway.courses.model import (
    MAX_ACCESS_DAYS,
    MAX_CAPACITY,
    MAX_DESCRIPTION,
    MAX_GRADE,
    MAX_SOURCE,
    MAX_TITLE,
    MAX_WORD,
    CourseLimits,
    CourseTree,
    NewAssessment,
    NewCourse,
    NewModule,
    NewUnit,
)
from headway.errors import FieldError
from headway.ids import MAX_EXTERNAL_ID
from headway.instants import Instant
from headway.text import is_blank

_RETIRED_FACTOR = 5
"""How many times the parts that a course may have are kept together with those that are retired."""


def check_course(course: NewCourse) -> list[FieldError]:
    """Return the errors of a course to create or to update, by the path of the field."""
    errors: list[FieldError] = []
    _check_text(errors, "title", course.title, MAX_TITLE)
    for field, text in (("slug", course.slug), ("subject", course.subject), ("level", course.level)):
        _check_text(errors, field, text, MAX_WORD)
    _check_text(errors, "description", course.description, MAX_DESCRIPTION)
    _check_origin(errors, "", course)
    if course.capacity is not None and not 0 <= course.capacity <= MAX_CAPACITY:
        errors.append(FieldError("capacity", f"must be between 0 and {MAX_CAPACITY}"))
    if course.access_days is not None and not 1 <= course.access_days <= MAX_ACCESS_DAYS:
        errors.append(FieldError("access_days", f"must be between 1 and {MAX_ACCESS_DAYS}"))
    _check_window(errors, "ends_at", course.starts_at, course.ends_at)
    _check_window(errors, "enroll_until", course.enroll_from, course.enroll_until)
    for m, module in enumerate(course.modules):
        _check_text(errors, f"modules[{m}].title", module.title, MAX_TITLE)
        _check_text(errors, f"modules[{m}].slug", module.slug, MAX_WORD)
        _check_origin(errors, f"modules[{m}].", module)
        for u, unit in enumerate(module.units):
            _check_unit(errors, f"modules[{m}].units[{u}]", unit)
    for a, assessment in enumerate(course.assessments):
        _check_text(errors, f"assessments[{a}].title", assessment.title, MAX_TITLE)
        _check_text(errors, f"assessments[{a}].description", assessment.description, MAX_DESCRIPTION)
        if not 0 < assessment.max_grade <= MAX_GRADE:
            errors.append(FieldError(f"assessments[{a}].max_grade", f"must be above 0 and at most {MAX_GRADE}"))
    _check_unique(errors, course)
    return errors


def check_size(limits: CourseLimits, *, units: Sequence[int], assessments: int, prerequisites: int) -> list[FieldError]:
    """Return the errors of a course that is too large; `units` holds the number of units of each module."""
    errors: list[FieldError] = []
    for field, size, most in (
        ("modules", len(units), limits.modules),
        ("assessments", assessments, limits.assessments),
        ("prerequisites", prerequisites, limits.prerequisites),
    ):
        if size > most:
            errors.append(FieldError(field, f"must have at most {most} items"))
    overfull = next((m for m, total in enumerate(accumulate(units)) if total > limits.units), None)
    if overfull is not None:
        errors.append(FieldError(f"modules[{overfull}].units", f"a course has at most {limits.units} units"))
    return errors


def check_growth(course: NewCourse, stored: CourseTree, limits: CourseLimits) -> list[FieldError]:
    """Return the errors of a change after which a course has too many parts together with those that are retired."""
    modules, units, assessments = _parts(course)
    return [
        FieldError(field, f"a course has at most {_RETIRED_FACTOR * most} {name}, retired ones included: keep their ids")
        for field, name, parts, stored_parts, most in (
            ("modules", "modules", modules, stored.modules, limits.modules),
            ("modules", "units", units, stored.units, limits.units),
            ("assessments", "assessments", assessments, stored.assessments, limits.assessments),
        )
        if (added := sum(part.id is None for _, part in parts)) and len(stored_parts) + added > _RETIRED_FACTOR * most
    ]


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
    _check_repeated(errors, "external_id", [(path, module.external_id) for path, module in modules])
    for m, module in enumerate(course.modules):
        named = [(f"modules[{m}].units[{u}]", unit.external_id) for u, unit in enumerate(module.units)]
        _check_repeated(errors, "external_id", named, parent="module")
    for parts in (modules, units, assessments):
        _check_repeated(errors, "id", [(path, part.id) for path, part in parts])


def _check_repeated(
    errors: list[FieldError], field: str, named: Sequence[tuple[str, str | int | None]], *, parent: str = "course"
) -> None:
    seen: set[str | int] = set()
    for path, name in named:
        if name is not None and name in seen:
            errors.append(FieldError(f"{path}.{field}", f"is used twice in this {parent}"))
        elif name is not None:
            seen.add(name)


def _check_unit(errors: list[FieldError], path: str, unit: NewUnit) -> None:
    _check_text(errors, f"{path}.title", unit.title, MAX_TITLE)
    _check_text(errors, f"{path}.slug", unit.slug, MAX_WORD)
    _check_text(errors, f"{path}.kind", unit.kind, MAX_WORD)
    _check_origin(errors, f"{path}.", unit)
    _check_window(errors, f"{path}.closes_at", unit.times.opens_at, unit.times.closes_at)
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
    if is_blank(text) or len(text) > longest:
        errors.append(FieldError(field, f"must have 1 to {longest} characters"))
    elif "\0" in text:
        errors.append(FieldError(field, "must not contain NUL characters"))


def _check_origin(errors: list[FieldError], prefix: str, part: NewCourse | NewModule | NewUnit) -> None:
    """Check what another system calls a part, and the name of that system."""
    for field, text, longest in (("external_id", part.external_id, MAX_EXTERNAL_ID), ("source", part.source, MAX_SOURCE)):
        if text is not None and any(category(each) == "Cc" for each in text):
            errors.append(FieldError(f"{prefix}{field}", "must not contain control characters"))
        else:
            _check_text(errors, f"{prefix}{field}", text, longest)


def _check_window(errors: list[FieldError], field: str, start: Instant | None, end: Instant | None) -> None:
    if start is not None and end is not None and end <= start:
        errors.append(FieldError(field, "must be after the start"))
