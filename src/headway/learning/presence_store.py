"""Who was active in a course lately, as rows."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, bindparam, func, select

from headway.accounts.tables import users
from headway.courses.tables import units
from headway.db.database import ReadTransaction, Row
from headway.db.dialects import lookup, rows
from headway.db.types import Id, Timestamp
from headway.enrollments.model import LearnerInCourse
from headway.enrollments.status import OPEN
from headway.enrollments.store import status_among
from headway.enrollments.tables import enrollments
from headway.instants import Day, Instant
from headway.learning.store import SpansByUnit, decode_spans
from headway.learning.tables import study_days, unit_progress

_since: Any = bindparam("since", type_=Timestamp)
_active = (
    select(
        *(enrollments.c[name] for name in ("user_id", "status", "percent", "last_activity_at", "updated_at")),
        *(enrollments.c.last_unit_id, enrollments.c.last_unit_at),
        users.c.name,
        func.count().over().label("total"),
    )
    .join(users, users.c.id == enrollments.c.user_id)
    .where(enrollments.c.course_id == bindparam("in_course"), enrollments.c.last_activity_at > _since)
    .where(status_among(*sorted(OPEN)))
    .order_by(enrollments.c.last_activity_at.desc(), enrollments.c.user_id)
    .limit(bindparam("limit"))
)
_unit_keys = rows("keys", {"user_id": Id, "course_id": Id, "unit_id": Id})
_is_unit = and_(*(unit_progress.c[name] == _unit_keys.c[name] for name in ("user_id", "course_id", "unit_id")))
_current_units = select(
    *(unit_progress.c[name] for name in ("user_id", "unit_id", "percent", "status")), units.c.title
).select_from(lookup(lookup(_unit_keys, unit_progress, _is_unit), units, units.c.id == unit_progress.c.unit_id))
_day_keys = rows("keys", {"user_id": Id, "course_id": Id, "day": study_days.c.day.type})
_is_day = and_(*(study_days.c[name] == _day_keys.c[name] for name in ("user_id", "course_id", "day")))
_days = select(study_days.c.user_id, study_days.c.day, study_days.c.spans).select_from(lookup(_day_keys, study_days, _is_day))


async def list_active(tx: ReadTransaction, course_id: int, *, since: Instant, limit: int) -> Sequence[Row]:
    """Read the learners with access to a course who were active in it after an instant, the last ones first.

    Each row has `total`, the number of all of them.
    """
    return await tx.all(_active, in_course=course_id, since=since, limit=limit)


async def current_units(tx: ReadTransaction, keys: Sequence[tuple[int, int, int]]) -> dict[int, Row]:
    """Read one unit of each learner with the progress in it, by learner; keys are (user_id, course_id, unit_id)."""
    return {row["user_id"]: row for row in await tx.all(_current_units, keys=keys)}


async def read_days(
    tx: ReadTransaction, keys: Sequence[LearnerInCourse], days: Sequence[Day]
) -> dict[tuple[int, Day], SpansByUnit]:
    """Read what was studied on some days, by (learner, day)."""
    found = await tx.all(_days, keys=[(*key, day) for key in keys for day in days])
    return {(row["user_id"], row["day"]): decode_spans(row["spans"]) for row in found}
