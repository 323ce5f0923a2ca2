"""The facts that decide who may see what, as rows."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import FromClause, Select, and_, bindparam, select

from headway.accounts.tables import users
from headway.courses.tables import course_staff, courses
from headway.db.database import ReadTransaction, Row
from headway.db.dialects import lookup, rows
from headway.db.types import Id
from headway.enrollments.access import AccessFacts
from headway.enrollments.tables import enrollments
from headway.identity import Caller, CourseRole

_course_ids = rows("course_ids", {"id": Id})
_is_staff = and_(course_staff.c.user_id == bindparam("caller_id", type_=Id), course_staff.c.course_id == courses.c.id)
_is_learner = and_(enrollments.c.user_id == bindparam("user_id", type_=Id), enrollments.c.course_id == courses.c.id)


def _facts_in(found: FromClause) -> Select[Any]:
    """Build the statement for the facts in courses that are found."""
    found = lookup(found, course_staff, _is_staff, is_outer=True)
    found = lookup(found, users, users.c.id == bindparam("user_id", type_=Id), is_outer=True)
    return select(
        courses.c.id.label("course_id"),
        courses.c.is_published,
        courses.c.revision.label("course_revision"),
        course_staff.c.role,
        users.c.id.label("known_user_id"),
        enrollments.c.id.label("enrollment_id"),
        enrollments.c.updated_at,
    ).select_from(lookup(found, enrollments, _is_learner, is_outer=True))


_facts = _facts_in(courses).where(courses.c.id == bindparam("course_id", type_=Id))
_facts_of_some = _facts_in(lookup(_course_ids, courses, courses.c.id == _course_ids.c.id))


class StoredFacts(NamedTuple):
    """The facts about a learner in a course, whether the learner has an account, and the version of the learner's progress."""

    facts: AccessFacts
    is_user: bool
    version: str | None
    """It changes with each visible change of the progress; None where the learner is not enrolled."""
    course_revision: int


async def read_facts(
    tx: ReadTransaction, caller: Caller | None, course_id: int, user_id: int | None = None
) -> StoredFacts | None:
    """Read the facts about a learner, the caller if `user_id` is None; None if there is no such course."""
    caller_id = 0 if caller is None else caller.user_id
    learner_id = caller_id if user_id is None else user_id
    row = await tx.first(_facts, caller_id=caller_id, user_id=learner_id, course_id=course_id)
    if row is None:
        return None
    facts = _access_facts(row, caller, is_own=learner_id == caller_id)
    version = f"{row['enrollment_id']}.{row['updated_at']}.{row['course_revision']}" if facts.is_enrolled else None
    return StoredFacts(facts, row["known_user_id"] is not None, version, row["course_revision"])


async def read_own_facts(tx: ReadTransaction, caller: Caller, course_ids: Sequence[int]) -> dict[int, AccessFacts]:
    """Read the facts about a caller in each of these courses that exists."""
    params = {"caller_id": caller.user_id, "user_id": caller.user_id, "course_ids": [(i,) for i in course_ids]}
    return {row["course_id"]: _access_facts(row, caller, is_own=True) for row in await tx.all(_facts_of_some, **params)}


def _access_facts(row: Row, caller: Caller | None, *, is_own: bool) -> AccessFacts:
    return AccessFacts(
        is_published=bool(row["is_published"]),
        sees_all=caller is not None and caller.sees_all,
        can_teach=caller is not None and caller.role.can_teach,
        course_role=None if row["role"] is None else CourseRole(row["role"]),
        is_own=is_own,
        is_enrolled=row["enrollment_id"] is not None,
    )
