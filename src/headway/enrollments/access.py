"""Who may know of a course, and who may do what with it."""

from headway.courses import store as catalogue
from headway.courses.model import CourseTerms
from headway.db.database import ReadTransaction
from headway.enrollments import store as enrollments
from headway.errors import Forbidden, NotFound
from headway.identity import Caller


async def is_staff(tx: ReadTransaction, caller: Caller, course_id: int) -> bool:
    """Say whether a caller belongs to the staff of a course, or sees all."""
    return caller.sees_all or await catalogue.staff_role(tx, user_id=caller.user_id, course_id=course_id) is not None


async def find_known(tx: ReadTransaction, caller: Caller | None, course_id: int) -> CourseTerms | None:
    """Give the terms of a course if there is one that the caller may know of.

    One that is not published is there for its staff, and for those who enrolled in it when it was.
    """
    terms = await catalogue.terms(tx, course_id)
    if terms is None or terms.is_published:
        return terms
    if caller is None:
        return None
    may = await is_staff(tx, caller, course_id) or await enrollments.find(tx, caller.user_id, course_id) is not None
    return terms if may else None


async def require_known(tx: ReadTransaction, caller: Caller | None, course_id: int) -> CourseTerms:
    """Give the terms of a course that the caller may know of. Raises NotFound COURSE_NOT_FOUND."""
    terms = await find_known(tx, caller, course_id)
    if terms is None:
        raise NotFound("There is no such course.", code="COURSE_NOT_FOUND")
    return terms


async def require_staff(tx: ReadTransaction, caller: Caller, course_id: int) -> CourseTerms:
    """Give the terms of a course to its staff. Raises NotFound COURSE_NOT_FOUND as `require_known`; Forbidden."""
    terms = await require_known(tx, caller, course_id)
    if not await is_staff(tx, caller, course_id):
        raise Forbidden("Only the staff of the course may do this.")
    return terms
