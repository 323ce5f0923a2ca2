"""Waiting lists as rows. Who joins one, or moves up from it to a limited seat, locks the row of the course."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from sqlalchemy import and_, bindparam, delete, func, select

from headway.accounts.tables import users
from headway.courses.tables import courses
from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import UpdateRows, WriteRows, is_one_of, lookup, rows
from headway.db.types import Id
from headway.enrollments.model import WaitingLearner
from headway.enrollments.tables import waiting_list
from headway.instants import Instant
from headway.paging.service import Slice, in_order
from headway.webhooks.announcements import JoinedWaitingList

_waits_in_course = waiting_list.c.course_id == bindparam("in_course")
_last_waiting = select(func.coalesce(func.max(waiting_list.c.number), 0).label("number")).where(_waits_in_course)
_insert_waiting = WriteRows(waiting_list, ["user_id", "course_id", "number", "joined_at", "access_until"])
_line = (
    select(
        *(waiting_list.c[name] for name in ("user_id", "joined_at", "access_until", "number")),
        func.row_number().over(order_by=waiting_list.c.number).label("position"),
    )
    .where(_waits_in_course)
    .subquery("line")
)
_joined = rows("joined", {"user_id": Id})
_positions = select(_line.c.user_id, _line.c.position).join(_joined, _joined.c.user_id == _line.c.user_id)
_named_line = select(*_line.c, users.c.name, users.c.is_disabled)
_page = (
    _named_line.select_from(lookup(_line, users, users.c.id == _line.c.user_id))
    .order_by(_line.c.number)
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_some_of_line = _line.join(_joined, _joined.c.user_id == _line.c.user_id)
_some = _named_line.select_from(lookup(_some_of_line, users, users.c.id == _line.c.user_id))
_order = select(waiting_list.c.user_id, waiting_list.c.number).where(_waits_in_course).order_by(waiting_list.c.number)
_set_number = UpdateRows(waiting_list, ["number"])
_count = select(func.count().label("total")).select_from(waiting_list).where(_waits_in_course)
_ahead = waiting_list.alias("ahead")
_first_waiting = (
    select(waiting_list.c.user_id, waiting_list.c.access_until)
    .select_from(lookup(waiting_list, users, users.c.id == waiting_list.c.user_id))
    .where(users.c.is_disabled.is_(False))
    .where(_waits_in_course)
    .order_by(waiting_list.c.number)
    .limit(bindparam("limit"))
)
_waited_for = (
    select(waiting_list.c.course_id).where(waiting_list.c.user_id == bindparam("of_user")).order_by(waiting_list.c.course_id)
)
_of_course = and_(_ahead.c.course_id == waiting_list.c.course_id, _ahead.c.number <= waiting_list.c.number)
_waiting_places = (
    select(
        *(waiting_list.c.course_id, courses.c.title),
        select(func.count()).select_from(_ahead).where(_of_course).scalar_subquery().label("position"),
        waiting_list.c.joined_at,
    )
    .select_from(lookup(waiting_list, courses, courses.c.id == waiting_list.c.course_id))
    .where(waiting_list.c.user_id == bindparam("of_user"))
    .order_by(waiting_list.c.joined_at, waiting_list.c.course_id)
)
_leaving = rows("leaving", {"user_id": Id})
_stop_waiting = (
    delete(waiting_list)
    .where(_waits_in_course, is_one_of(waiting_list.c.user_id, select(_leaving.c.user_id)))
    .returning(waiting_list.c.user_id)
)


async def join_waiting_list(
    tx: WriteTransaction,
    user_ids: Sequence[int],
    course_id: int,
    now: Instant,
    ends: Mapping[int, Instant | None] = MappingProxyType({}),
) -> dict[int, int]:
    """Append learners in order, those who do not wait already; return the positions of all of them, from 1.

    `ends` says of some when the access is to end. The course must be locked.
    """
    if not user_ids:
        return {}
    last = (await tx.one(_last_waiting, in_course=course_id))["number"]
    joined = await tx.insert_new(
        _insert_waiting, [(user_id, course_id, last + n, now, ends.get(user_id)) for n, user_id in enumerate(user_ids, 1)]
    )
    positions = await find_positions(tx, course_id, user_ids)
    for user_id, _ in sorted(joined, key=lambda each: positions[each[0]]):
        tx.announce(JoinedWaitingList(learner_id=user_id, course_id=course_id, position=positions[user_id]))
    return positions


async def find_positions(tx: ReadTransaction, course_id: int, user_ids: Sequence[int]) -> dict[int, int]:
    """Return the positions, from 1, of those of these learners who wait."""
    found = await tx.all(_positions, in_course=course_id, joined=[(user_id,) for user_id in user_ids])
    return {row["user_id"]: row["position"] for row in found}


async def list_page(tx: ReadTransaction, course_id: int, part: Slice) -> list[WaitingLearner]:
    """Read some of those who wait for a seat in a course, in order."""
    return list(map(_learner_of, await tx.all(_page, in_course=course_id, **part.params)))


async def find_waiting(tx: ReadTransaction, course_id: int, user_ids: Sequence[int]) -> list[WaitingLearner]:
    """Read those of some learners who wait for a seat in a course, in the order of their ids here."""
    found = await tx.all(_some, in_course=course_id, joined=[(user_id,) for user_id in user_ids])
    return in_order(user_ids, {row["user_id"]: _learner_of(row) for row in found})


def _learner_of(row: Row) -> WaitingLearner:
    fields = {name: row[name] for name in WaitingLearner._fields}
    return WaitingLearner(**fields | {"is_disabled": bool(row["is_disabled"])})


async def read_order(tx: ReadTransaction, course_id: int) -> list[int]:
    """Return all who wait for a seat in a course, in order."""
    return [row["user_id"] for row in await tx.all(_order, in_course=course_id)]


async def count(tx: ReadTransaction, course_id: int) -> int:
    """Count those who wait for a seat in a course."""
    return int((await tx.one(_count, in_course=course_id))["total"])


async def move(tx: WriteTransaction, course_id: int, user_id: int, position: int) -> None:
    """Move a learner who waits to a position, from 1, or to the end. Those in between give their numbers on to each other."""
    line = [tuple(row) for row in await tx.all(_order, in_course=course_id)]
    order = [each for each, _ in line if each != user_id]
    order.insert(position - 1, user_id)
    moved = [(number, each, course_id) for (old, number), each in zip(line, order, strict=True) if each != old]
    await tx.write_rows((_set_number, moved))


async def list_waiting(tx: ReadTransaction, course_id: int, limit: int) -> dict[int, Instant | None]:
    """Return those who have waited longest, in order, with when their access is to end.

    Disabled accounts keep their places and are passed over.
    """
    return dict(map(tuple, await tx.all(_first_waiting, in_course=course_id, limit=limit)))


async def list_waited_for(tx: ReadTransaction, user_id: int) -> list[int]:
    """Return the courses on whose waiting lists a user is, in ascending order."""
    return [row["course_id"] for row in await tx.all(_waited_for, of_user=user_id)]


async def list_waiting_places(tx: ReadTransaction, user_id: int) -> Sequence[Row]:
    """Return the lists on which a user waits, the first one joined first: course_id, title, position from 1, joined_at."""
    return await tx.all(_waiting_places, of_user=user_id)


async def stop_waiting(tx: WriteTransaction, course_id: int, user_ids: Sequence[int]) -> set[int]:
    """Remove learners from the list; return those who were on it."""
    removed = await tx.all(_stop_waiting, in_course=course_id, leaving=[(user_id,) for user_id in user_ids])
    return {row["user_id"] for row in removed}
