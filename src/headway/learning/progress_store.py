"""A learner's enrollment and unit progress in a course, read with one statement and so as of one moment."""

from sqlalchemy import and_, bindparam, select

from headway.courses.tables import courses
from headway.db.database import ReadTransaction
from headway.enrollments import store as enrollments
from headway.enrollments.model import Enrollment
from headway.enrollments.store import COLUMNS
from headway.enrollments.tables import enrollments as table
from headway.learning import store as activity
from headway.learning.store import UNIT_COLUMNS
from headway.learning.tables import unit_progress
from headway.learning.unit_progress import UnitProgress

_WIDTH = len(COLUMNS)
_whole = (
    select(*COLUMNS, *(column.label(f"unit_{column.name}") for column in UNIT_COLUMNS))
    .join(courses, courses.c.id == table.c.course_id)
    .outerjoin(unit_progress, and_(unit_progress.c.user_id == table.c.user_id, unit_progress.c.course_id == table.c.course_id))
    .where(table.c.user_id == bindparam("of_user"), table.c.course_id == bindparam("in_course"))
)


async def read(tx: ReadTransaction, user_id: int, course_id: int) -> tuple[Enrollment, list[UnitProgress]] | None:
    """Read a learner's enrollment and progress in units, the newest change first; None for who is not enrolled."""
    rows = [tuple(row) for row in await tx.all(_whole, of_user=user_id, in_course=course_id)]
    if not rows:
        return None
    # Who has no progress has one row, in which that of the unit is empty.
    units = [activity.unit_of(row[_WIDTH:]) for row in rows if row[_WIDTH] is not None]
    return enrollments.enrollment_of(rows[0]), activity.newest_first(units)
