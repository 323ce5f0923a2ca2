"""Read what exports tell of learners: some learners of a course in the order of their ids, and what they did, by their keys."""

from collections.abc import Sequence
from datetime import date, tzinfo

import msgspec
from sqlalchemy import and_, bindparam, select

from headway.accounts.tables import users
from headway.assessments.tables import submissions
from headway.courses.tables import assessments
from headway.db.database import ReadTransaction
from headway.db.dialects import lookup, rows
from headway.db.types import Id
from headway.enrollments.tables import enrollments
from headway.instants import SECOND, Milliseconds
from headway.learning.store import decode_spans
from headway.learning.study_calendar import by_local_day
from headway.learning.tables import study_days, unit_progress
from headway.learning.unit_progress import UnitStatus
from headway.reports.export_model import ExportedGrade, ExportedLearner, ExportedUnit

_learners = (
    select(
        *(enrollments.c.user_id, users.c.external_id, users.c.name),
        *(enrollments.c[name] for name in ("status", "percent", "study_ms", "enrolled_at", "last_activity_at", "completed_at")),
    )
    .select_from(lookup(enrollments, users, users.c.id == enrollments.c.user_id))
    .where(enrollments.c.course_id == bindparam("in_course"), enrollments.c.user_id > bindparam("after"))
    .order_by(enrollments.c.user_id)
    .limit(bindparam("limit"))
)
_keys = rows("keys", {"user_id": Id, "course_id": Id})
_units = select(
    *(unit_progress.c[name] for name in ("user_id", "unit_id", "status", "percent", "study_ms", "metadata")),
    *(unit_progress.c.last_activity_at, unit_progress.c.completed_at),
).select_from(
    lookup(
        _keys,
        unit_progress,
        and_(unit_progress.c.user_id == _keys.c.user_id, unit_progress.c.course_id == _keys.c.course_id),
    )
)
_days = select(study_days.c.user_id, study_days.c.day, study_days.c.spans).select_from(
    lookup(_keys, study_days, and_(study_days.c.user_id == _keys.c.user_id, study_days.c.course_id == _keys.c.course_id))
)
_ids = rows("ids", {"user_id": Id})
_works = (
    select(*(submissions.c[name] for name in ("user_id", "assessment_id", "submitted_at", "graded_at", "grade")))
    .select_from(
        lookup(
            lookup(_ids, submissions, submissions.c.user_id == _ids.c.user_id),
            assessments,
            assessments.c.id == submissions.c.assessment_id,
        )
    )
    .where(assessments.c.course_id == bindparam("in_course"))
    .order_by(submissions.c.user_id, submissions.c.submitted_at, submissions.c.id)
)


class _Reported(msgspec.Struct):
    """What exports read of the evidence in a unit."""

    reported_seconds: int = 0


_decode_evidence = msgspec.json.Decoder(_Reported).decode


async def list_learners(tx: ReadTransaction, course_id: int, *, after: int, limit: int) -> list[ExportedLearner]:
    """Read learners of a course who come after one, in the order of their ids; who left is among them."""
    found = await tx.all(_learners, in_course=course_id, after=after, limit=limit)
    return [ExportedLearner(*row) for row in found]


async def read_units(tx: ReadTransaction, course_id: int, user_ids: Sequence[int]) -> dict[int, list[ExportedUnit]]:
    """Read the progress of learners in the units of a course."""
    found: dict[int, list[ExportedUnit]] = {user_id: [] for user_id in user_ids}
    keys = [(user_id, course_id) for user_id in user_ids]
    for user_id, unit_id, status, percent, studied, evidence, active_at, completed_at in await tx.all(_units, keys=keys):
        reported = _decode_evidence(evidence).reported_seconds if "reported_seconds" in evidence else 0
        seconds = max(reported, studied // SECOND)
        found[user_id].append(ExportedUnit(unit_id, UnitStatus(status), percent, seconds, active_at, completed_at))
    return found


async def read_days(
    tx: ReadTransaction, course_id: int, user_ids: Sequence[int], zone: tzinfo
) -> dict[int, list[tuple[date, Milliseconds]]]:
    """Read how long learners studied in a course on each day of a zone with study, in order."""
    found: dict[int, list[tuple[int, str]]] = {user_id: [] for user_id in user_ids}
    for user_id, day, spans in await tx.all(_days, keys=[(user_id, course_id) for user_id in user_ids]):
        found[user_id].append((day, spans))
    return {
        user_id: sorted(by_local_day(((day, decode_spans(spans).values()) for day, spans in days), zone).items())
        for user_id, days in found.items()
    }


async def read_grades(tx: ReadTransaction, course_id: int, user_ids: Sequence[int]) -> dict[int, list[ExportedGrade]]:
    """Read the newest work of learners for each assessment of a course."""
    found: dict[int, dict[int, ExportedGrade]] = {user_id: {} for user_id in user_ids}
    for user_id, *work in await tx.all(_works, in_course=course_id, ids=[(user_id,) for user_id in user_ids]):
        # In the order in which they were handed in: the newest one stays.
        grade = ExportedGrade(*work)
        found[user_id][grade.assessment_id] = grade
    return {user_id: list(of_learner.values()) for user_id, of_learner in found.items()}
