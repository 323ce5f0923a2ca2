"""Course statistics as rows."""

from collections.abc import Iterable

from sqlalchemy import bindparam, func, or_, select

from headway.db.database import ReadTransaction, RowsToWrite, WriteTransaction
from headway.db.dialects import WriteRows
from headway.enrollments.statistics import REVISION, StatisticsDelta, completed_statistic, status_statistic
from headway.enrollments.status import EnrollmentStatus
from headway.enrollments.tables import course_statistics

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


def delta_rows(delta: StatisticsDelta, shard: int) -> RowsToWrite:
    """Return what writes a delta, in the order in which everybody locks the rows."""
    return _add, [(course_id, name, shard, count) for (course_id, name), count in delta.changes()]


async def write(tx: WriteTransaction, delta: StatisticsDelta) -> None:
    """Write a delta."""
    await tx.write_rows(delta_rows(delta, tx.shard))


async def read(tx: ReadTransaction, course_id: int) -> dict[str, int]:
    """Read the statistics of a course."""
    return {row["name"]: int(row["value"]) for row in await tx.all(_of_course, course_id=course_id)}


async def count_by_status(tx: ReadTransaction, course_id: int, statuses: Iterable[EnrollmentStatus]) -> tuple[int, int]:
    """Count the enrollments of a course that have one of these statuses, and those of them that were completed."""
    found = {row["name"]: int(row["value"]) for row in await tx.all(_status_counts, course_id=course_id)}
    chosen = list(statuses)
    counts = (sum(found.get(name(status), 0) for status in chosen) for name in (status_statistic, completed_statistic))
    enrolled, completed = counts
    return enrolled, completed


async def revision(tx: ReadTransaction, course_id: int) -> int:
    """Return a number that changes with every change of the statistics."""
    return int((await tx.one(_revision, course_id=course_id))["value"] or 0)
