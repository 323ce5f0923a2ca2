"""Notes that a read shows somebody's record to somebody else: called where rights to that record are checked."""

from headway.db.database import ReadTransaction
from headway.disclosures.model import EVERYBODY, NO_COURSE, NO_KEY, Disclosed, RecordKind
from headway.identity import NOBODY, Caller, Channel, Role


def disclose(
    tx: ReadTransaction,
    caller: Caller | None,
    kind: RecordKind,
    *,
    course_id: int = NO_COURSE,
    learner_id: int = EVERYBODY,
) -> None:
    """Note that this read shows a caller the record of a learner, or the records of everybody in a course.

    None as a caller is an operator at the command line. Nothing is noted of one's own record, nor in a write transaction: the
    audit log tells of changes. What is noted is stored after the read, and before its result is sent; see `DisclosureLog`.
    """
    if caller is None:
        tx.disclose(Disclosed(learner_id, NOBODY, course_id, kind, Channel.COMMAND, NO_KEY, Role.SYSTEM))
    elif caller.user_id != learner_id:
        channel = caller.channel if caller.key_id is None else Channel.KEY
        tx.disclose(Disclosed(learner_id, caller.user_id, course_id, kind, channel, caller.key_id or NO_KEY, caller.role))
