"""The structures of courses, and how their units were graded, as rows."""

from collections.abc import Iterable, Sequence
from itertools import groupby

import msgspec
from sqlalchemy import select

from headway.courses.grading import Grading, GradingHistory
from headway.courses.model import Unit
from headway.courses.parts_store import list_modules, list_units
from headway.courses.structure import CourseStructure
from headway.courses.tables import course_gradings, courses
from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.dialects import WriteRows, lookup, rows
from headway.db.types import Id

_ids = rows("ids", {"id": Id})
_structures = select(*(courses.c[name] for name in ("id", "title", "revision", "is_sequential", "external_id"))).select_from(
    lookup(_ids, courses, courses.c.id == _ids.c.id)
)
_revisions = _structures.with_only_columns(courses.c.id, courses.c.revision)
_encode_grading = msgspec.json.Encoder().encode
_decode_grading = msgspec.json.Decoder(Grading).decode
_insert_grading = WriteRows(course_gradings, ["course_id", "revision", "units"])
_gradings = (
    select(course_gradings.c.course_id, course_gradings.c.revision, course_gradings.c.units)
    .select_from(lookup(_ids, course_gradings, course_gradings.c.course_id == _ids.c.id))
    .order_by(course_gradings.c.course_id, course_gradings.c.revision)
)


async def revisions(tx: ReadTransaction, course_ids: Sequence[int]) -> dict[int, int]:
    """Return the revision of each of these courses that exists."""
    return {row["id"]: row["revision"] for row in await tx.all(_revisions, ids=[(i,) for i in course_ids])}


async def structures(tx: ReadTransaction, course_ids: Sequence[int]) -> dict[int, CourseStructure]:
    """Return the structure of each of these courses that exists."""
    ids = [(course_id,) for course_id in course_ids]
    course_rows = {row["id"]: row for row in await tx.all(_structures, ids=ids)}
    modules_of: dict[int, dict[int, str | None]] = {
        course_id: {module.id: module.external_id for module in group}
        for course_id, group in groupby(await list_modules(tx, course_ids), lambda module: module.course_id)
    }
    units_of: dict[int, dict[int, Unit]] = {
        course_id: {unit.id: unit for unit in group}
        for course_id, group in groupby(await list_units(tx, course_ids), lambda unit: unit.course_id)
    }
    return {
        course_id: CourseStructure(
            course_id=course_id,
            title=row["title"],
            revision=row["revision"],
            module_ids=frozenset(modules_of.get(course_id, ())),
            units=units_of.get(course_id, {}),
            required=frozenset(unit.id for unit in units_of.get(course_id, {}).values() if unit.counts),
            is_sequential=bool(row["is_sequential"]),
            external_id=row["external_id"],
            module_names={name: module_id for module_id, name in modules_of.get(course_id, {}).items() if name is not None},
            unit_names=_unit_names(units_of.get(course_id, {}).values()),
        )
        for course_id, row in course_rows.items()
    }


def _unit_names(units_of_course: Iterable[Unit]) -> dict[str, list[int]]:
    names: dict[str, list[int]] = {}
    for unit in units_of_course:
        if unit.external_id is not None:
            names.setdefault(unit.external_id, []).append(unit.id)
    return names


async def insert_grading(tx: WriteTransaction, structure: CourseStructure) -> None:
    """Store the grading of a course from its current revision on."""
    await tx.write_rows(
        (_insert_grading, [(structure.course_id, structure.revision, _encode_grading(structure.grading).decode())])
    )


async def read_histories(tx: ReadTransaction, course_ids: Sequence[int]) -> dict[int, GradingHistory]:
    """Return the grading histories of these courses."""
    histories: dict[int, GradingHistory] = {course_id: GradingHistory({}) for course_id in course_ids}
    for row in await tx.all(_gradings, ids=[(course_id,) for course_id in course_ids]):
        histories[row["course_id"]].gradings[row["revision"]] = _decode_grading(row["units"])
    return histories
