"""Course statistics as rows."""

from collections.abc import Sequence

from sqlalchemy import Text, and_, bindparam, func, select

from headway.courses.tables import course_statistics
from headway.db.database import ReadTransaction, RowsToWrite, WriteTransaction
from headway.db.dialects import WriteRows, lookup, rows
from headway.enrollments.statistics import (
    BANDS,
    REVISION,
    StatisticsDelta,
    band_statistic,
    completed_statistic,
    status_statistic,
)
from headway.enrollments.status import EnrollmentStatus

_add_statistics = WriteRows(course_statistics, ["course_id", "name", "shard", "value"], add=["value"])
_statistics = (
    select(course_statistics.c.name, func.sum(course_statistics.c.value).label("value"))
    .where(course_statistics.c.course_id == bindparam("course_id"))
    .group_by(course_statistics.c.name)
)
_names = rows("names", {"name": Text()})
_is_named = and_(course_statistics.c.course_id == bindparam("course_id"), course_statistics.c.name == _names.c.name)
_some_statistics = (
    select(course_statistics.c.name, func.sum(course_statistics.c.value).label("value"))
    .select_from(lookup(_names, course_statistics, _is_named))
    .group_by(course_statistics.c.name)
)
_statistics_revision = select(func.sum(course_statistics.c.value).label("value")).where(
    course_statistics.c.course_id == bindparam("course_id"), course_statistics.c.name == REVISION
)


def delta_rows(delta: StatisticsDelta, shard: int) -> RowsToWrite:
    """Return what writes a delta of statistics, in the order in which everybody locks the rows."""
    return _add_statistics, [(course_id, name, shard, count) for (course_id, name), count in delta.changes()]


async def write_statistics(tx: WriteTransaction, delta: StatisticsDelta) -> None:
    """Write what changes in statistics."""
    await tx.write_rows(delta_rows(delta, tx.shard))


async def read_statistics(tx: ReadTransaction, course_id: int) -> dict[str, int]:
    """Read the statistics of a course."""
    return {row["name"]: int(row["value"]) for row in await tx.all(_statistics, course_id=course_id)}


async def count_by_status(tx: ReadTransaction, course_id: int, statuses: Sequence[EnrollmentStatus]) -> tuple[int, int]:
    """Count the enrollments of a course that have one of these statuses, and those of them that were completed."""
    names = [[name(status) for status in statuses] for name in (status_statistic, completed_statistic)]
    enrolled, completed = await _sums(tx, course_id, names)
    return enrolled, completed


async def count_by_band(tx: ReadTransaction, course_id: int, statuses: Sequence[EnrollmentStatus]) -> list[int]:
    """Count the enrollments of a course that have one of these statuses, by the band of their percents."""
    return await _sums(tx, course_id, [[band_statistic(status, band) for status in statuses] for band in range(len(BANDS))])


async def _sums(tx: ReadTransaction, course_id: int, names: Sequence[Sequence[str]]) -> list[int]:
    """Add up some statistics of a course, those of each list of names."""
    found = await tx.all(_some_statistics, course_id=course_id, names=[(name,) for some in names for name in some])
    values = {row["name"]: int(row["value"]) for row in found}
    return [sum(values.get(name, 0) for name in some) for some in names]


async def statistics_revision(tx: ReadTransaction, course_id: int) -> int:
    """Return a number that changes with every change of the statistics."""
    return int((await tx.one(_statistics_revision, course_id=course_id))["value"] or 0)
