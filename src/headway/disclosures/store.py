"""Disclosures as rows."""

from collections.abc import Collection, Iterable
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, bindparam, func, select

from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import WriteRows, lookup, rows
from headway.db.types import Id, Timestamp
from headway.disclosures.model import EVERYBODY, Disclosed, Disclosure, DisclosureFilter, RecordKind
from headway.disclosures.tables import disclosures
from headway.identity import Channel, Role
from headway.instants import Instant

_KEY = ("learner_id", "day", "reader_id", "course_id", "kind", "channel", "key_id", "role")
_columns = [disclosures.c[name] for name in (*_KEY, "id", "first_at", "last_at", "times")]
_write = WriteRows(disclosures, [*_KEY, "id", "first_at", "last_at", "times"], update=["last_at"], add=["times"])
_newest = select(*_columns).order_by(disclosures.c.id.desc()).limit(bindparam("limit"))
_conditions = {
    "learner_id": disclosures.c.learner_id == bindparam("learner_id"),
    "reader_id": disclosures.c.reader_id == bindparam("reader_id"),
    "since": disclosures.c.last_at >= bindparam("since"),
    "until": disclosures.c.first_at < bindparam("until"),
    "after": disclosures.c.id < bindparam("after"),
}
_courses = rows("courses", {"course_id": Id, "since": Timestamp})
_of_courses = lookup(
    _courses,
    disclosures,
    and_(
        disclosures.c.learner_id == EVERYBODY,
        disclosures.c.course_id == _courses.c.course_id,
        disclosures.c.last_at >= _courses.c.since,
    ),
)
_in_courses = _newest.select_from(_of_courses)
_count = select(func.count().label("total")).select_from(disclosures)
_count_in_courses = select(func.count().label("total")).select_from(_of_courses)


class Shown(NamedTuple):
    """What was shown on a day, how often, and when first and last."""

    day: int
    disclosed: Disclosed
    first_at: Instant
    last_at: Instant
    times: int


async def write(tx: WriteTransaction, shown: Iterable[tuple[str, Shown]]) -> None:
    """Add disclosures to the rows of their days; each comes with the id of its row in case that it is the first."""
    written = [
        (
            *(each.disclosed.learner_id, each.day, each.disclosed.reader_id, each.disclosed.course_id),
            *(each.disclosed.kind.value, each.disclosed.channel.value, each.disclosed.key_id),
            *(each.disclosed.role.value, row_id, each.first_at, each.last_at, each.times),
        )
        for row_id, each in shown
    ]
    # In one order, so that two processes do not wait for each other.
    await tx.write_rows((_write, sorted(written, key=lambda row: row[: len(_KEY)])))


async def list_page(tx: ReadTransaction, chosen: DisclosureFilter, *, after: str | None, limit: int) -> list[Disclosure]:
    """Read the newest rows that match a filter, those before the row `after`."""
    given = _given(chosen, after)
    return [_of(row) for row in await tx.all(_where(_newest, *given), **given, limit=limit)]


async def list_of_courses(
    tx: ReadTransaction,
    courses: Collection[tuple[int, Instant]],
    chosen: DisclosureFilter,
    *,
    after: str | None,
    limit: int,
) -> list[Disclosure]:
    """Read the newest rows of everybody in some courses, of each since an instant, that match a filter but for its learner."""
    given = _given(chosen._replace(learner_id=None), after)
    return [_of(row) for row in await tx.all(_where(_in_courses, *given), **given, courses=list(courses), limit=limit)]


async def count(tx: ReadTransaction, chosen: DisclosureFilter) -> int:
    """Count the rows that match a filter."""
    given = _given(chosen)
    return int((await tx.one(_where(_count, *given), **given))["total"])


async def count_of_courses(tx: ReadTransaction, courses: Collection[tuple[int, Instant]], chosen: DisclosureFilter) -> int:
    """Count the rows of `list_of_courses`."""
    given = _given(chosen._replace(learner_id=None))
    return int((await tx.one(_where(_count_in_courses, *given), **given, courses=list(courses)))["total"])


def _given(chosen: DisclosureFilter, after: str | None = None) -> dict[str, Any]:
    return {name: value for name, value in (chosen._asdict() | {"after": after}).items() if value is not None}


@cache
def _where(statement: Select[Any], *names: str) -> Select[Any]:
    """Return a statement with the named conditions; each is made once, for the dialects remember them."""
    return statement.where(*(_conditions[name] for name in names))


def _of(row: Row) -> Disclosure:
    learner_id, _day, reader_id, course_id, kind, channel, key_id, role, row_id, first_at, last_at, times = row
    disclosed = Disclosed(learner_id, reader_id, course_id, RecordKind(kind), Channel(channel), key_id, Role(role))
    return Disclosure(row_id, disclosed, first_at, last_at, times)
