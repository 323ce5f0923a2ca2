"""A learner's study days, read for a range of days."""

from sqlalchemy import bindparam, select

from headway.db.database import ReadTransaction
from headway.db.dialects import lookup
from headway.enrollments.tables import enrollments
from headway.instants import Day
from headway.learning.store import SpansByUnit, decode_spans
from headway.learning.tables import study_days

_in_range = study_days.c.day.between(bindparam("first_day"), bindparam("last_day"))
_in_course = (
    select(study_days.c.day, study_days.c.spans)
    .where(study_days.c.user_id == bindparam("of_user"), study_days.c.course_id == bindparam("in_course"), _in_range)
    .order_by(study_days.c.day)
)
# By course: the key of the days is (user, course, day), so each course gives its range and no more.
_is_day_of = (study_days.c.user_id == enrollments.c.user_id) & (study_days.c.course_id == enrollments.c.course_id) & _in_range
_in_all = (
    select(study_days.c.day, study_days.c.spans)
    .select_from(lookup(enrollments, study_days, _is_day_of))
    .where(enrollments.c.user_id == bindparam("of_user"))
    .order_by(study_days.c.day)
)


async def list_days(
    tx: ReadTransaction, user_id: int, *, course_id: int | None, first: Day, last: Day
) -> list[tuple[Day, SpansByUnit]]:
    """Read what a learner studied in a course, or in each course, on the UTC days from `first` to `last`, in order."""
    params = {"of_user": user_id, "first_day": first, "last_day": last}
    if course_id is None:
        found = await tx.all(_in_all, **params)
    else:
        found = await tx.all(_in_course, **params, in_course=course_id)
    return [(row["day"], decode_spans(row["spans"])) for row in found]
