"""The figures of a learner over all courses."""

from typing import NamedTuple

from sqlalchemy import bindparam, func, select

from headway.courses.completion import Rule
from headway.courses.tables import units
from headway.db.database import ReadTransaction
from headway.enrollments.model import OPEN
from headway.enrollments.tables import enrollments
from headway.instants import Milliseconds
from headway.learning.tables import unit_progress

_completed_units = (
    select(func.count())
    .select_from(unit_progress)
    .where(unit_progress.c.user_id == bindparam("of_user"), unit_progress.c.status == "COMPLETED")
)
_passed_quizzes = _completed_units.join(units, units.c.id == unit_progress.c.unit_id).where(units.c.rule == Rule.QUIZ)
_figures = (
    select(
        enrollments.c.course_id,
        enrollments.c.status,
        enrollments.c.study_ms,
        enrollments.c.completed_at,
        _completed_units.scalar_subquery().label("completed_units"),
        _passed_quizzes.scalar_subquery().label("passed_quizzes"),
    )
    .where(enrollments.c.user_id == bindparam("of_user"))
    .order_by(enrollments.c.course_id)
)


class LearnerFigures(NamedTuple):
    """What a learner reached in all courses."""

    open_course_ids: list[int]
    """The courses to which the learner has access, in ascending order."""
    study_ms: Milliseconds
    completed_units: int
    passed_quizzes: int
    completed_courses: int


async def read_figures(tx: ReadTransaction, user_id: int) -> LearnerFigures:
    """Read the figures of a learner; all 0 for somebody who never enrolled."""
    rows = await tx.all(_figures, of_user=user_id)
    return LearnerFigures(
        open_course_ids=[row["course_id"] for row in rows if row["status"] in OPEN],
        study_ms=sum(row["study_ms"] for row in rows),
        completed_units=rows[0]["completed_units"] if rows else 0,
        passed_quizzes=rows[0]["passed_quizzes"] if rows else 0,
        completed_courses=sum(row["completed_at"] is not None for row in rows),
    )
