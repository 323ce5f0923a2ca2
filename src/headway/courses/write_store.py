"""Courses as rows, as they are made and changed: in a number of statements that does not grow with the course."""

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, insert, update

from headway.courses.grading_store import insert_grading
from headway.courses.model import CourseTree, NewCourse
from headway.courses.store import COURSE_FIELDS, list_modules, structures
from headway.courses.tables import assessments, course_prerequisites, course_staff, courses, modules, units
from headway.db.database import WriteTransaction
from headway.db.dialects import UpdateRows, WriteRows
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
_insert_modules = WriteRows(modules, ["course_id", "slug", "title", "position"])
_insert_units = WriteRows(
    units, ["course_id", "module_id", "slug", "title", "kind", "position", "is_required", "rule", "threshold"]
)
_insert_assessments = WriteRows(assessments, ["course_id", "title", "description", "due_at", "max_grade", "position"])
_update_course = (
    update(courses)
    .where(courses.c.id == bindparam("course_id"))
    .values(
        {name: bindparam(name) for name in COURSE_FIELDS} | {"revision": courses.c.revision + 1, "updated_at": bindparam("now")}
    )
)
_clear_module_slugs = update(modules).where(modules.c.course_id == bindparam("course_id")).values(slug=None)
_clear_unit_slugs = update(units).where(units.c.course_id == bindparam("course_id")).values(slug=None)
_update_modules = UpdateRows(modules, ["slug", "title", "position", "retired_at"])
_update_units = UpdateRows(
    units, ["module_id", "slug", "title", "kind", "position", "is_required", "rule", "threshold", "retired_at"]
)
_update_assessments = UpdateRows(assessments, ["title", "description", "due_at", "max_grade", "position", "retired_at"])
_retire_modules = UpdateRows(modules, ["retired_at"])
_retire_units = UpdateRows(units, ["retired_at"])
_retire_assessments = UpdateRows(assessments, ["retired_at"])
_delete_prerequisites = delete(course_prerequisites).where(course_prerequisites.c.course_id == bindparam("course_id"))
_insert_staff = WriteRows(course_staff, ["user_id", "course_id", "role"], update=["role"])
_insert_prerequisites = WriteRows(course_prerequisites, ["course_id", "prerequisite_id"])


async def insert_course(tx: WriteTransaction, course: NewCourse, *, owner_id: int, now: Instant) -> int:
    """Store a course with everything in it, and its owner; give its id. The number of statements does not grow with it."""
    fields = {name: getattr(course, name) for name in COURSE_FIELDS}
    course_id: int = (await tx.one(_insert_course, **fields, now=now))["id"]
    await tx.write_rows(
        (_insert_modules, [(course_id, module.slug, module.title, m) for m, module in enumerate(course.modules)])
    )
    stored = await list_modules(tx, course_id)
    new_units = [
        (
            *(course_id, module.id, unit.slug, unit.title, unit.kind, u),
            *(unit.is_required, unit.completion.rule, unit.completion.threshold),
        )
        for module, new in zip(stored, course.modules, strict=True)
        for u, unit in enumerate(new.units)
    ]
    new_assessments = [
        (course_id, each.title, each.description, each.due_at, each.max_grade, i) for i, each in enumerate(course.assessments)
    ]
    await tx.write_rows(
        (_insert_units, new_units),
        (_insert_assessments, new_assessments),
        (_insert_staff, [(owner_id, course_id, CourseRole.OWNER)]),
        (_insert_prerequisites, [(course_id, other) for other in sorted(set(course.prerequisites))]),
    )
    await insert_grading(tx, (await structures(tx, [course_id]))[course_id])
    return course_id


async def change_course(tx: WriteTransaction, stored: CourseTree, course: NewCourse, *, now: Instant) -> None:
    """Change a stored course to `course`: overwrite parts with an id, add parts without, and retire those that are missing.

    The number of statements does not grow with the course.
    """
    course_id = stored.id
    await tx.run(_update_course, course_id=course_id, **{name: getattr(course, name) for name in COURSE_FIELDS}, now=now)
    # Slugs may change places.
    await tx.run(_clear_module_slugs, course_id=course_id)
    await tx.run(_clear_unit_slugs, course_id=course_id)
    await tx.run(_delete_prerequisites, course_id=course_id)
    kept = {module.id for module in course.modules}
    places = list(enumerate(course.modules))
    await tx.write_rows(
        (_update_modules, [(m.slug, m.title, i, None, m.id) for i, m in places if m.id is not None]),
    )
    await tx.write_rows(
        (_retire_modules, [(now, m.id) for m in stored.modules if m.id not in kept and not m.is_retired]),
        (_insert_prerequisites, [(course_id, other) for other in sorted(set(course.prerequisites))]),
    )
    await tx.write_rows((_insert_modules, [(course_id, m.slug, m.title, i) for i, m in places if m.id is None]))
    present = [module.id for module in await list_modules(tx, course_id) if not module.is_retired]
    await _change_units(tx, stored, course, present, now)
    await _change_assessments(tx, stored, course, now)


async def _change_units(
    tx: WriteTransaction, stored: CourseTree, course: NewCourse, module_ids: Sequence[int], now: Instant
) -> None:
    placed = [
        (module_id, u, unit)
        for module_id, module in zip(module_ids, course.modules, strict=True)
        for u, unit in enumerate(module.units)
    ]
    kept = {unit.id for _, _, unit in placed}
    changed = [
        (
            *(module_id, unit.slug, unit.title, unit.kind, u, unit.is_required),
            *(unit.completion.rule, unit.completion.threshold, None, unit.id),
        )
        for module_id, u, unit in placed
        if unit.id is not None
    ]
    new = [
        (
            *(stored.id, module_id, unit.slug, unit.title, unit.kind, u),
            *(unit.is_required, unit.completion.rule, unit.completion.threshold),
        )
        for module_id, u, unit in placed
        if unit.id is None
    ]
    await tx.write_rows((_update_units, changed))
    await tx.write_rows((_insert_units, new))
    await tx.write_rows((_retire_units, [(now, u.id) for u in stored.units if u.id not in kept and not u.is_retired]))


async def _change_assessments(tx: WriteTransaction, stored: CourseTree, course: NewCourse, now: Instant) -> None:
    kept = {assessment.id for assessment in course.assessments}
    places = list(enumerate(course.assessments))
    changed = [
        (each.title, each.description, each.due_at, each.max_grade, i, None, each.id)
        for i, each in places
        if each.id is not None
    ]
    new = [(stored.id, each.title, each.description, each.due_at, each.max_grade, i) for i, each in places if each.id is None]
    await tx.write_rows((_update_assessments, changed))
    await tx.write_rows((_insert_assessments, new))
    retired = [(now, each.id) for each in stored.assessments if each.id not in kept and not each.is_retired]
    await tx.write_rows((_retire_assessments, retired))
