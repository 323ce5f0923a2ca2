"""Waiting lists as rows. Whoever writes them holds the lock on the course."""

from collections.abc import Collection

from sqlalchemy import and_, bindparam, delete, exists, func, select

from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.dialects import insert, rows
from headway.db.types import Id
from headway.enrollments.tables import waiting_list
from headway.instants import Instant

_in_course = waiting_list.c.course_id == bindparam("in_course")
_last = select(func.coalesce(func.max(waiting_list.c.number), 0).label("number")).where(_in_course)
_insert = (
    insert(waiting_list)
    .values(
        user_id=bindparam("user_id"), course_id=bindparam("course_id"), number=bindparam("number"), joined_at=bindparam("now")
    )
    .on_conflict_do_nothing(index_elements=["user_id", "course_id"])
)
_ahead = waiting_list.alias("ahead")
_position = (
    select(func.count().label("position"))
    .select_from(waiting_list)
    .join(_ahead, and_(_ahead.c.course_id == waiting_list.c.course_id, _ahead.c.number <= waiting_list.c.number))
    .where(waiting_list.c.user_id == bindparam("user_id"), _in_course)
)
_first = select(waiting_list.c.user_id).where(_in_course).order_by(waiting_list.c.number).limit(bindparam("limit"))
_leaving = rows("leaving", {"user_id": Id})
_delete = delete(waiting_list).where(
    _in_course, exists(select(_leaving.c.user_id).where(_leaving.c.user_id == waiting_list.c.user_id))
)


async def join(tx: WriteTransaction, *, user_id: int, course_id: int, now: Instant) -> int:
    """Append a learner who does not wait already; return the position, from 1."""
    last = (await tx.one(_last, in_course=course_id))["number"]
    await tx.run(_insert, user_id=user_id, course_id=course_id, number=last + 1, now=now)
    return int((await tx.one(_position, user_id=user_id, in_course=course_id))["position"])


async def first(tx: ReadTransaction, course_id: int, limit: int) -> list[int]:
    """Return those who have waited longest, in order."""
    return [row["user_id"] for row in await tx.all(_first, in_course=course_id, limit=limit)]


async def remove(tx: WriteTransaction, course_id: int, user_ids: Collection[int]) -> int:
    """Remove learners from the list; return how many were on it."""
    return await tx.run(_delete, in_course=course_id, leaving=[(user_id,) for user_id in user_ids])
