"""The staff of courses as rows."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, bindparam, delete, exists, func, not_, or_, select

from headway.accounts.tables import users
from headway.courses.model import CourseKind
from headway.courses.staff import StaffMember, TaughtCourse
from headway.courses.tables import course_staff, course_statistics, courses
from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import WriteRows, lookup, rows
from headway.db.types import Id
from headway.identity import CourseRole, Role
from headway.paging.service import Slice, in_order

_member_columns: list[ColumnElement[Any]] = [
    *(course_staff.c.user_id, course_staff.c.course_id, users.c.name, course_staff.c.role),
    *(users.c.role.label("account_role"), users.c.is_disabled, course_staff.c.since),
]
_members = select(*_member_columns).select_from(lookup(course_staff, users, users.c.id == course_staff.c.user_id))
_EVERYBODY = 2**31 - 1
_in_course = course_staff.c.course_id == bindparam("in_course")
_all = _members.where(_in_course)
# `owner` comes after `instructor`.
_page = _all.order_by(course_staff.c.role.desc(), course_staff.c.since, course_staff.c.user_id)
_page = _page.limit(bindparam("limit")).offset(bindparam("offset"))
_count = select(func.count().label("total")).select_from(course_staff).where(_in_course)
INSERT_STAFF = WriteRows(course_staff, ["user_id", "course_id", "role", "since"], update=["role", "since"])
_delete = delete(course_staff).where(_in_course, course_staff.c.user_id == bindparam("of_user"))
_pairs = rows("pairs", {"user_id": Id, "course_id": Id})
_is_pair = and_(course_staff.c.user_id == _pairs.c.user_id, course_staff.c.course_id == _pairs.c.course_id)
_among = select(*_member_columns).select_from(
    lookup(lookup(_pairs, course_staff, _is_pair), users, users.c.id == course_staff.c.user_id)
)

_enrollments = (
    select(func.coalesce(func.sum(course_statistics.c.value), 0))
    .where(course_statistics.c.course_id == courses.c.id, course_statistics.c.name.like("status:%"))
    .scalar_subquery()
    .label("enrollments")
)
_course_columns = [courses.c[name] for name in ("id", "title", "kind", "is_published", "starts_at", "ends_at")]
_is_of_user = and_(course_staff.c.course_id == courses.c.id, course_staff.c.user_id == bindparam("of_user"))
_courses = rows("courses_read", {"course_id": Id})
_taught_among = select(*_course_columns, course_staff.c.role, _enrollments).select_from(
    lookup(lookup(_courses, courses, courses.c.id == _courses.c.course_id), course_staff, _is_of_user, is_outer=True)
)
_taught = (
    select(*_course_columns, course_staff.c.role, _enrollments)
    .select_from(lookup(course_staff, courses, courses.c.id == course_staff.c.course_id))
    .where(course_staff.c.user_id == bindparam("of_user"))
    .order_by(courses.c.starts_at.desc().nulls_last(), courses.c.id.desc())
)

_owners, _owning = course_staff.alias("owners"), users.alias("owning")


def can_teach(account: FromClause) -> ColumnElement[bool]:
    """Return the condition that an account gives a course role effect: `StaffMember.counts` in SQL."""
    roles = (account.c.role == role.value for role in Role if role.can_teach)
    return and_(or_(*roles), account.c.is_disabled.is_(False))


def _precedes() -> ColumnElement[bool]:
    """Return the condition that an owner comes before the one of `course_staff`: by whether the role counts, then by time."""
    is_earlier = or_(
        _owners.c.since < course_staff.c.since,
        and_(_owners.c.since == course_staff.c.since, _owners.c.user_id < course_staff.c.user_id),
    )
    counts_more = and_(can_teach(_owning), not_(can_teach(users)))
    counts_as_much = or_(can_teach(_owning), not_(can_teach(users)))
    return and_(counts_as_much, or_(counts_more, is_earlier))


_other_owner = (
    select(_owners.c.user_id)
    .join(_owning, _owning.c.id == _owners.c.user_id)
    .where(_owners.c.course_id == course_staff.c.course_id, _owners.c.role == CourseRole.OWNER.value)
)
is_tutor = and_(course_staff.c.role == CourseRole.OWNER.value, not_(exists(_other_owner.where(_precedes()))))
"""The condition that a member of staff, joined with the account, is the one that is shown as the tutor of the course."""


def _member(row: Row) -> StaffMember:
    return StaffMember(
        user_id=row["user_id"],
        course_id=row["course_id"],
        name=row["name"],
        role=CourseRole(row["role"]),
        account_role=Role(row["account_role"]),
        is_disabled=bool(row["is_disabled"]),
        since=row["since"],
    )


async def find_among(tx: ReadTransaction, pairs: Sequence[tuple[int, int]]) -> list[StaffMember]:
    """Read the members of staff among these (user_id, course_id)."""
    return [_member(row) for row in await tx.all(_among, pairs=pairs)]


async def find_all(tx: ReadTransaction, course_id: int) -> dict[int, StaffMember]:
    """Read all members of the staff of a course, by user."""
    return {row["user_id"]: _member(row) for row in await tx.all(_all, in_course=course_id)}


async def list_members(tx: ReadTransaction, course_id: int, part: Slice) -> list[StaffMember]:
    """Read some of the staff of a course, owners first."""
    return [_member(row) for row in await tx.all(_page, in_course=course_id, **part.params)]


async def find_members(tx: ReadTransaction, course_id: int, user_ids: Sequence[int]) -> list[StaffMember]:
    """Read those of these users who belong to the staff of a course, in the same order."""
    found = await find_among(tx, [(user_id, course_id) for user_id in user_ids])
    return in_order(user_ids, {member.user_id: member for member in found})


async def member_order(tx: ReadTransaction, course_id: int) -> list[int]:
    """Return the users of the whole staff of a course, owners first."""
    return [row["user_id"] for row in await tx.all(_page, in_course=course_id, limit=_EVERYBODY, offset=0)]


async def count_members(tx: ReadTransaction, course_id: int) -> int:
    """Count the staff of a course."""
    return int((await tx.one(_count, in_course=course_id))["total"])


async def write_member(tx: WriteTransaction, member: StaffMember) -> None:
    """Store a member of staff, or another role of one."""
    await tx.write_rows((INSERT_STAFF, [(member.user_id, member.course_id, member.role, member.since)]))


async def delete_member(tx: WriteTransaction, course_id: int, user_id: int) -> None:
    """Remove a member of staff."""
    await tx.run(_delete, in_course=course_id, of_user=user_id)


async def find_taught(tx: ReadTransaction, user_id: int, course_ids: Sequence[int]) -> list[TaughtCourse]:
    """Read those of these courses that exist, each with the role that a user has in it."""
    keys = [(course_id,) for course_id in course_ids]
    return [_taught_course(row) for row in await tx.all(_taught_among, courses_read=keys, of_user=user_id)]


async def list_taught(tx: ReadTransaction, user_id: int) -> list[TaughtCourse]:
    """Read the courses to whose staff a user belongs, the last one to begin first."""
    return [_taught_course(row) for row in await tx.all(_taught, of_user=user_id)]


def _taught_course(row: Row) -> TaughtCourse:
    return TaughtCourse(
        id=row["id"],
        title=row["title"],
        kind=CourseKind(row["kind"]),
        is_published=bool(row["is_published"]),
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        role=None if row["role"] is None else CourseRole(row["role"]),
        enrollments=int(row["enrollments"]),
    )
