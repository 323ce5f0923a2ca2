"""Study that counts no more because it lies before a reset that did not keep study time: what is no longer in study days."""

from collections.abc import Mapping, Sequence

from sqlalchemy import and_, bindparam, select

from headway.db.database import ReadTransaction, RowsToWrite, WriteTransaction
from headway.db.dialects import DeleteRows, WriteRows, lookup, rows
from headway.db.types import Id
from headway.enrollments.model import LearnerInCourse
from headway.instants import Day
from headway.learning.store import DayKey, SpansByUnit, decode_spans, encode_spans
from headway.learning.study_time import Span, union
from headway.learning.tables import set_aside_days, study_days

_keys = rows("keys", {"user_id": Id, "course_id": Id, "day": set_aside_days.c.day.type})
_is_day = and_(*(set_aside_days.c[name] == _keys.c[name] for name in ("user_id", "course_id", "day")))
_found = select(*set_aside_days.c).select_from(lookup(_keys, set_aside_days, _is_day))
_write = WriteRows(set_aside_days, ["user_id", "course_id", "day", "spans"], update=["spans"])
_forget = DeleteRows(set_aside_days)
_forget_study = DeleteRows(study_days)
_in_course = {
    table: select(table.c.day, table.c.spans).where(
        table.c.user_id == bindparam("of_user"), table.c.course_id == bindparam("in_course")
    )
    for table in (study_days, set_aside_days)
}


async def add_to_set_aside(
    tx: WriteTransaction, claims_of: Mapping[LearnerInCourse, Mapping[tuple[Day, int], Sequence[Span]]]
) -> RowsToWrite:
    """Return the rows of set-aside study with some more claims, by (day, unit), of learners whose enrollments are locked."""
    keys = sorted({(*learner, day) for learner, claims in claims_of.items() for day, _ in claims})
    days: dict[DayKey, SpansByUnit] = {(*key,): {} for key in keys}
    for user_id, course_id, day, spans in await tx.all(_found, keys=keys):
        days[user_id, course_id, day] = decode_spans(spans)
    for learner, claims in claims_of.items():
        for (day, unit), spans in claims.items():
            known = days[*learner, day]
            known[unit] = union([*known.get(unit, ()), *spans])
    return _write, [(*key, encode_spans(spans_of)) for key, spans_of in days.items()]


async def read_study_days(tx: ReadTransaction, learner: LearnerInCourse) -> dict[Day, SpansByUnit]:
    """Read all study of a learner in a course that counts as study time."""
    user_id, course_id = learner
    found = await tx.all(_in_course[study_days], of_user=user_id, in_course=course_id)
    return {day: decode_spans(spans) for day, spans in found}


async def read_set_aside(tx: ReadTransaction, learner: LearnerInCourse) -> dict[Day, SpansByUnit]:
    """Read all study of a learner in a course that is set aside."""
    user_id, course_id = learner
    found = await tx.all(_in_course[set_aside_days], of_user=user_id, in_course=course_id)
    return {day: decode_spans(spans) for day, spans in found}


def set_aside_rows(learner: LearnerInCourse, days: Mapping[Day, SpansByUnit]) -> list[RowsToWrite]:
    """Return what writes the set-aside study of days, and deletes that of days without any."""
    return [
        (_write, [(*learner, day, encode_spans(spans)) for day, spans in days.items() if spans]),
        (_forget, [(*learner, day) for day, spans in days.items() if not spans]),
    ]


def empty_study_days(learner: LearnerInCourse, days: Mapping[Day, SpansByUnit]) -> RowsToWrite:
    """Return what deletes the study days that have no study left."""
    return _forget_study, [(*learner, day) for day, spans in days.items() if not spans]
