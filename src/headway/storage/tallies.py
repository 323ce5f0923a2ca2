"""Tallies as rows: what the analytics of courses are made of."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Protocol

from sqlalchemy import Text, and_, bindparam, func, select

from headway.domain.analytics import Tally
from headway.storage.database import ReadTransaction, RowsToWrite, WriteTransaction
from headway.storage.dialects import WriteRows, rows
from headway.storage.tables import course_tallies

REVISION = "revision"
"""The tally that grows with every change of the others."""

_add = WriteRows(course_tallies, ["course_id", "name", "shard", "value"], add=["value"])
_of_course = (
    select(course_tallies.c.name, func.sum(course_tallies.c.value).label("value"))
    .where(course_tallies.c.course_id == bindparam("course_id"))
    .group_by(course_tallies.c.name)
)
_names = rows("names", {"name": Text()})
_some_of_course = (
    select(course_tallies.c.name, func.sum(course_tallies.c.value).label("value"))
    .select_from(_names)
    .join(course_tallies, and_(course_tallies.c.course_id == bindparam("course_id"), course_tallies.c.name == _names.c.name))
    .group_by(course_tallies.c.name)
)
_revision = select(func.sum(course_tallies.c.value).label("value")).where(
    course_tallies.c.course_id == bindparam("course_id"), course_tallies.c.name == REVISION
)


class Tallied(Protocol):
    """What adds to the tallies of a course."""

    @property
    def tallied(self) -> tuple[Any, ...]:
        """What the tallies follow from: as long as it is equal, so are they."""

    @property
    def tallies(self) -> tuple[Tally, ...]:
        """What it adds."""


class Moves:
    """What a transaction changes in tallies. It is written once, after all enrollments are locked and before the feed."""

    def __init__(self) -> None:
        self._changed: defaultdict[tuple[int, str], int] = defaultdict(int)

    def move(self, course_id: int, before: Tallied | None, after: Tallied) -> None:
        """Take off what something added before, if it was there, and add what it adds now."""
        if before is not None:
            if before.tallied == after.tallied:
                return
            for name, count in before.tallies:
                self._changed[course_id, name] -= count
        for name, count in after.tallies:
            self._changed[course_id, name] += count

    def rows(self, shard: int) -> RowsToWrite:
        """Give what writes them, in the order in which everybody locks them."""
        changed = {key: count for key, count in self._changed.items() if count}
        changed |= {(course_id, REVISION): 1 for course_id, _ in changed}
        return _add, [(course_id, name, shard, count) for (course_id, name), count in sorted(changed.items())]

    async def write(self, tx: WriteTransaction) -> None:
        """Write them."""
        await tx.write_rows(self.rows(tx.shard))


async def read(tx: ReadTransaction, course_id: int) -> dict[str, int]:
    """Read the tallies of a course."""
    return {row["name"]: int(row["value"]) for row in await tx.all(_of_course, course_id=course_id)}


async def read_some(tx: ReadTransaction, course_id: int, names: Iterable[str]) -> dict[str, int]:
    """Read tallies of a course by their names; those that are not there are 0."""
    wanted = list(names)
    found = await tx.all(_some_of_course, course_id=course_id, names=[(name,) for name in wanted])
    return {**dict.fromkeys(wanted, 0), **{row["name"]: int(row["value"]) for row in found}}


async def revision(tx: ReadTransaction, course_id: int) -> int:
    """Give a number that changes whenever a tally of the course does."""
    return int((await tx.one(_revision, course_id=course_id))["value"] or 0)
