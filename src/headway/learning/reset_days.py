"""Study days of a learner whose progress is reset: what is set aside, and what counts again."""

from collections.abc import Mapping, Sequence

from headway.db.database import RowsToWrite, WriteTransaction
from headway.enrollments.model import Enrollment
from headway.instants import DAY, Day, Milliseconds
from headway.learning import set_aside_store, study_time
from headway.learning import store as activity
from headway.learning.counting import Counting
from headway.learning.store import SpansByUnit


async def set_aside(tx: WriteTransaction, enrollment: Enrollment, counting: Counting) -> list[RowsToWrite]:
    """Take the study that counts no more from the study days; return the rows to write."""
    study, aside = await _read(tx, enrollment)
    moved: dict[Day, SpansByUnit] = {}
    for day, spans_of in study.items():
        for unit_id, spans in list(spans_of.items()):
            taken, left = _split(counting, unit_id, day, spans)
            if taken:
                known = moved.setdefault(day, aside.get(day, {}))
                known[unit_id] = study_time.union([*known.get(unit_id, ()), *taken])
                _put(spans_of, unit_id, left)
    return _days_rows(enrollment, {day: study[day] for day in moved}, moved, study)


async def take_back(
    tx: WriteTransaction, enrollment: Enrollment, counting: Counting
) -> tuple[Mapping[Day, SpansByUnit], list[RowsToWrite]]:
    """Take the study that counts again from what is set aside. Return all study that counts, and the rows to write."""
    study, aside = await _read(tx, enrollment)
    changed: dict[Day, SpansByUnit] = {}
    for day, spans_of in aside.items():
        for unit_id, spans in list(spans_of.items()):
            left, taken = _split(counting, unit_id, day, spans)
            if taken:
                known = changed.setdefault(day, study.setdefault(day, {}))
                known[unit_id] = study_time.union([*known.get(unit_id, ()), *taken])
                _put(spans_of, unit_id, left)
    return study, _days_rows(enrollment, changed, {day: aside[day] for day in changed}, study)


def _split(
    counting: Counting, unit_id: int, day: Day, spans: Sequence[study_time.Span]
) -> tuple[list[study_time.Span], list[study_time.Span]]:
    """Divide spans of a day into those that are set aside and those that count."""
    midnight = day * DAY
    aside: list[study_time.Span] = []
    counted: list[study_time.Span] = []
    for start, end in spans:
        for parts, (first, last) in zip(
            (aside, counted), counting.split(unit_id, (midnight + start, midnight + end)), strict=True
        ):
            if first < last:
                parts.append((first - midnight, last - midnight))
    return aside, counted


def _put(spans_of: SpansByUnit, unit_id: int, spans: list[study_time.Span]) -> None:
    if spans:
        spans_of[unit_id] = spans
    else:
        del spans_of[unit_id]


def _days_rows(
    enrollment: Enrollment,
    study: Mapping[Day, SpansByUnit],
    aside: Mapping[Day, SpansByUnit],
    all_study: Mapping[Day, SpansByUnit],
) -> list[RowsToWrite]:
    """Return what writes these days, and count the study time of the course anew."""
    key = (enrollment.user_id, enrollment.course_id)
    enrollment.study_ms = course_study(all_study)
    written = activity.day_rows({(*key, day): spans for day, spans in study.items() if spans})
    return [
        written,
        set_aside_store.empty_study_days(key, study),
        *set_aside_store.set_aside_rows(key, aside),
    ]


def course_study(study: Mapping[Day, SpansByUnit]) -> Milliseconds:
    """Return the study time of a course: of each day, that of the union over its units."""
    every = (study_time.union(span for spans in spans_of.values() for span in spans) for spans_of in study.values())
    return sum(map(study_time.length, every))


async def _read(tx: WriteTransaction, enrollment: Enrollment) -> tuple[dict[Day, SpansByUnit], dict[Day, SpansByUnit]]:
    """Read the study that counts, and what is set aside."""
    key = (enrollment.user_id, enrollment.course_id)
    return await set_aside_store.read_study_days(tx, key), await set_aside_store.read_set_aside(tx, key)
