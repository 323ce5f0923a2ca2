"""The list of a course's learners for its staff, with why some of them need help, and saved filters."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from headway.attention import learners_store
from headway.attention.learners import LearnerFilter, LearnerOrder, SavedFilter, check_saved
from headway.attention.model import MAX_FILTERS
from headway.attention.service import Attention, CourseFindings, ListedLearner
from headway.courses.model import Unit
from headway.db.database import ReadTransaction, WriteTransaction
from headway.enrollments.authorization import require_staff
from headway.errors import Conflict
from headway.identity import Caller
from headway.instants import Clock
from headway.paging.service import Moving, Walk, put_in_order

_AT_ONCE = 1_000


class LearnerRow(NamedTuple):
    """A learner in the list."""

    learner: ListedLearner
    unit: Unit | None
    """The unit in which the learner was active last."""
    grade: float | None
    """The mean of the newest grades of all assessments that have one, as percents of their maxima."""


class LearnersPage(NamedTuple):
    """Some of the learners that a filter chooses, and how many it chooses in all."""

    rows: list[LearnerRow]
    total: int
    findings: CourseFindings


class LearnerLists:
    """Lists the learners of courses for their staff."""

    def __init__(self, clock: Clock, attention: Attention) -> None:
        self._clock = clock
        self._attention = attention

    async def page(
        self,
        tx: ReadTransaction,
        caller: Caller,
        course_id: int,
        chosen: LearnerFilter,
        order: LearnerOrder,
        walk: Walk,
    ) -> LearnersPage:
        """List some of the learners of a course that a filter chooses.

        Raises NotFound COURSE_NOT_FOUND, Forbidden, Invalid for a cursor that has expired.
        """
        if chosen.is_listed:
            findings, ordered = await self._all(tx, caller, course_id, chosen, order)
            user_ids = await walk.read(tx, put_in_order(ordered, _same, lambda user_id: user_id))
            return LearnersPage(await self._rows(tx, findings, user_ids), len(ordered), findings)
        await require_staff(tx, caller, course_id)
        source = Moving(
            page=partial(learners_store.list_learners, tx, course_id, chosen, order),
            order=partial(learners_store.order_learners, tx, course_id, chosen, order),
            some=_same,
            key=lambda user_id: user_id,
        )
        user_ids = await walk.read(tx, source)
        total = await learners_store.count_learners(tx, course_id, chosen)
        findings = await self._attention.find(tx, caller, course_id, user_ids)
        return LearnersPage(await self._rows(tx, findings, user_ids), total, findings)

    async def all(
        self, tx: ReadTransaction, caller: Caller, course_id: int, chosen: LearnerFilter, order: LearnerOrder
    ) -> LearnersPage:
        """List all learners of a course that `page` shows on one page after the other."""
        findings, ordered = await self._all(tx, caller, course_id, chosen, order)
        rows: list[LearnerRow] = []
        for first in range(0, len(ordered), _AT_ONCE):
            rows += await self._rows(tx, findings, ordered[first : first + _AT_ONCE])
            # Other reads take turns, and a cancelled one ends.
            await asyncio.sleep(0)
        return LearnersPage(rows, len(rows), findings)

    async def list_saved(self, tx: ReadTransaction, caller: Caller, course_id: int) -> list[SavedFilter]:
        """List the caller's own saved filters for a course. Raises NotFound COURSE_NOT_FOUND, Forbidden."""
        await require_staff(tx, caller, course_id, shown=None)
        return await learners_store.list_saved(tx, course_id, caller.user_id)

    async def save(self, tx: WriteTransaction, caller: Caller, course_id: int, saved: SavedFilter) -> None:
        """Save a filter for the caller, in place of the one of the same name.

        Raises Invalid, NotFound COURSE_NOT_FOUND, Forbidden, Conflict TOO_MANY_FILTERS.
        """
        known = await self.list_saved(tx, caller, course_id)
        check_saved(saved)
        if len(known) >= MAX_FILTERS and saved.name not in {each.name for each in known}:
            raise Conflict(f"There are {MAX_FILTERS} saved filters: delete one first.", code="TOO_MANY_FILTERS")
        await learners_store.save(tx, course_id, caller.user_id, saved, self._clock())

    async def delete_saved(self, tx: WriteTransaction, caller: Caller, course_id: int, name: str) -> None:
        """Delete a saved filter of the caller. Raises NotFound COURSE_NOT_FOUND, Forbidden."""
        await require_staff(tx, caller, course_id)
        await learners_store.delete_saved(tx, course_id, caller.user_id, name)

    async def _all(
        self, tx: ReadTransaction, caller: Caller, course_id: int, chosen: LearnerFilter, order: LearnerOrder
    ) -> tuple[CourseFindings, list[int]]:
        """Return all findings of a course, and all learners that a filter chooses, in order."""
        findings = await self._attention.find(tx, caller, course_id)
        ordered = await learners_store.order_learners(tx, course_id, chosen, order)
        if chosen.is_listed:
            listed = findings.listed_by(chosen.rule)
            ordered = [user_id for user_id in ordered if user_id in listed]
        return findings, ordered

    async def _rows(self, tx: ReadTransaction, findings: CourseFindings, user_ids: Sequence[int]) -> list[LearnerRow]:
        course_id = findings.course.structure.course_id
        grades = await learners_store.read_grades(tx, course_id, user_ids)
        return [
            LearnerRow(
                learner,
                findings.course.structure.units.get(learner.enrollment.last_unit_id or 0),
                _mean(list(grades.get(learner.enrollment.user_id, {}).values())),
            )
            for learner in await self._attention.read(tx, findings, user_ids)
        ]


def _mean(grades: Sequence[float]) -> float | None:
    return sum(grades) / len(grades) if grades else None


async def _same(user_ids: Sequence[int]) -> Sequence[int]:
    return user_ids
