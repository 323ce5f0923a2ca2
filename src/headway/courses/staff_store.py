"""The staff of courses as rows."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, and_, select

from headway.accounts.tables import users
from headway.courses.model import StaffMember
from headway.courses.tables import course_staff
from headway.db.database import ReadTransaction, Row
from headway.db.dialects import rows
from headway.db.types import Id
from headway.identity import CourseRole, Role

_members: Select[Any] = select(
    course_staff.c.user_id,
    course_staff.c.course_id,
    users.c.name,
    course_staff.c.role,
    users.c.role.label("account_role"),
    users.c.is_disabled,
).join(users, users.c.id == course_staff.c.user_id)
_pairs = rows("pairs", {"user_id": Id, "course_id": Id})
_among = _members.join(_pairs, and_(course_staff.c.user_id == _pairs.c.user_id, course_staff.c.course_id == _pairs.c.course_id))


def _member(row: Row) -> StaffMember:
    return StaffMember(
        user_id=row["user_id"],
        course_id=row["course_id"],
        name=row["name"],
        role=CourseRole(row["role"]),
        account_role=Role(row["account_role"]),
        is_disabled=bool(row["is_disabled"]),
    )


async def find_among(tx: ReadTransaction, pairs: Sequence[tuple[int, int]]) -> list[StaffMember]:
    """Read the members of staff among these (user_id, course_id)."""
    return [_member(row) for row in await tx.all(_among, pairs=pairs)]
