"""Resets and attempts of a learner in a course, as the staff and the learner see them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from headway.accounts import store as users
from headway.courses.structure import CourseStructure
from headway.db.database import ReadTransaction
from headway.disclosures.model import RecordKind
from headway.enrollments import store as enrollments
from headway.enrollments.authorization import require_known, require_staff
from headway.enrollments.model import Enrollment
from headway.errors import NotFound
from headway.identity import NOBODY, OPERATOR, Caller
from headway.instants import Instant, Milliseconds
from headway.learning import reset_store
from headway.learning import store as activity
from headway.learning.reset_model import Attempt, AttemptUnit, Reset, active, attempts_of, reset_not_found
from headway.learning.store import CourseStructures
from headway.paging.service import Walk, put_in_order

Item = TypeVar("Item")


class ShownReset(NamedTuple):
    """A reset with the names of those who did and undid it; `undo_until` is when it can be undone no more.

    A name is None where it was an operator at the command line, and empty where there is no such account any more.
    """

    reset: Reset
    reset_by: str | None
    undone_by: str | None
    undo_until: Instant
    is_last: bool
    """Whether it is the last one that is not undone, and so can be undone."""


class ResetReads:
    """Reads resets and attempts. Learners are shown nothing of units that are hidden."""

    def __init__(self, structures: CourseStructures, *, undo_for: Milliseconds) -> None:
        self._structures = structures
        self._undo_for = undo_for

    async def list_resets(
        self, tx: ReadTransaction, caller: Caller, course_id: int, user_id: int, walk: Walk
    ) -> tuple[list[ShownReset], int]:
        """List the resets of a learner, undone ones too, the newest first, and count them: for staff, and the learner.

        Raises NotFound COURSE_NOT_FOUND or ENROLLMENT_NOT_FOUND, Forbidden.
        """
        found = await self.read_resets(tx, caller, course_id, user_id)
        return await _page(tx, walk, found, [each.reset.id for each in found]), len(found)

    async def find_reset(
        self, tx: ReadTransaction, caller: Caller | None, course_id: int, user_id: int, reset_id: int
    ) -> ShownReset:
        """Return one of them. Raises as `list_resets`, and NotFound RESET_NOT_FOUND."""
        for shown in await self.read_resets(tx, caller, course_id, user_id):
            if shown.reset.id == reset_id:
                return shown
        raise reset_not_found()

    async def read_resets(self, tx: ReadTransaction, caller: Caller | None, course_id: int, user_id: int) -> list[ShownReset]:
        """Return all of them; without a caller to an operator at the command line."""
        _, structure, sees_hidden = await self._find(tx, caller, course_id, user_id)
        resets = await reset_store.list_resets(tx, (user_id, course_id))
        if not resets:
            return []
        last = [each.id for each in active(resets)][-1:]
        by = {each.reset_by for each in resets} | {each.undone_by for each in resets if each.undone_by is not None}
        people = await users.find_by_ids(tx, by)
        names = {user_id: user.name for user_id, user in people.items()}
        return [
            ShownReset(
                each,
                _name(each.reset_by, names),
                _name(each.undone_by, names),
                each.reset_at + self._undo_for,
                is_last=[each.id] == last,
            )
            for each in resets
            if sees_hidden or each.is_known_to_learner(structure.hidden)
        ]

    async def list_attempts(
        self, tx: ReadTransaction, caller: Caller, course_id: int, user_id: int, walk: Walk
    ) -> tuple[list[Attempt], int]:
        """List the attempts of a learner, the newest first, and count them: for staff, and the learner.

        Raises as `list_resets`.
        """
        found = await self.read_attempts(tx, caller, course_id, user_id)
        return await _page(tx, walk, found, [each.number for each in found]), len(found)

    async def read_attempts(self, tx: ReadTransaction, caller: Caller | None, course_id: int, user_id: int) -> list[Attempt]:
        """Return all of them; without a caller to an operator at the command line."""
        enrollment, structure, sees_hidden = await self._find(tx, caller, course_id, user_id)
        key = (user_id, course_id)
        units = (await activity.read_units_of(tx, [key]))[key]
        resets, earlier = await reset_store.list_resets(tx, key), await reset_store.read_earlier(tx, key)
        shown = [unit_id for unit_id in structure.units if sees_hidden or unit_id not in structure.hidden]
        found = attempts_of(enrollment, units, resets, earlier)
        return [each._replace(units=_in_order(each.units, shown)) for each in reversed(found)]

    async def _find(
        self, tx: ReadTransaction, caller: Caller | None, course_id: int, user_id: int
    ) -> tuple[Enrollment, CourseStructure, bool]:
        """Return the enrollment, the course, and whether the caller sees hidden units."""
        caller = caller or OPERATOR
        if user_id == caller.user_id:
            is_staff = (await require_known(tx, caller, course_id)).is_staff
        else:
            await require_staff(tx, caller, course_id, shown=RecordKind.PROGRESS, learner_id=user_id)
            is_staff = True
        enrollment = await enrollments.find(tx, user_id, course_id)
        if enrollment is None:
            raise NotFound("There is no such enrollment.", code="ENROLLMENT_NOT_FOUND")
        revisions = {course_id: enrollment.course_revision}
        return enrollment, (await self._structures.get(tx, [course_id], revisions))[course_id], is_staff


def _name(user_id: int | None, names: Mapping[int, str]) -> str | None:
    return None if user_id is None or user_id == NOBODY else names.get(user_id, "")


def _in_order(units: Sequence[AttemptUnit], unit_ids: Sequence[int]) -> list[AttemptUnit]:
    by_id = {unit.unit_id: unit for unit in units}
    return [by_id[unit_id] for unit_id in unit_ids if unit_id in by_id]


async def _page(tx: ReadTransaction, walk: Walk, found: Sequence[Item], keys: list[int]) -> list[Item]:
    """Return a page of a list that was read as a whole."""
    by_key = dict(zip(keys, found, strict=True))

    async def some(wanted: Iterable[int]) -> list[Item]:
        return [by_key[key] for key in wanted if key in by_key]

    key_of = {id(each): key for key, each in by_key.items()}
    return await walk.read(tx, put_in_order(keys, some, lambda each: key_of[id(each)]))
