"""Events that do not count, because they lay outside of the times of their units: kept with their evidence for as long."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import and_, bindparam, select

from headway.courses.completion import Evidence, decode_evidence, encode_evidence
from headway.courses.times import Times
from headway.db.database import ReadTransaction, RowsToWrite, WriteTransaction
from headway.db.dialects import DeleteRows, WriteRows, lookup, rows
from headway.db.types import Id, Timestamp
from headway.instants import Day, Instant
from headway.learning.store import SpansByUnit, decode_spans
from headway.learning.tables import study_days, uncounted_events


class UncountedEvent(NamedTuple):
    """An event that does not count, with what it would leave as evidence."""

    user_id: int
    course_id: int
    unit_id: int
    event_id: str
    occurred_at: Instant
    evidence: Evidence


_insert = WriteRows(uncounted_events, [*UncountedEvent._fields[:-1], "metadata"])
_learners = rows("learners", {"user_id": Id})
_forget = DeleteRows(uncounted_events)
_times = rows("times", {"user_id": Id, "unit_id": Id, "opens_at": Timestamp, "closes_at": Timestamp})
_is_timely = and_(
    *(uncounted_events.c.user_id == _times.c.user_id, uncounted_events.c.course_id == bindparam("in_course")),
    uncounted_events.c.unit_id == _times.c.unit_id,
    *(uncounted_events.c.occurred_at >= _times.c.opens_at, uncounted_events.c.occurred_at < _times.c.closes_at),
)
_timely = select(*(uncounted_events.c[name] for name in ("user_id", "event_id", "unit_id", "metadata"))).select_from(
    # Retention forgets them at the same time.
    lookup(_times, uncounted_events, _is_timely, is_locking=True)
)
_days = select(study_days.c.user_id, study_days.c.day, study_days.c.spans).select_from(
    lookup(
        _learners,
        study_days,
        and_(study_days.c.user_id == _learners.c.user_id, study_days.c.course_id == bindparam("in_course")),
    )
)


def uncounted_rows(events: Sequence[UncountedEvent]) -> RowsToWrite:
    """Return the rows of new events that do not count."""
    return _insert, sorted((*each[:-1], encode_evidence(each.evidence)) for each in events)


async def take_timely(
    tx: WriteTransaction, course_id: int, times_of: Mapping[tuple[int, int], Times]
) -> dict[tuple[int, int], Evidence]:
    """Remove what is kept of events that lie within the new times of units, by (user_id, unit_id).

    Return the evidence of these events together, by the same.
    """
    evidence_of: dict[tuple[int, int], Evidence] = {}
    found = await tx.all(
        _timely,
        times=[(*key, *times.bounds) for key, times in times_of.items()],
        in_course=course_id,
    )
    for user_id, _, unit_id, metadata in found:
        key, evidence = (user_id, unit_id), decode_evidence(metadata)
        evidence_of[key] = evidence_of[key].merge(evidence) if key in evidence_of else evidence
    await tx.write_rows((_forget, sorted((user_id, course_id, unit_id, event_id) for user_id, event_id, unit_id, _ in found)))
    return evidence_of


async def read_study(tx: ReadTransaction, course_id: int, user_ids: Sequence[int]) -> list[tuple[int, Day, SpansByUnit]]:
    """Read what learners studied in a course on which days, as (user_id, day, spans)."""
    found = await tx.all(_days, learners=[(each,) for each in user_ids], in_course=course_id)
    return [(user_id, day, decode_spans(spans)) for user_id, day, spans in found]
