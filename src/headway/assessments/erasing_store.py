"""What an erasure takes from submissions: where the work is, and what staff wrote of it. Grades and times stay."""

from sqlalchemy import bindparam, null, or_, update

from headway.assessments.tables import submissions
from headway.db.database import WriteTransaction

_erase = (
    update(submissions)
    .where(
        submissions.c.user_id == bindparam("of_user"),
        or_(submissions.c.submission_url.is_not(None), submissions.c.feedback.is_not(None)),
    )
    .values(submission_url=null(), feedback=null())
)


async def erase(tx: WriteTransaction, user_id: int) -> dict[str, int]:
    """Remove addresses and feedback."""
    return {"submissions": await tx.run(_erase, of_user=user_id)}
