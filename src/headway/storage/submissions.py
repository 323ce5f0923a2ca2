"""Submissions and their grades as rows."""

from collections.abc import Sequence

from headway.domain.instants import Instant
from headway.storage.database import WriteTransaction
from headway.storage.dialects import WriteRows
from headway.storage.tables import submissions

_insert_graded = WriteRows(submissions, ["user_id", "id", "assessment_id", "grade", "submitted_at", "graded_at"])

GradedRow = tuple[int, str, int, float | None, Instant, Instant]
"""(user_id, id, assessment_id, grade, submitted_at, graded_at)"""


async def insert_graded(tx: WriteTransaction, values: Sequence[GradedRow]) -> int:
    """Store the submissions whose (user_id, id) is not there yet, and say how many those are."""
    return len(await tx.insert_new(_insert_graded, sorted(values, key=lambda row: row[:2])))
