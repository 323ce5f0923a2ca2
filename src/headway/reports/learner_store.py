"""Rows of one learner: work for the assessments of a course, and messages with a member of its staff."""

from sqlalchemy import and_, bindparam, select

from headway.assessments.model import Submission
from headway.assessments.tables import submissions
from headway.courses.model import Assessment
from headway.courses.tables import assessments
from headway.db.database import ReadTransaction
from headway.db.dialects import lookup
from headway.db.personal_keys import reader
from headway.instants import END_OF_TIME
from headway.messaging.model import Message
from headway.messaging.tables import messages
from headway.reports.learner_model import MESSAGE, HandedIn, Position

_AFTER_ALL_IDS = "z"
"""Ids have hexadecimal digits and hyphens."""
_ASSESSMENT_FIELDS = [field for field in Assessment.__struct_fields__ if field != "is_retired"]
_works = (
    select(
        *(submissions.c[field].label(f"submission_{field}") for field in Submission.__struct_fields__),
        *(assessments.c[field].label(f"assessment_{field}") for field in _ASSESSMENT_FIELDS),
        assessments.c.retired_at.is_not(None).label("is_retired"),
    )
    .select_from(lookup(submissions, assessments, assessments.c.id == submissions.c.assessment_id))
    .where(submissions.c.user_id == bindparam("of_user"), assessments.c.course_id == bindparam("in_course"))
    .order_by(submissions.c.submitted_at.desc(), submissions.c.id.desc())
)
_messages = (
    select(messages.c.id, messages.c.sender_id, messages.c.message, messages.c.is_read, messages.c.created_at)
    .where(
        and_(messages.c.user_id == bindparam("of_user"), messages.c.peer_id == bindparam("with_peer")),
        messages.c.created_at <= bindparam("until"),
        messages.c.id < bindparam("before_id"),
    )
    .order_by(messages.c.id.desc())
    .limit(bindparam("limit"))
)


async def read_works(tx: ReadTransaction, user_id: int, course_id: int) -> list[HandedIn]:
    """Read all that a learner handed in for the assessments of a course, the newest first."""
    found = []
    stored = await tx.all(_works, of_user=user_id, in_course=course_id)
    personal = await reader(tx, [row["submission_feedback"] for row in stored])
    for row in stored:
        submission = Submission(**{field: row[f"submission_{field}"] for field in Submission.__struct_fields__})
        submission.feedback = personal.text_if(submission.feedback)
        fields = {field: row[f"assessment_{field}"] for field in _ASSESSMENT_FIELDS}
        assessment = Assessment(**fields, is_retired=bool(row["is_retired"]))
        found.append(HandedIn(submission, assessment))
    return found


async def read_messages(
    tx: ReadTransaction, user_id: int, peer_id: int, *, before: Position | None, limit: int
) -> list[Message]:
    """Read the messages between two users that come after a place in a timeline, the newest first."""
    until, before_id = (END_OF_TIME, _AFTER_ALL_IDS) if before is None else before.among(MESSAGE)
    found = await tx.all(
        _messages, of_user=user_id, with_peer=peer_id, until=until, before_id=before_id or _AFTER_ALL_IDS, limit=limit
    )
    personal = await reader(tx, [row["message"] for row in found])
    return [
        Message(
            id=row["id"],
            sender_id=row["sender_id"],
            receiver_id=peer_id if row["sender_id"] == user_id else user_id,
            message=personal.text(row["message"]),
            is_read=bool(row["is_read"]),
            created_at=row["created_at"],
        )
        for row in found
    ]
