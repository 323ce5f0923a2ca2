"""The course room: who is where in a course, for those who may know."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

from headway.accounts import store as users
from headway.courses import store as catalogue
from headway.courses import structure_store
from headway.courses.structure import CourseStructure
from headway.db.database import ReadTransaction
from headway.disclosures.disclosing import disclose
from headway.disclosures.model import RecordKind
from headway.enrollments import access_store, statistics_store
from headway.enrollments import lists_store as enrollment_lists
from headway.enrollments import store as enrollments
from headway.enrollments.access import decide
from headway.enrollments.authorization import course_not_found, require_known, require_staff
from headway.enrollments.lists import Order, Part, Sort, parts_by_date, parts_by_percent
from headway.enrollments.model import Enrollment, NamedEnrollment
from headway.errors import Forbidden, NotFound
from headway.identity import Caller
from headway.instants import DAY, Clock, Instant
from headway.learning import store as activity
from headway.learning.counting import counting_of
from headway.learning.explanation import CourseExplanation, explain
from headway.learning.statistics import CourseStatistics, summarize
from headway.learning.store import CourseStructures
from headway.learning.unit_progress import UnitProgress, UnitStatus
from headway.paging.service import Moving, Slice, Walk

_ROWS_AT_ONCE = 2_000

_Parts: TypeAlias = Callable[[range], Sequence[Part]]
"""How a list is divided into parts, to read the rows of a range of it."""

_FEW_UNITS = 100
"""So many units are read and rendered on the server's loop: there no large read is before them."""


class ProgressAccess(NamedTuple):
    """Permission to see a learner in a course.

    `version` changes with what there is to see of units that were begun; None if not enrolled. `phase` changes besides when a
    unit opens or closes, which decides about the status of others.
    """

    course_id: int
    user_id: int
    version: str | None
    phase: str = ""
    sees_hidden: bool = True
    """Whether hidden units are shown too."""


class LearnerProgress(NamedTuple):
    """A learner in a course; `units` are those with progress, the newest change first."""

    enrollment: Enrollment | None
    units: list[UnitProgress]
    untouched: dict[int, UnitStatus]
    """The course's other units in its order: NOT_STARTED or LOCKED; empty unless requested."""
    explanation: CourseExplanation | None = None
    """Why the progress is what it is; None unless requested."""
    name: str = ""
    """The name of the learner, in lists."""


class ProgressPage(NamedTuple):
    """Some of the learners of a course, and how many there are; `with_units` reads their progress."""

    learners: list[NamedEnrollment]
    total: int


