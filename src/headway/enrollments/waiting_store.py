"""Waiting lists as rows. Who joins one, or moves up from it to a limited seat, locks the row of the course."""

from collections.abc import Sequence

from sqlalchemy import and_, bindparam, delete, func, select

from headway.accounts.tables import users
from headway.courses.tables import courses
from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import WriteRows, is_one_of, lookup, rows
from headway.db.types import Id
from headway.enrollments.model import WaitingLearner
from headway.enrollments.tables import waiting_list
from headway.instants import Instant
from headway.paging.service import Slice
from headway.webhooks.announcements import JoinedWaitingList

_waits_in_course = waiting_list.c.course_id == bindparam("in_course")
_last_waiting = select(func.coalesce(func.max(waiting_list.c.number), 0).label("number")).where(_waits_in_course)
_insert_waiting = WriteRows(waiting_list, ["user_id", "course_id", "number", "joined_at"])
_line = (
    select(
        *(waiting_list.c[name] for name in ("user_id", "number", "joined_at")),
        func.row_number().over(order_by=waiting_list.c.number).label("position"),
    )
    .where(_waits_in_course)
    .subquery("line")
)
_joined = rows("joined", {"user_id": Id})
_positions = select(_line.c.user_id, _line.c.position).join(_joined, _joined.c.user_id == _line.c.user_id)
_page = (
    select(*_line.c, users.c.name, users.c.is_disabled)
    .select_from(lookup(_line, users, users.c.id == _line.c.user_id))
    .order_by(_line.c.number)
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_page_after = _page.where(_line.c.number > bindparam("after"))
_count = select(func.count().label("total")).select_from(waiting_list).where(_waits_in_course)
_ahead = waiting_list.alias("ahead")
_first_waiting = (
    select(waiting_list.c.user_id)
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
_stop_waiting = delete(waiting_list).where(_waits_in_course, is_one_of(waiting_list.c.user_id, select(_leaving.c.user_id)))


async def join_waiting_list(tx: WriteTransaction, user_ids: Sequence[int], course_id: int, now: Instant) -> dict[int, int]:
    """Append learners in order, those who do not wait already; return the positions of all of them, from 1.

    The course must be locked.
    """
    if not user_ids:
        return {}
    last = (await tx.one(_last_waiting, in_course=course_id))["number"]
    joined = await tx.insert_new(
        _insert_waiting, [(user_id, course_id, last + n, now) for n, user_id in enumerate(user_ids, 1)]
    )
    found = await tx.all(_positions, in_course=course_id, joined=[(user_id,) for user_id in user_ids])
    positions = {row["user_id"]: row["position"] for row in found}
    for user_id, _ in sorted(joined, key=lambda each: positions[each[0]]):
        tx.announce(JoinedWaitingList(learner_id=user_id, course_id=course_id, position=positions[user_id]))
    return positions


async def list_page(tx: ReadTransaction, course_id: int, part: Slice) -> tuple[list[WaitingLearner], int]:
    """Read some of those who wait for a seat in a course in order, and how many there are; the key of a part is a number."""
    found = await tx.all(_page if part.after is None else _page_after, in_course=course_id, **part.params)
    total = (await tx.one(_count, in_course=course_id))["total"]
    fields = [{name: row[name] for name in WaitingLearner._fields} for row in found]
    return [WaitingLearner(**each | {"is_disabled": bool(each["is_disabled"])}) for each in fields], total


async def list_waiting(tx: ReadTransaction, course_id: int, limit: int) -> list[int]:
    """Return those who have waited longest, in order. Disabled accounts keep their places and are passed over."""
    return [row["user_id"] for row in await tx.all(_first_waiting, in_course=course_id, limit=limit)]


async def list_waited_for(tx: ReadTransaction, user_id: int) -> list[int]:
    """Return the courses on whose waiting lists a user is, in ascending order."""
    return [row["course_id"] for row in await tx.all(_waited_for, of_user=user_id)]


async def list_waiting_places(tx: ReadTransaction, user_id: int) -> Sequence[Row]:
    """Return the lists on which a user waits, the first one joined first: course_id, title, position from 1, joined_at."""
    return await tx.all(_waiting_places, of_user=user_id)


async def stop_waiting(tx: WriteTransaction, course_id: int, user_ids: Sequence[int]) -> int:
    """Remove learners from the list; return how many were on it."""
    return await tx.run(_stop_waiting, in_course=course_id, leaving=[(user_id,) for user_id in user_ids])
