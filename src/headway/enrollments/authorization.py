"""Access of callers to courses, by what is stored."""

from collections.abc import Sequence

from headway.courses import staff_store
from headway.db.database import ReadTransaction
from headway.disclosures.disclosing import disclose
from headway.disclosures.model import EVERYBODY, RecordKind
from headway.enrollments.access import Access, decide
from headway.enrollments.access_store import read_facts, read_own_facts
from headway.errors import Forbidden, NotFound
from headway.identity import Caller


async def read_access(tx: ReadTransaction, caller: Caller | None, course_id: int) -> Access:
    """Return what a caller may see of a course; None is a caller without a token."""
    stored = await read_facts(tx, caller, course_id)
    return decide(None if stored is None else stored.facts)


async def require_known(tx: ReadTransaction, caller: Caller | None, course_id: int) -> Access:
    """Return the access to a course that the caller may know of. Raises NotFound COURSE_NOT_FOUND."""
    access = await read_access(tx, caller, course_id)
    if not access.knows_course:
        raise course_not_found()
    return access


async def require_staff(
    tx: ReadTransaction,
    caller: Caller,
    course_id: int,
    *,
    shown: RecordKind | None = RecordKind.LEARNERS,
    learner_id: int = EVERYBODY,
) -> None:
    """Check that a caller belongs to the staff of a course. Raises NotFound COURSE_NOT_FOUND as `require_known`; Forbidden.

    A read counts as a disclosure of what is `shown`, of one learner or of all. None is what tells nothing of any learner:
    figures of the course, its staff, settings.
    """
    access = await require_known(tx, caller, course_id)
    if not access.is_staff:
        raise not_staff()
    if shown is not None:
        disclose(tx, caller, shown, course_id=course_id, learner_id=learner_id)


async def known_among(tx: ReadTransaction, caller: Caller, course_ids: Sequence[int]) -> set[int]:
    """Return those of these courses that the caller may know of, with a single statement."""
    facts = await read_own_facts(tx, caller, course_ids)
    return {course_id for course_id, each in facts.items() if decide(each).knows_course}


async def staff_among(tx: ReadTransaction, pairs: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return those (user_id, course_id) in which the user belongs to the staff of the course, with a single statement."""
    return {(member.user_id, member.course_id) for member in await staff_store.find_among(tx, pairs) if member.counts}


def not_staff() -> Forbidden:
    """Return the error for a caller who does not belong to the staff of the course."""
    return Forbidden("Only the staff of the course may do this.")


def course_not_found() -> NotFound:
    """Return the error for a course that does not exist for the caller."""
    return NotFound("There is no such course.", code="COURSE_NOT_FOUND")