class ProgressReads:
    """Progress of learners in courses, as they and the staff see it, and the figures of courses."""

    def __init__(self, clock: Clock, structures: CourseStructures) -> None:
        self._clock = clock
        self._structures = structures

    async def authorize(self, tx: ReadTransaction, caller: Caller, course_id: int, user_id: int) -> ProgressAccess:
        """Check, with a single statement, that a caller may see a learner's progress in a course.

        Raises NotFound COURSE_NOT_FOUND or USER_NOT_FOUND, Forbidden.
        """
        stored = await access_store.read_facts(tx, caller, course_id, user_id)
        access = decide(None if stored is None else stored.facts)
        if stored is None or not access.knows_course:
            raise course_not_found()
        if not access.sees_learner:
            raise Forbidden("Only the learner and the staff of the course may see this.")
        if not stored.is_user:
            raise NotFound("There is no such user.", code="USER_NOT_FOUND")
        disclose(tx, caller, RecordKind.PROGRESS, course_id=course_id, learner_id=user_id)
        # Before the structure of the course is cached, no answer is like another.
        now, structure = self._clock(), self._structures.peek(course_id, stored.course_revision)
        phase = f"at {now}" if structure is None else str(structure.phase(now))
        return ProgressAccess(course_id, user_id, stored.version, phase, sees_hidden=access.is_staff)

    def is_short(self, course_id: int) -> bool:
        """Return whether a learner's progress in a course is known to be a matter of a few milliseconds."""
        units = self._structures.count_units(course_id)
        return units is not None and units <= _FEW_UNITS

    async def progress(
        self, tx: ReadTransaction, access: ProgressAccess, *, is_whole: bool = False, is_explained: bool = False
    ) -> LearnerProgress:
        """Read a learner's progress in a course.

        `is_whole` adds the units without progress, `is_explained` the explanation; without both, a single statement is run once
        the structure of the course is cached.
        """
        found = await activity.read_progress(tx, access.user_id, access.course_id)
        if found is None:
            return LearnerProgress(None, [], {})
        enrollment, units = found
        if not (is_whole or is_explained) and access.sees_hidden:
            return LearnerProgress(enrollment, units, {})
        revisions = {access.course_id: enrollment.course_revision}
        structure = (await self._structures.get(tx, [access.course_id], revisions))[access.course_id]
        with_hidden, now = access.sees_hidden, self._clock()
        counting = counting_of(enrollment)
        explanation = explain(structure, units, now, with_hidden=with_hidden, counting=counting) if is_explained else None
        untouched = _untouched(structure, units, now, with_hidden=with_hidden) if is_whole else {}
        shown = units if with_hidden else _without_hidden(structure, units)
        return LearnerProgress(enrollment, shown, untouched, explanation)

    async def list_progress(
        self, tx: ReadTransaction, caller: Caller, course_id: int, order: Order, walk: Walk, *, name: str | None = None
    ) -> ProgressPage:
        """List the learners of a course for its staff, or those with a name; without a date they come last when sorted by it.

        Raises NotFound COURSE_NOT_FOUND, Forbidden.
        """
        await require_staff(tx, caller, course_id)
        if name is None and order.sort.has_index:
            total, parts = await _count(tx, course_id, order)
            source = Moving(
                page=partial(_list_parts, tx, course_id, order, parts),
                order=partial(enrollment_lists.order_in_course, tx, course_id, order),
                some=partial(enrollment_lists.find_in_course, tx, course_id, order),
                key=lambda each: each.enrollment.user_id,
            )
        else:
            source, total = await enrollment_lists.in_whole_order(tx, course_id, order, name)
        return ProgressPage(await walk.read(tx, source), total)

    async def read_some(
        self, tx: ReadTransaction, caller: Caller, course_id: int, user_ids: Sequence[int]
    ) -> tuple[list[NamedEnrollment], list[int], bool]:
        """Find these learners, in the requested order, and the ids of those who are not enrolled; see `with_units`.

        The third is whether the caller sees hidden units.

        Learners may ask for themselves alone. Raises NotFound COURSE_NOT_FOUND, Forbidden.
        """
        learner_ids = list(dict.fromkeys(user_ids))
        sees_hidden = True
        if set(learner_ids) <= {caller.user_id}:
            sees_hidden = (await require_known(tx, caller, course_id)).is_staff
        else:
            await require_staff(tx, caller, course_id, shown=None)
            for user_id in learner_ids:
                disclose(tx, caller, RecordKind.PROGRESS, course_id=course_id, learner_id=user_id)
        found = await enrollments.find_many(tx, [(user_id, course_id) for user_id in learner_ids])
        enrolled = [found[user_id, course_id] for user_id in learner_ids if (user_id, course_id) in found]
        missing = [user_id for user_id in learner_ids if (user_id, course_id) not in found]
        return await enrollment_lists.add_names(tx, enrolled), missing, sees_hidden

    async def with_units(
        self, tx: ReadTransaction, course_id: int, learners: Sequence[NamedEnrollment], *, sees_hidden: bool = True
    ) -> AsyncIterator[LearnerProgress]:
        """Read the progress of learners of a course one after the other, of as many at once as have some 2,000 units."""
        if not learners:
            return
        revisions = {course_id: learners[0].enrollment.course_revision}
        structure = (await self._structures.get(tx, [course_id], revisions))[course_id]
        at_once = max(1, _ROWS_AT_ONCE // max(1, len(structure.units)))
        for first in range(0, len(learners), at_once):
            part = learners[first : first + at_once]
            units = await activity.read_units_of(tx, [(each.enrollment.user_id, course_id) for each in part])
            for enrollment, name in part:
                begun = units[enrollment.user_id, course_id]
                yield LearnerProgress(enrollment, begun if sees_hidden else _without_hidden(structure, begun), {}, name=name)
            # Other reads take turns, and a cancelled one ends.
            await asyncio.sleep(0)

    async def analytics_version(self, tx: ReadTransaction, caller: Caller, course_id: int) -> str:
        """Return the version of a course's statistics, for its staff. Raises NotFound COURSE_NOT_FOUND, Forbidden."""
        await require_staff(tx, caller, course_id, shown=None)
        revision = await statistics_store.statistics_revision(tx, course_id)
        state = await catalogue.state(tx, course_id)
        return f"{state}.{revision}.{self._clock() // DAY}"

    async def analytics(self, tx: ReadTransaction, course_id: int) -> CourseStatistics:
        """Return the statistics of a course that exists."""
        counted = await statistics_store.read_statistics(tx, course_id)
        revisions = await structure_store.revisions(tx, [course_id])
        structure = (await self._structures.get(tx, [course_id], revisions))[course_id]
        unit_ids = [unit.id for unit in structure.units.values() if not unit.is_retired]
        return summarize(counted, unit_ids, today=self._clock() // DAY)


async def explain_progress(tx: ReadTransaction, user_id: int, course_id: int, *, now: Instant) -> CourseExplanation:
    """Explain a learner's progress in a course to an operator.

    Raises NotFound USER_NOT_FOUND, COURSE_NOT_FOUND or NOT_ENROLLED.
    """
    structure = (await structure_store.structures(tx, [course_id])).get(course_id)
    if await users.find(tx, user_id) is None:
        raise NotFound(f"There is no user {user_id}.", code="USER_NOT_FOUND")
    if structure is None:
        raise NotFound(f"There is no course {course_id}.", code="COURSE_NOT_FOUND")
    found = await activity.read_progress(tx, user_id, course_id)
    disclose(tx, None, RecordKind.PROGRESS, course_id=course_id, learner_id=user_id)
    if found is None:
        raise NotFound(f"User {user_id} is not enrolled in course {course_id}.", code="NOT_ENROLLED")
    return explain(structure, found[1], now, counting=counting_of(found[0]))


def _without_hidden(structure: CourseStructure, units: list[UnitProgress]) -> list[UnitProgress]:
    return [unit for unit in units if unit.unit_id not in structure.hidden] if structure.hidden else units


def _untouched(
    structure: CourseStructure, units: Sequence[UnitProgress], now: Instant, *, with_hidden: bool
) -> dict[int, UnitStatus]:
    """Return the status of the units without progress; one with progress is never shown as locked."""
    touched = {unit.unit_id for unit in units}
    completed = {unit.unit_id for unit in units if unit.is_complete}
    return {
        unit.id: UnitStatus.NOT_STARTED if structure.find_lock(unit.id, completed, now) is None else UnitStatus.LOCKED
        for unit in structure.units.values()
        if unit.id not in touched and (unit.is_shown or (with_hidden and not unit.is_retired))
    }


async def _count(tx: ReadTransaction, course_id: int, order: Order) -> tuple[int, _Parts]:
    """Count the learners of a list, and return how it is divided into parts for some of its rows."""
    if order.sort is Sort.PERCENT:
        counts = await statistics_store.count_by_band(tx, course_id, order.statuses)
        return sum(counts), partial(parts_by_percent, counts, order)
    total, completed = await statistics_store.count_by_status(tx, course_id, order.statuses)
    parts = parts_by_date(total, completed) if order.sort is Sort.COMPLETED_AT else [Part(total)]
    return total, lambda _rows: parts


async def _list_parts(tx: ReadTransaction, course_id: int, order: Order, parts: _Parts, rows: Slice) -> list[NamedEnrollment]:
    """Read some of the learners of a course, whose parts come one after the other."""
    learner_ids: list[int] = []
    first = rows.offset
    for part in parts(range(first, first + rows.limit)):
        learner_ids += await enrollment_lists.list_sorted(
            tx, course_id, order, part, limit=rows.limit - len(learner_ids), offset=max(first, 0)
        )
        first -= part.size
    return await enrollment_lists.find_in_course(tx, course_id, order, learner_ids)
