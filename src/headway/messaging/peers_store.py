"""Who learns with whom: learners who have access to the same courses, and those who teach them."""

from sqlalchemy import BindParameter, ColumnElement, FromClause, and_, bindparam, exists, func, or_, select

from headway.accounts.tables import users
from headway.courses.tables import course_staff, courses
from headway.db.database import ReadTransaction
from headway.db.dialects import rows
from headway.db.types import Id
from headway.enrollments.model import OPEN
from headway.enrollments.tables import enrollments
from headway.messaging.model import Peer

_mine, _theirs = enrollments.alias("mine"), enrollments.alias("theirs")


def _open(table: FromClause) -> ColumnElement[bool]:
    return or_(*(table.c.status == status.value for status in sorted(OPEN)))


_shared = (_mine.c.user_id == bindparam("user_id"), _open(_mine), _open(_theirs), _theirs.c.user_id != bindparam("user_id"))
_together = _mine.join(_theirs, _theirs.c.course_id == _mine.c.course_id)
_some = (
    # The page is cut before names are looked up.
    select(_theirs.c.user_id)
    .select_from(_together)
    .where(*_shared)
    .distinct()
    .order_by(_theirs.c.user_id)
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
    .subquery("some")
)
_page = select(_some.c.user_id, users.c.name).join(users, users.c.id == _some.c.user_id).order_by(_some.c.user_id)
_everybody = select(_theirs.c.user_id).select_from(_together).where(*_shared).distinct().subquery("everybody")
_count = select(func.count().label("total")).select_from(_everybody)
_peers = rows("peers", {"user_id": Id})
_shared_courses = (
    select(_theirs.c.user_id, courses.c.id, courses.c.title)
    .select_from(_together.join(courses, courses.c.id == _mine.c.course_id))
    # IN, not a join: SQLite then looks peers up, instead of going through all of them for each pair.
    .where(*_shared, _theirs.c.user_id.in_(select(_peers.c.user_id)))
    .order_by(_theirs.c.user_id, courses.c.id)
)
_taught = course_staff.alias("taught")
_sender: BindParameter[int] = bindparam("sender_id", type_=Id)
_receiver: BindParameter[int] = bindparam("receiver_id", type_=Id)


def _learns_with(learner: BindParameter[int], other: BindParameter[int]) -> ColumnElement[bool]:
    return exists(
        select(_mine.c.course_id)
        .select_from(_together)
        .where(_mine.c.user_id == learner, _theirs.c.user_id == other, _open(_mine), _open(_theirs))
    )


def _teaches(tutor: BindParameter[int], learner: BindParameter[int]) -> ColumnElement[bool]:
    return exists(
        select(_taught.c.course_id)
        .join(_mine, and_(_mine.c.course_id == _taught.c.course_id))
        .where(_taught.c.user_id == tutor, _mine.c.user_id == learner, _open(_mine))
    )


_may_write = select(
    or_(_learns_with(_sender, _receiver), _teaches(_sender, _receiver), _teaches(_receiver, _sender)).label("may")
)


async def list_peers(tx: ReadTransaction, user_id: int, *, limit: int, offset: int) -> tuple[list[Peer], int]:
    """Read a page of a learner's peers, in the order of their ids, and how many there are."""
    found = [Peer(row["user_id"], row["name"], []) for row in await tx.all(_page, user_id=user_id, limit=limit, offset=offset)]
    by_id = {peer.user_id: peer for peer in found}
    for row in await tx.all(_shared_courses, user_id=user_id, peers=[(peer.user_id,) for peer in found]):
        by_id[row["user_id"]].shared_courses.append((row["id"], row["title"]))
    return found, (await tx.one(_count, user_id=user_id))["total"]


async def may_write(tx: ReadTransaction, sender_id: int, receiver_id: int) -> bool:
    """Return whether two users learn in the same course, or one teaches the other."""
    return bool((await tx.one(_may_write, sender_id=sender_id, receiver_id=receiver_id))["may"])
