"""Who may do what with a course."""

from headway.domain.accounts import Caller
from headway.domain.catalogue import CourseTerms
from headway.domain.errors import Forbidden, NotFound
from headway.storage import catalogue
from headway.storage.database import ReadTransaction


async def is_staff(tx: ReadTransaction, caller: Caller, course_id: int) -> bool:
    """Say whether a caller belongs to the staff of a course, or sees all."""
    return caller.sees_all or await catalogue.staff_role(tx, user_id=caller.user_id, course_id=course_id) is not None


async def require_staff(tx: ReadTransaction, caller: Caller, course_id: int) -> CourseTerms:
    """Give the terms of a course to its staff.

    Raises NotFound COURSE_NOT_FOUND if there is no such course, or none that the caller may know of; Forbidden.
    """
    terms = await catalogue.terms(tx, course_id)
    may = terms is not None and await is_staff(tx, caller, course_id)
    if terms is None or not (may or terms.is_published):
        raise NotFound("There is no such course.", code="COURSE_NOT_FOUND")
    if not may:
        raise Forbidden("Only the staff of the course may do this.")
    return terms
