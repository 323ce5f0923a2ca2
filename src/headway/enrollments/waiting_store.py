"""Waiting lists as rows. Who joins one, or moves up from it to a limited seat, locks the row of the course."""

from collections.abc import Sequence

from sqlalchemy import and_, bindparam, delete, func, select

from headway.accounts.tables import users
from headway.courses.tables import courses
from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import insert, is_one_of, lookup, rows
from headway.db.types import Id
from headway.enrollments.tables import waiting_list
from headway.instants import Instant

_waits_in_course = waiting_list.c.course_id == bindparam("in_course")
_last_waiting = select(func.coalesce(func.max(waiting_list.c.number), 0).label("number")).where(_waits_in_course)
_insert_waiting = (
    insert(waiting_list)
    .values(
        user_id=bindparam("user_id"), course_id=bindparam("course_id"), number=bindparam("number"), joined_at=bindparam("now")
    )
    .on_conflict_do_nothing(index_elements=["user_id", "course_id"])
)
_ahead = waiting_list.alias("ahead")
_waiting_position = (
    select(func.count().label("position"))
    .select_from(waiting_list)
    .join(_ahead, and_(_ahead.c.course_id == waiting_list.c.course_id, _ahead.c.number <= waiting_list.c.number))
    .where(waiting_list.c.user_id == bindparam("user_id"), _waits_in_course)
)
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


async def join_waiting_list(tx: WriteTransaction, *, user_id: int, course_id: int, now: Instant) -> int:
    """Append a learner who does not wait already; return the position, from 1. The course must be locked."""
    last = (await tx.one(_last_waiting, in_course=course_id))["number"]
    await tx.run(_insert_waiting, user_id=user_id, course_id=course_id, number=last + 1, now=now)
    return int((await tx.one(_waiting_position, user_id=user_id, in_course=course_id))["position"])


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
