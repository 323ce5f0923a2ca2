"""Tallies as rows: what the analytics of courses are made of."""

from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import bindparam, func, or_, select

from headway.db.database import ReadTransaction, RowsToWrite, WriteTransaction
from headway.db.dialects import WriteRows
from headway.enrollments.statistics import Counted, completed_statistic, status_statistic
from headway.enrollments.status import EnrollmentStatus
from headway.enrollments.tables import course_statistics

REVISION = "revision"
"""The tally that grows with every change of the others."""

_add = WriteRows(course_statistics, ["course_id", "name", "shard", "value"], add=["value"])
_of_course = (
    select(course_statistics.c.name, func.sum(course_statistics.c.value).label("value"))
    .where(course_statistics.c.course_id == bindparam("course_id"))
    .group_by(course_statistics.c.name)
)
_status_counts = _of_course.where(
    or_(
        *(
            course_statistics.c.name == name(status)
            for status in EnrollmentStatus
            for name in (status_statistic, completed_statistic)
        )
    )
)
_revision = select(func.sum(course_statistics.c.value).label("value")).where(
    course_statistics.c.course_id == bindparam("course_id"), course_statistics.c.name == REVISION
)


class StatisticsDelta:
    """What a transaction changes in tallies. It is written once, after all enrollments are locked and before the feed."""

    def __init__(self) -> None:
        self._changed: defaultdict[tuple[int, str], int] = defaultdict(int)

    def replace(self, course_id: int, before: Counted | None, after: Counted) -> None:
        """Take off what something added before, if it was there, and add what it adds now."""
        if before is not None:
            if before.counted_as == after.counted_as:
                return
            for name, count in before.statistics:
                self._changed[course_id, name] -= count
        for name, count in after.statistics:
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


async def count_by_status(tx: ReadTransaction, course_id: int, statuses: Iterable[EnrollmentStatus]) -> tuple[int, int]:
    """Count the enrollments of a course that have one of these statuses, and those of them that were completed."""
    found = {row["name"]: int(row["value"]) for row in await tx.all(_status_counts, course_id=course_id)}
    asked = list(statuses)
    counts = (sum(found.get(name(status), 0) for status in asked) for name in (status_statistic, completed_statistic))
    enrolled, completed = counts
    return enrolled, completed


async def revision(tx: ReadTransaction, course_id: int) -> int:
    """Give a number that changes whenever a tally of the course does."""
    return int((await tx.one(_revision, course_id=course_id))["value"] or 0)
