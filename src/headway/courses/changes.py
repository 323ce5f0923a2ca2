"""What changes in a course: which stored parts the parts of a new version stand for, and what is different afterwards."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from headway.courses.model import Assessment, CourseTree, Module, NewAssessment, NewCourse, NewModule, NewUnit, Unit
from headway.errors import camel_case

_New = TypeVar("_New", NewModule, NewUnit, NewAssessment)
_EXTERNAL_ID = ("external_id",)
_ANY_NAME = ("external_id", "slug", "title")


def match_external_ids(modules: Sequence[NewModule], stored: CourseTree) -> tuple[NewModule, ...]:
    """Return modules whose parts without an id have that of the stored part with their external id, which may be retired.

    A unit is looked for in the stored module first. One that is elsewhere in the course has moved, if it is the only one.
    """
    return _matched(modules, stored, _EXTERNAL_ID)


def match_names(course: NewCourse, stored: CourseTree) -> NewCourse:
    """Return the new version of a stored course with the ids of the parts that it stands for.

    They are found by their external ids, or else by slugs, or else by titles within the same parent.
    """
    assessments = _with_ids([(each, None) for each in course.assessments], stored.assessments, ("title",))
    prerequisites = tuple(sorted(set(course.prerequisites)))
    modules = _matched(course.modules, stored, _ANY_NAME)
    return msgspec.structs.replace(course, modules=modules, assessments=tuple(assessments), prerequisites=prerequisites)


def _matched(modules: Sequence[NewModule], stored: CourseTree, names: Sequence[str]) -> tuple[NewModule, ...]:
    matched = _with_ids([(module, None) for module in modules], stored.modules, names)
    placed = [(unit, module.id) for module in matched for unit in module.units]
    units = iter(_with_ids(placed, stored.units, names))
    return tuple(msgspec.structs.replace(module, units=tuple(next(units) for _ in module.units)) for module in matched)


def _with_ids(
    parts: Sequence[tuple[_New, int | None]], stored: Iterable[Module | Unit | Assessment], names: Sequence[str]
) -> list[_New]:
    """Return the parts, each given with the id of its module if it is a unit, with the ids of the stored ones."""
    ids = [part.id for part, _ in parts]
    known: dict[int, Module | Unit | Assessment] = {part.id: part for part in stored}
    for name in names:
        free: defaultdict[object, list[int]] = defaultdict(list)
        taken = set(ids)
        for part in known.values():
            if part.id not in taken:
                free[getattr(part, name)].append(part.id)
        for i, (new, module_id) in enumerate(parts):
            value = getattr(new, name)
            if ids[i] is None and value is not None and value in free:
                chosen = ids[i] = _choose(new, module_id, name, [known[each] for each in free[value]])
                if chosen is not None:
                    free[value].remove(chosen)
    return [new if new.id == id_ else msgspec.structs.replace(new, id=id_) for (new, _), id_ in zip(parts, ids, strict=True)]


def _choose(
    new: NewModule | NewUnit | NewAssessment, module_id: int | None, name: str, found: Sequence[Module | Unit | Assessment]
) -> int | None:
    if name != "external_id":
        found = [each for each in found if not each.is_retired and _can_be(new, each)]
    if isinstance(new, NewUnit):
        in_module = [each for each in found if isinstance(each, Unit) and each.module_id == module_id]
        elsewhere = [each for each in found if not each.is_retired] or found
        found = in_module or (elsewhere if name != "title" and len(elsewhere) == 1 else [])
    return next((each.id for each in sorted(found, key=lambda each: each.is_retired)), None)


def _can_be(new: NewModule | NewUnit | NewAssessment, part: Module | Unit | Assessment) -> bool:
    """Return whether a part may be the stored one of another kind of name: not if both have external ids."""
    return getattr(new, "external_id", None) is None or getattr(part, "external_id", None) is None


def describe_change(before: CourseTree, after: CourseTree) -> dict[str, object]:
    """Return the changed fields, named as clients know them, and the ids of the parts that were added or retired."""
    names = [name for name in NewCourse.__struct_fields__ if getattr(before.course, name) != getattr(after.course, name)]
    change: dict[str, object] = {"fields": sorted(camel_case(name.removeprefix("is_")) for name in names)}
    for name in ("modules", "units", "assessments"):
        old, new = ({part.id for part in getattr(tree, name) if not part.is_retired} for tree in (before, after))
        change[name] = {"added": list(map(str, sorted(new - old))), "retired": list(map(str, sorted(old - new)))}
    return change
