"""Creates and changes the rows of courses, in a number of statements that does not grow with the course."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any, TypeVar

from sqlalchemy import Text, bindparam, delete, insert, select, update

from headway.courses.model import Assessment, CourseTree, Module, NewAssessment, NewCourse, NewModule, NewUnit, Unit
from headway.courses.parts_store import list_modules
from headway.courses.staff_store import INSERT_STAFF
from headway.courses.store import COURSE_FIELDS
from headway.courses.structure_store import insert_grading, structures
from headway.courses.tables import assessments, course_prerequisites, course_terms, courses, modules, units
from headway.db.database import WriteTransaction
from headway.db.dialects import UpdateRows, WriteRows, rows
from headway.identity import CourseRole
from headway.instants import Instant

_insert_course = (
    insert(courses)
    .values(
        {name: bindparam(name) for name in COURSE_FIELDS}
        | {"revision": 1, "seats_taken": 0, "created_at": bindparam("now"), "updated_at": bindparam("now")}
    )
    .returning(courses.c.id)
)
_MODULE_FIELDS = ["slug", "title", "position", "external_id", "source"]
_insert_modules = WriteRows(modules, ["course_id", *_MODULE_FIELDS])
_UNIT_FIELDS = [
    *("slug", "title", "kind", "position", "is_required", "rule", "threshold"),
    *("external_id", "source", "opens_at", "closes_at", "is_hidden"),
]
_insert_units = WriteRows(units, ["course_id", "module_id", *_UNIT_FIELDS])
_ASSESSMENT_FIELDS = ["title", "description", "due_at", "max_grade", "position"]
_insert_assessments = WriteRows(assessments, ["course_id", *_ASSESSMENT_FIELDS])
_update_course = (
    update(courses)
    .where(courses.c.id == bindparam("course_id"))
    .values(
        {name: bindparam(name) for name in [*COURSE_FIELDS, "seats_taken"]}
        | {"revision": courses.c.revision + 1, "updated_at": bindparam("now")}
    )
)
_set_capacity = (
    update(courses)
    .where(courses.c.id == bindparam("course_id"))
    .values(capacity=bindparam("seats", type_=courses.c.capacity.type), updated_at=bindparam("now"))
)
_clear_module_names = update(modules).where(modules.c.course_id == bindparam("course_id")).values(slug=None, external_id=None)
_clear_unit_names = update(units).where(units.c.course_id == bindparam("course_id")).values(slug=None, external_id=None)
_update_modules = UpdateRows(modules, [*_MODULE_FIELDS, "retired_at"])
_update_units = UpdateRows(units, ["module_id", *_UNIT_FIELDS, "retired_at"])
_update_assessments = UpdateRows(assessments, [*_ASSESSMENT_FIELDS, "retired_at"])
_retire_modules = UpdateRows(modules, ["retired_at"])
_retire_units = UpdateRows(units, ["retired_at"])
_keep_module_names = UpdateRows(modules, ["external_id"])
_keep_unit_names = UpdateRows(units, ["external_id"])
_retire_assessments = UpdateRows(assessments, ["retired_at"])
_delete_prerequisites = delete(course_prerequisites).where(course_prerequisites.c.course_id == bindparam("course_id"))
_insert_prerequisites = WriteRows(course_prerequisites, ["course_id", "prerequisite_id"])
_insert_terms = WriteRows(course_terms, ["term", "course_id"])
_dropped_terms = rows("dropped", {"term": Text()})
_delete_terms = delete(course_terms).where(
    course_terms.c.term.in_(select(_dropped_terms.c.term)), course_terms.c.course_id == bindparam("of_course")
)
_TERMS_AT_ONCE = 1_000
_Part = TypeVar("_Part", Module, Unit)


async def insert_course(tx: WriteTransaction, course: NewCourse, *, owner_id: int, now: Instant) -> int:
    """Store a course with its parts and its owner. Return its id."""
    fields = {name: getattr(course, name) for name in COURSE_FIELDS}
    course_id: int = (await tx.one(_insert_course, **fields, now=now))["id"]
    await tx.write_rows((_insert_modules, [(course_id, *_module_values(module, m)) for m, module in enumerate(course.modules)]))
    await _add_terms(tx, course_id, course.terms)
    stored = await list_modules(tx, [course_id])
    new_units = [
        (course_id, module.id, *_unit_values(unit, u))
        for module, new in zip(stored, course.modules, strict=True)
        for u, unit in enumerate(new.units)
    ]
    new_assessments = [(course_id, *_assessment_values(each, i)) for i, each in enumerate(course.assessments)]
    await tx.write_rows(
        (_insert_units, new_units),
        (_insert_assessments, new_assessments),
        (INSERT_STAFF, [(owner_id, course_id, CourseRole.OWNER, now)]),
        (_insert_prerequisites, [(course_id, other) for other in sorted(set(course.prerequisites))]),
    )
    await insert_grading(tx, (await structures(tx, [course_id]))[course_id])
    return course_id


async def change_course(tx: WriteTransaction, stored: CourseTree, course: NewCourse, *, now: Instant) -> None:
    """Replace a stored course: parts with an id are updated, parts without one added, the stored others retired."""
    course_id = stored.id
    fields = {name: getattr(course, name) for name in COURSE_FIELDS}
    # Without a capacity nobody counts them in the row of the course.
    seats_taken = 0 if course.capacity is None else stored.seats_taken
    await tx.run(_update_course, course_id=course_id, **fields, seats_taken=seats_taken, now=now)
    # Slugs and external ids may be swapped between parts.
    await tx.run(_clear_module_names, course_id=course_id)
    await tx.run(_clear_unit_names, course_id=course_id)
    await tx.run(_delete_prerequisites, course_id=course_id)
    positions = list(enumerate(course.modules))
    await tx.write_rows((_update_modules, [(*_module_values(m, i), None, m.id) for i, m in positions if m.id is not None]))
    taken = {module.external_id for module in course.modules}
    kept = [module for module in _left_out(stored.modules, course.modules) if module.external_id not in taken]
    await tx.write_rows(
        (_retire_modules, _dropped(stored.modules, course.modules, now)),
        (_insert_prerequisites, [(course_id, other) for other in sorted(set(course.prerequisites))]),
    )
    await tx.write_rows((_keep_module_names, [(module.external_id, module.id) for module in kept]))
    await tx.write_rows((_insert_modules, [(course_id, *_module_values(m, i)) for i, m in positions if m.id is None]))
    present = [module.id for module in await list_modules(tx, [course_id]) if not module.is_retired]
    await asyncio.sleep(0)
    await _change_units(tx, stored, course, present, now)
    await _change_assessments(tx, stored, course, now)
    before, after = stored.course.terms, course.terms
    if dropped := before - after:
        await tx.run(_delete_terms, dropped=[(term,) for term in dropped], of_course=course_id)
    await _add_terms(tx, course_id, after - before)


async def set_capacity(tx: WriteTransaction, course_id: int, capacity: int, now: Instant) -> None:
    """Set the number of seats of a course that has a limited number of them, and is locked."""
    await tx.run(_set_capacity, course_id=course_id, seats=capacity, now=now)


async def _add_terms(tx: WriteTransaction, course_id: int, terms: Collection[str]) -> None:
    """Store what a course is found by, in pieces: on SQLite, others are served between them."""
    in_order = sorted(terms)
    for i in range(0, len(in_order), _TERMS_AT_ONCE):
        await tx.write_rows((_insert_terms, [(term, course_id) for term in in_order[i : i + _TERMS_AT_ONCE]]))
        await asyncio.sleep(0)


async def _change_units(
    tx: WriteTransaction, stored: CourseTree, course: NewCourse, module_ids: Sequence[int], now: Instant
) -> None:
    placed = [
        (module_id, u, unit)
        for module_id, module in zip(module_ids, course.modules, strict=True)
        for u, unit in enumerate(module.units)
    ]
    changed = [(module_id, *_unit_values(unit, u), None, unit.id) for module_id, u, unit in placed if unit.id is not None]
    new = [(stored.id, module_id, *_unit_values(unit, u)) for module_id, u, unit in placed if unit.id is None]
    await tx.write_rows((_update_units, changed))
    await tx.write_rows((_insert_units, new))
    present, taken = [unit for _, _, unit in placed], {(module_id, unit.external_id) for module_id, _, unit in placed}
    left = [unit for unit in _left_out(stored.units, present) if (unit.module_id, unit.external_id) not in taken]
    await tx.write_rows((_retire_units, _dropped(stored.units, present, now)))
    await tx.write_rows((_keep_unit_names, [(unit.external_id, unit.id) for unit in left]))


async def _change_assessments(tx: WriteTransaction, stored: CourseTree, course: NewCourse, now: Instant) -> None:
    positions = list(enumerate(course.assessments))
    changed = [(*_assessment_values(each, i), None, each.id) for i, each in positions if each.id is not None]
    new = [(stored.id, *_assessment_values(each, i)) for i, each in positions if each.id is None]
    await tx.write_rows((_update_assessments, changed))
    await tx.write_rows((_insert_assessments, new))
    await tx.write_rows((_retire_assessments, _dropped(stored.assessments, course.assessments, now)))


def _module_values(module: NewModule, position: int) -> tuple[Any, ...]:
    return module.slug, module.title, position, module.external_id, module.source


def _unit_values(unit: NewUnit, position: int) -> tuple[Any, ...]:
    completion, times = unit.completion, unit.times
    rule = unit.is_required, completion.rule, completion.threshold
    others = unit.external_id, unit.source, times.opens_at, times.closes_at, unit.is_hidden
    return unit.slug, unit.title, unit.kind, position, *rule, *others


def _assessment_values(assessment: NewAssessment, position: int) -> tuple[Any, ...]:
    return assessment.title, assessment.description, assessment.due_at, assessment.max_grade, position


def _dropped(
    stored: Sequence[Module | Unit | Assessment], new: Sequence[NewModule | NewUnit | NewAssessment], now: Instant
) -> list[tuple[Instant, int]]:
    """Return the time and the ids with which to retire the stored parts that are not among the new ones."""
    new_ids = {part.id for part in new}
    return [(now, part.id) for part in stored if part.id not in new_ids and not part.is_retired]


def _left_out(stored: Sequence[_Part], new: Sequence[NewModule | NewUnit]) -> list[_Part]:
    """Return the stored parts with an external id that are not among the new ones: they keep it while nothing else takes it."""
    new_ids = {part.id for part in new}
    return [part for part in stored if part.external_id is not None and part.id not in new_ids]
