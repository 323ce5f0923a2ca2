"""Read what reports are computed from: one row for each learner of a course, and progress in units by their keys."""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import and_, bindparam, case, select

from headway.accounts.tables import users
from headway.courses.completion import COMPLETE
from headway.db.database import ReadTransaction
from headway.db.dialects import lookup, rows
from headway.db.types import Id
from headway.enrollments.tables import enrollments
from headway.enrollments.traces import UnitStates
from headway.enrollments.traces import read_states as decode_states
from headway.instants import Instant, Milliseconds
from headway.learning.tables import unit_progress
from headway.learning.unit_progress import UnitStatus
from headway.reports.model import GridLearner, Learners, UnitLearners

_in_course = enrollments.c.course_id == bindparam("in_course")
_learners = select(*(enrollments.c[name] for name in Learners._fields)).where(_in_course)
_states = select(enrollments.c.unit_states).where(_in_course)
_named = (
    select(
        *(enrollments.c.user_id, users.c.name, users.c.folded_name),
        *(enrollments.c.status, enrollments.c.percent, enrollments.c.last_activity_at),
    )
    .select_from(lookup(enrollments, users, users.c.id == enrollments.c.user_id))
    .where(_in_course)
)
_is_of_enrollment = and_(
    unit_progress.c.user_id == enrollments.c.user_id,
    unit_progress.c.course_id == enrollments.c.course_id,
    unit_progress.c.unit_id == bindparam("in_unit"),
)
_in_unit = (
    select(
        *(unit_progress.c.user_id, enrollments.c.status.label("enrollment_status"), unit_progress.c.status),
        *(unit_progress.c[name] for name in ("study_ms", "last_activity_at", "metadata")),
    )
    .select_from(lookup(enrollments, unit_progress, _is_of_enrollment))
    .where(_in_course, unit_progress.c.status != UnitStatus.NOT_STARTED.value)
)
_unit_keys = rows("keys", {"user_id": Id, "course_id": Id, "unit_id": Id})
_has_unit_key = and_(*(unit_progress.c[name] == _unit_keys.c[name] for name in ("user_id", "course_id", "unit_id")))
_by_unit_key = select(
    unit_progress.c.user_id, unit_progress.c.unit_id, unit_progress.c.last_activity_at, unit_progress.c.study_ms
).select_from(lookup(_unit_keys, unit_progress, _has_unit_key))
_learner_keys = rows("keys", {"user_id": Id, "course_id": Id})
_is_of_learner = and_(*(unit_progress.c[name] == _learner_keys.c[name] for name in ("user_id", "course_id")))
_counted = case((unit_progress.c.status == UnitStatus.COMPLETED.value, COMPLETE), else_=unit_progress.c.percent)
_cells = (
    select(unit_progress.c.user_id, unit_progress.c.unit_id, (_counted // 100).label("counted"))
    .select_from(lookup(_learner_keys, unit_progress, _is_of_learner))
    .where(unit_progress.c.status != UnitStatus.NOT_STARTED.value)
)

UnitInProgress = tuple[int, int, Instant, Milliseconds]
"""(user_id, unit_id, last_activity_at, study_ms)"""
Cells = dict[int, int]
"""The whole percents that units count, cut, by the units that were begun."""


async def read_learners(tx: ReadTransaction, course_id: int) -> Learners:
    """Read all who ever enrolled in a course."""
    found = await tx.all(_learners, in_course=course_id)
    return Learners(*(zip(*found, strict=True) if found else [()] * len(Learners._fields)))


async def read_named(tx: ReadTransaction, course_id: int) -> list[GridLearner]:
    """Read all who ever enrolled in a course, with their names."""
    found = await tx.all(_named, in_course=course_id)
    return [GridLearner(user_id, name, folded or "", *others) for user_id, name, folded, *others in found]


async def read_states(tx: ReadTransaction, course_id: int) -> Counter[UnitStates]:
    """Count the learners of a course by the states of their units."""
    texts = Counter([text for (text,) in await tx.all(_states, in_course=course_id)])
    return Counter({decode_states(text): count for text, count in texts.items()})


async def read_unit(tx: ReadTransaction, course_id: int, unit_id: int) -> UnitLearners:
    """Read all who began a unit."""
    found = await tx.all(_in_unit, in_course=course_id, in_unit=unit_id)
    return UnitLearners(*(zip(*found, strict=True) if found else [()] * len(UnitLearners._fields)))


async def read_progress(tx: ReadTransaction, course_id: int, keys: Sequence[tuple[int, int]]) -> Sequence[UnitInProgress]:
    """Read when learners were last active in units, and how long they studied them, by (user_id, unit_id)."""
    found = await tx.all(_by_unit_key, keys=[(user_id, course_id, unit_id) for user_id, unit_id in keys])
    return [tuple(row) for row in found]


async def read_cells(tx: ReadTransaction, course_id: int, user_ids: Sequence[int]) -> dict[int, Cells]:
    """Read the units that these learners have begun."""
    cells: dict[int, Cells] = {user_id: {} for user_id in user_ids}
    for user_id, unit_id, counted in await tx.all(_cells, keys=[(user_id, course_id) for user_id in user_ids]):
        cells[user_id][unit_id] = counted
    return cells
