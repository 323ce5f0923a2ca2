"""Assessments: what learners handed in and what it was worth."""

from collections.abc import Sequence
from typing import NamedTuple

from headway.domain.instants import Instant
from headway.storage import submissions
from headway.storage.database import Database


class GradedResult(NamedTuple):
    """A submission that was graded elsewhere; `grade` is None where it is not known."""

    user_id: int
    submission_id: str
    assessment_id: int
    grade: float | None
    submitted_at: Instant


class Assessments:
    """Submissions and grades."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def store_results(self, results: Sequence[GradedResult]) -> int:
        """Store results that were graded elsewhere; give how many were not there yet. A repetition changes nothing."""
        async with self._database.write() as tx:
            return await submissions.insert_graded(
                tx,
                [(r.user_id, r.submission_id, r.assessment_id, r.grade, r.submitted_at, r.submitted_at) for r in results],
            )
