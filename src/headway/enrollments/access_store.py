"""The facts that decide about access to a course, read with one statement."""

from typing import NamedTuple

from sqlalchemy import and_, bindparam, select

from headway.accounts.tables import users
from headway.courses.tables import course_staff, courses
from headway.db.database import ReadTransaction
from headway.db.types import Id
from headway.enrollments.access import AccessFacts
from headway.enrollments.tables import enrollments
from headway.identity import Caller, CourseRole

_NOBODY = 0
_facts = (
    select(
        courses.c.is_published,
        courses.c.revision.label("course_revision"),
        course_staff.c.role,
        users.c.id.label("known_user_id"),
        enrollments.c.id.label("enrollment_id"),
        enrollments.c.updated_at,
    )
    .outerjoin(
        course_staff,
        and_(course_staff.c.course_id == courses.c.id, course_staff.c.user_id == bindparam("caller_id", type_=Id)),
    )
    .outerjoin(users, users.c.id == bindparam("user_id", type_=Id))
    .outerjoin(
        enrollments,
        and_(enrollments.c.user_id == bindparam("user_id", type_=Id), enrollments.c.course_id == courses.c.id),
    )
    .where(courses.c.id == bindparam("course_id", type_=Id))
)


class StoredFacts(NamedTuple):
    """The facts about a learner in a course, whether the learner has an account, and the version of the learner's progress."""

    facts: AccessFacts
    is_user: bool
    version: str | None
    """It changes with each visible change of the progress; None where the learner is not enrolled."""


async def read_facts(
    tx: ReadTransaction, caller: Caller | None, course_id: int, user_id: int | None = None
) -> StoredFacts | None:
    """Read the facts about a learner, the caller if `user_id` is None; None if there is no such course."""
    caller_id = _NOBODY if caller is None else caller.user_id
    learner_id = caller_id if user_id is None else user_id
    row = await tx.first(_facts, caller_id=caller_id, user_id=learner_id, course_id=course_id)
    if row is None:
        return None
    is_enrolled = row["enrollment_id"] is not None
    facts = AccessFacts(
        is_published=bool(row["is_published"]),
        sees_all=caller is not None and caller.sees_all,
        course_role=None if row["role"] is None else CourseRole(row["role"]),
        is_own=learner_id == caller_id,
        is_enrolled=is_enrolled,
    )
    version = f"{row['enrollment_id']}.{row['updated_at']}.{row['course_revision']}" if is_enrolled else None
    return StoredFacts(facts, row["known_user_id"] is not None, version)
