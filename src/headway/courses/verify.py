"""Verify what courses are found by."""

from headway.courses import store
from headway.db.database import ReadTransaction
from headway.verify import Difference, Findings

_COURSES_AT_ONCE = 500


async def check_terms(tx: ReadTransaction, findings: Findings) -> None:
    """Compare the number of terms by which each course is found with that of the terms of its texts."""
    stored = await store.count_terms(tx)
    last_id = 0
    while texts := await store.list_texts(tx, after=last_id, limit=_COURSES_AT_ONCE):
        last_id = max(texts)
        counts = [(course_id, stored.get(course_id, 0), len(course.terms)) for course_id, course in texts.items()]
        findings.add(
            Difference("course_terms", {"course_id": course_id}, "term", f"{count} terms", f"{expected} terms")
            for course_id, count, expected in counts
            if count != expected
        )
