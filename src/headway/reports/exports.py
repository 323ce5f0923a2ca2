"""Exports of a course: all that is known of all its learners, read some at a time.

Each part is read in a snapshot of its own, so that nothing is held for a client that is slow. Whoever is enrolled all the time
is in the export once, as they were when their part was read.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing
from datetime import tzinfo
from typing import Any, Protocol, TypeVar

from headway.courses import parts_store, structure_store
from headway.db.database import ReadTransaction
from headway.disclosures.disclosing import disclose
from headway.disclosures.model import RecordKind
from headway.enrollments.authorization import course_not_found, require_staff
from headway.identity import Caller
from headway.learning.store import CourseStructures
from headway.reports import export_store as store
from headway.reports.export_files import ExportFile
from headway.reports.export_model import ExportedCourse, ExportedLearner, Part

_UNITS_AT_ONCE = 5_000
"""So many units are read at once, of all learners of a part."""
_MOST_LEARNERS = 200
Made = TypeVar("Made")


class Read(Protocol):
    """Runs a function in a snapshot, wherever large reads are run."""

    async def __call__(self, read: Callable[[ReadTransaction], Awaitable[Any]], /) -> Any:
        """Return what the function returns."""


class Exports:
    """Exports of courses, for their staff; None as a caller is the operator at the command line."""

    def __init__(self, structures: CourseStructures) -> None:
        self._structures = structures

    async def file(
        self, read: Read, caller: Caller | None, course_id: int, make: Callable[[ExportedCourse], ExportFile], zone: tzinfo
    ) -> AsyncGenerator[bytes]:
        """Yield an export as a file, part by part. Raises NotFound COURSE_NOT_FOUND, Forbidden, also in the middle."""
        course = await read(lambda tx: self.begin(tx, caller, course_id))
        file = make(course)
        yield file.head()
        async with aclosing(self.learners(read, caller, course, file.parts, zone, file.learners)) as parts:
            async for part in parts:
                yield part
        yield file.end()

    async def begin(self, tx: ReadTransaction, caller: Caller | None, course_id: int) -> ExportedCourse:
        """Return the course of an export. Raises NotFound COURSE_NOT_FOUND, Forbidden."""
        await self._require(tx, caller, course_id)
        revisions = await structure_store.revisions(tx, [course_id])
        structure = (await self._structures.get(tx, [course_id], revisions)).get(course_id)
        if structure is None:
            raise course_not_found()
        modules = {module.id: module for module in await parts_store.list_modules(tx, [course_id])}
        assessments = {each.id: each for each in await parts_store.list_assessments(tx, course_id)}
        return ExportedCourse(structure, modules, assessments)

    async def learners(
        self,
        read: Read,
        caller: Caller | None,
        course: ExportedCourse,
        parts: Collection[Part],
        zone: tzinfo,
        make: Callable[[list[ExportedLearner]], Made],
    ) -> AsyncGenerator[Made]:
        """Yield what `make` returns of some learners at a time, in the order of their ids; days are those of the zone.

        `make` runs where the learners are read. The caller's rights are checked each time. Raises NotFound, Forbidden.
        """
        course_id, after = course.structure.course_id, 0
        at_once = max(1, min(_MOST_LEARNERS, _UNITS_AT_ONCE // max(1, len(course.structure.units))))

        async def read_some(tx: ReadTransaction) -> tuple[int | None, Made]:
            await self._require(tx, caller, course_id)
            found = await store.list_learners(tx, course_id, after=after, limit=at_once)
            last = found[-1].user_id if len(found) == at_once else None
            return last, make(await self._with_parts(tx, course, found, parts, zone))

        last: int | None = after
        while last is not None:
            after = last
            last, made = await read(read_some)
            yield made

    async def _with_parts(
        self,
        tx: ReadTransaction,
        course: ExportedCourse,
        found: list[ExportedLearner],
        parts: Collection[Part],
        zone: tzinfo,
    ) -> list[ExportedLearner]:
        course_id, ids = course.structure.course_id, [each.user_id for each in found]
        if Part.UNITS in parts:
            places = {unit_id: place for place, unit_id in enumerate(course.structure.units)}
            units = await store.read_units(tx, course_id, ids)
            found = [
                each._replace(units=sorted(units[each.user_id], key=lambda unit: places.get(unit.unit_id, len(places))))
                for each in found
            ]
        # Other reads take turns, and a cancelled one ends.
        await asyncio.sleep(0)
        if Part.DAYS in parts:
            days = await store.read_days(tx, course_id, ids, zone)
            found = [each._replace(days=days[each.user_id]) for each in found]
        if Part.GRADES in parts:
            order = {assessment_id: place for place, assessment_id in enumerate(course.assessments)}
            grades = await store.read_grades(tx, course_id, ids)
            found = [
                each._replace(grades=sorted(grades[each.user_id], key=lambda work: order.get(work.assessment_id, len(order))))
                for each in found
            ]
        return found

    async def _require(self, tx: ReadTransaction, caller: Caller | None, course_id: int) -> None:
        if caller is not None:
            await require_staff(tx, caller, course_id, shown=RecordKind.EXPORT)
        else:
            disclose(tx, None, RecordKind.EXPORT, course_id=course_id)
