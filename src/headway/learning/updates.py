"""Updates: what clients declare of a learner's progress in a unit."""

from headway.accounts import store as users
from headway.audit.model import caller_actor
from headway.db.database import ReadTransaction
from headway.enrollments.authorization import require_known
from headway.errors import Conflict, Forbidden, HeadwayError, Invalid, NotFound
from headway.identity import Caller, Client
from headway.instants import Instant
from headway.learning.model import Refusal, Report, Update, Verdict
from headway.learning.unit_progress import UnitProgress


def make_report(caller: Caller, user_id: int, update: Update, now: Instant, *, client: Client | None = None) -> Report:
    """Make the report of an update. Raises Forbidden: only services and administrators update somebody else's progress."""
    if user_id == caller.user_id:
        return Report(user_id, now, (update,))
    if not caller.sees_all:
        raise Forbidden("Only services and administrators update the progress of somebody else.")
    return Report(user_id, now, (update,), caller_id=caller.user_id, actor=caller_actor(caller), client=client)


async def check_target(tx: ReadTransaction, caller: Caller, report: Report) -> None:
    """Check that the course and the learner of a report exist for the caller, to name them when an update is refused.

    Raises NotFound COURSE_NOT_FOUND or USER_NOT_FOUND.
    """
    (update,) = report.observations
    await require_known(tx, caller, update.course_id)
    if report.user_id != caller.user_id and await users.find(tx, report.user_id) is None:
        raise NotFound("There is no such user.", code="USER_NOT_FOUND")


def accepted_progress(verdict: Verdict) -> UnitProgress:
    """Return the progress that an update led to.

    Raises Invalid, Forbidden NOT_ENROLLED, NotFound COURSE_NOT_FOUND or UNIT_NOT_FOUND, Conflict UNIT_LOCKED.
    """
    if verdict.progress is None:
        raise _refusal(verdict)
    return verdict.progress


def _refusal(verdict: Verdict) -> HeadwayError:
    (error,) = verdict.errors
    match verdict.refusal:
        case Refusal.LOCKED:
            return Conflict("The units before this one have to be completed first.", code="UNIT_LOCKED")
        case Refusal.OUTSIDE:
            return Conflict(f"This unit {error.message}.", code="UNIT_LOCKED")
        case Refusal.FORBIDDEN:
            return Forbidden("The learner is not enrolled in this course.", code="NOT_ENROLLED")
        case Refusal.UNKNOWN if error.field == "course_id":
            return NotFound("There is no such course.", code="COURSE_NOT_FOUND")
        case Refusal.UNKNOWN:
            return NotFound("There is no such content in this course.", code="UNIT_NOT_FOUND")
    return Invalid(verdict.errors)
