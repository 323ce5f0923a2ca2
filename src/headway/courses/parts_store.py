"""The rows of modules, units and assessments."""

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, select

from headway.courses.completion import Completion, Rule
from headway.courses.model import Assessment, Module, Unit
from headway.courses.tables import assessments, modules, units
from headway.courses.times import Times
from headway.db.database import ReadTransaction, Row
from headway.db.dialects import lookup, rows
from headway.db.types import Id

_ids = rows("ids", {"id": Id})
# The columns of parts are in the order of the fields of their structs.
_modules = (
    select(
        *(modules.c[name] for name in ("id", "course_id", "title", "slug", "position", "retired_at", "external_id", "source"))
    )
    .select_from(lookup(_ids, modules, modules.c.course_id == _ids.c.id))
    .order_by(modules.c.course_id, modules.c.position)
)
_units = (
    select(
        *(units.c[name] for name in ("id", "course_id", "module_id", "title", "slug", "kind", "position")),
        *(units.c[name] for name in ("is_required", "rule", "threshold", "retired_at", "external_id", "source")),
        *(units.c[name] for name in ("opens_at", "closes_at", "is_hidden")),
    )
    .select_from(lookup(lookup(_ids, units, units.c.course_id == _ids.c.id), modules, modules.c.id == units.c.module_id))
    .order_by(units.c.course_id, modules.c.position, units.c.position)
)
_assessment_names = ("id", "course_id", "title", "description", "due_at", "max_grade", "position", "retired_at")
_all_assessments = select(*(assessments.c[name] for name in _assessment_names))
_assessments = _all_assessments.where(assessments.c.course_id == bindparam("course_id")).order_by(assessments.c.position)
_assessment_by_id = _all_assessments.where(assessments.c.id == bindparam("assessment_id"))


def _module(row: Row) -> Module:
    *fields, retired_at, external_id, source = row
    values: list[Any] = [*fields, retired_at is not None, external_id, source]
    return Module(*values)


def _assessment(row: Row) -> Assessment:
    *fields, retired_at = row
    values: list[Any] = [*fields, retired_at is not None]
    return Assessment(*values)


def _unit(row: Row) -> Unit:
    *fields, is_required, rule, threshold, retired_at, external_id, source, opens_at, closes_at, is_hidden = row
    completion, is_retired = Completion(Rule(rule), threshold), retired_at is not None
    values: list[Any] = [*fields, bool(is_required), completion, is_retired, external_id, source]
    return Unit(*[*values, Times(opens_at, closes_at), bool(is_hidden)])


async def list_modules(tx: ReadTransaction, course_ids: Sequence[int]) -> list[Module]:
    """Return the modules of these courses in order, course by course, retired ones too."""
    return [_module(row) for row in await tx.all(_modules, ids=[(course_id,) for course_id in course_ids])]


async def list_units(tx: ReadTransaction, course_ids: Sequence[int]) -> list[Unit]:
    """Return the units of these courses in order, course by course, retired ones too."""
    found = [_unit(row) for row in await tx.all(_units, ids=[(course_id,) for course_id in course_ids])]
    # On SQLite nothing waits: others are served between the steps of work on a large course.
    await asyncio.sleep(0)
    return found


async def find_assessment(tx: ReadTransaction, assessment_id: int) -> Assessment | None:
    """Return the assessment with an id, retired or not, or None."""
    row = await tx.first(_assessment_by_id, assessment_id=assessment_id)
    return None if row is None else _assessment(row)


async def list_assessments(tx: ReadTransaction, course_id: int) -> list[Assessment]:
    """Return the assessments of a course in order, retired ones too."""
    return [_assessment(row) for row in await tx.all(_assessments, course_id=course_id)]
