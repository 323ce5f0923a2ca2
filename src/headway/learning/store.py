"""Events, unit progress and study days as rows, always many at a time, and the course structures that rules are applied to."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, FromClause, Text, and_, bindparam, case, func, or_, select

from headway.bounded_cache import BoundedCache
from headway.courses import structure_store
from headway.courses.completion import COMPLETE, Completion, Rule, decode_evidence, encode_evidence
from headway.courses.structure import CourseStructure
from headway.courses.tables import courses, units
from headway.db.database import ReadTransaction, Row, RowsToWrite, WriteTransaction
from headway.db.dialects import WriteRows, lookup, rows
from headway.db.types import Id, Timestamp
from headway.enrollments.model import Enrollment, LearnerInCourse
from headway.enrollments.status import OPEN
from headway.enrollments.store import COLUMNS as ENROLLMENT_COLUMNS
from headway.enrollments.store import enrollment_of
from headway.enrollments.tables import enrollments
from headway.instants import Day, Instant, Milliseconds
from headway.learning.model import EventContent
from headway.learning.points import is_quiz_passed
from headway.learning.study_time import Span, Timing, Transit
from headway.learning.tables import learner_activity_logs, study_days, unit_progress
from headway.learning.unit_progress import UnitProgress, UnitStatus

_encode = msgspec.json.Encoder().encode
_decode_spans = msgspec.json.Decoder(dict[int, list[tuple[int, int]]]).decode

COURSE_ALONE = 0
"""The unit id under which study days hold what was claimed for a course without a unit."""

NO_DAY: Day = -(2**31)

EventKey = tuple[int, str]
"""(user_id, event_id)"""
UnitKey = tuple[int, int, int]
"""(user_id, course_id, unit_id)"""
DayKey = tuple[int, int, Day]
"""(user_id, course_id, day)"""
StateKey = tuple[int, int, int, Day]
"""(user_id, course_id, unit_id, day): a unit, or COURSE_ALONE, and a day on which it was studied, or NO_DAY."""
SpansByUnit = dict[int, list[Span]]
"""What was studied on a day, by unit id; COURSE_ALONE for claims without a unit."""
EventRow = tuple[Any, ...]
"""(user_id, event_id, *content, *placed): an event as stored."""

_CONTENT = EventContent._fields
_PLACED = ["sent_at", "received_at", "occurred_at", "claimed_ms", "is_shifted", "clock_offset_ms"]

_UNIT_KEY = ("user_id", "course_id", "unit_id")
EVENT_COLUMNS = ("user_id", "event_id", *_CONTENT, *_PLACED)
_insert_events = WriteRows(learner_activity_logs, EVENT_COLUMNS)
UNIT_COLUMNS = [
    unit_progress.c[name]
    for name in (
        *(*_UNIT_KEY, "id", "status", "percent", "study_ms", "metadata", "client_metadata"),
        *("last_activity_at", "completed_at", "created_at", "updated_at", "met_rule", "met_threshold"),
    )
]
_write_units = WriteRows(
    unit_progress,
    [column.name for column in UNIT_COLUMNS],
    update=[column.name for column in UNIT_COLUMNS if column.name not in {*_UNIT_KEY, "id", "created_at"}],
)
_write_days = WriteRows(study_days, ["user_id", "course_id", "day", "spans"], update=["spans"])


def _same(table: FromClause, other: FromClause, *columns: str) -> ColumnElement[bool]:
    return and_(*(table.c[name] == other.c[name] for name in columns))


_event_keys = rows("keys", {"user_id": Id, "event_id": Text()})
_contents = select(*(learner_activity_logs.c[name] for name in ("user_id", "event_id", *_CONTENT))).select_from(
    lookup(_event_keys, learner_activity_logs, _same(learner_activity_logs, _event_keys, "user_id", "event_id"))
)
_unit_keys = rows("keys", {"user_id": Id, "course_id": Id, "unit_id": Id})
_units_by_key = select(*UNIT_COLUMNS).select_from(
    lookup(_unit_keys, unit_progress, _same(unit_progress, _unit_keys, *_UNIT_KEY))
)
_learner_keys = rows("keys", {"user_id": Id, "course_id": Id})
_learners_units = lookup(_learner_keys, unit_progress, _same(unit_progress, _learner_keys, "user_id", "course_id"))
_is_complete = unit_progress.c.status == "COMPLETED"
_units_of_learners = select(*UNIT_COLUMNS).select_from(_learners_units)
_completed = select(unit_progress.c.unit_id).select_from(_learners_units).where(_is_complete)
_required_progress = (
    select(
        unit_progress.c.user_id,
        unit_progress.c.course_id,
        func.sum(case((_is_complete, COMPLETE), else_=unit_progress.c.percent)).label("percents"),
        func.sum(case((_is_complete, 1), else_=0)).label("completed"),
    )
    .select_from(lookup(_learners_units, units, units.c.id == unit_progress.c.unit_id))
    .where(units.c.is_required, units.c.retired_at.is_(None), units.c.is_hidden.is_(False))
    .group_by(unit_progress.c.user_id, unit_progress.c.course_id)
)
_ENROLLMENT_WIDTH = len(ENROLLMENT_COLUMNS)
_enrollment_and_units = (
    select(*ENROLLMENT_COLUMNS, *(column.label(f"unit_{column.name}") for column in UNIT_COLUMNS))
    .select_from(
        lookup(
            lookup(enrollments, courses, courses.c.id == enrollments.c.course_id),
            unit_progress,
            _same(unit_progress, enrollments, "user_id", "course_id"),
            is_outer=True,
        )
    )
    .where(enrollments.c.user_id == bindparam("of_user"), enrollments.c.course_id == bindparam("in_course"))
)


def event_row(key: EventKey, content: EventContent, timing: Timing, transit: Transit) -> EventRow:
    """Return an event as a row: its content, and how it was placed in time."""
    placed = (transit.sent_at, transit.received_at, timing.at, timing.claimed, timing.is_shifted, transit.offset or None)
    return (*key, *content, *placed)


def content_of(row: EventRow) -> EventContent:
    """Return the content of an event as stored."""
    return EventContent(*row[2 : 2 + len(_CONTENT)])


def new_events(events: Sequence[EventRow]) -> tuple[WriteRows, Sequence[EventRow]]:
    """Return the rows of events that are not stored yet; all keys must differ."""
    return _insert_events, sorted(events)


async def contents(tx: ReadTransaction, keys: Sequence[EventKey]) -> dict[EventKey, EventContent]:
    """Read back the contents of stored events."""
    if not keys:
        return {}
    return {(row[0], row[1]): EventContent(*tuple(row)[2:]) for row in await tx.all(_contents, keys=keys)}


async def read_units(tx: ReadTransaction, keys: Sequence[UnitKey]) -> list[UnitProgress]:
    """Read progress in units, where there is any."""
    return [unit_of(row) for row in await tx.all(_units_by_key, keys=keys)]


async def completed_units(tx: ReadTransaction, keys: Sequence[LearnerInCourse]) -> set[int]:
    """Return the units that learners completed in these courses."""
    return {row["unit_id"] for row in await tx.all(_completed, keys=keys)}


async def read_units_of(tx: ReadTransaction, keys: Sequence[LearnerInCourse]) -> dict[LearnerInCourse, list[UnitProgress]]:
    """Read all unit progress of learners in courses, by (user_id, course_id), the newest change first."""
    found: dict[LearnerInCourse, list[UnitProgress]] = {key: [] for key in keys}
    for row in await tx.all(_units_of_learners, keys=keys):
        found[row[0], row[1]].append(unit_of(row))
    return {key: newest_first(units) for key, units in found.items()}


async def assign_ids(tx: WriteTransaction, progress: Iterable[UnitProgress]) -> None:
    """Assign ids to unit progress that is not stored yet."""
    new = [each for each in progress if each.id is None]
    for each, new_id in zip(new, await tx.new_ids(unit_progress, len(new)), strict=True):
        each.id = new_id


def unit_rows(changed: Iterable[UnitProgress], now: Instant) -> RowsToWrite:
    """Return the rows of new or changed unit progress; new progress has an id from `assign_ids`."""
    rows_to_write = []
    for u in changed:
        u.updated_at = now
        rows_to_write.append(
            (
                *(u.user_id, u.course_id, u.unit_id, u.id, u.status.value, u.percent, u.study_ms),
                *(encode_evidence(u.evidence), u.client_metadata),
                *(u.last_activity_at, u.completed_at, u.created_at, u.updated_at),
                *((None, None) if u.met is None else (u.met.rule.value, u.met.threshold)),
            )
        )
    return _write_units, rows_to_write


def day_rows(changed: Mapping[DayKey, SpansByUnit]) -> RowsToWrite:
    """Return the rows of new or changed study days."""
    return _write_days, [(*key, encode_spans(spans)) for key, spans in changed.items()]


def encode_spans(spans: SpansByUnit) -> str:
    """Write spans as `{"unit": [[start,end],…],…}`, the units in order."""
    return _encode(dict(sorted(spans.items()))).decode()


def decode_spans(text: str) -> SpansByUnit:
    """Read spans back."""
    return _decode_spans(text)


def newest_first(units: list[UnitProgress]) -> list[UnitProgress]:
    """Sort unit progress by its last change."""
    return sorted(units, key=lambda unit: (unit.updated_at, unit.id), reverse=True)


@lru_cache(maxsize=1_000)
def _completion(rule: str, threshold: float | None) -> Completion:
    return Completion(Rule(rule), threshold)


def unit_of(row: Row | tuple[Any, ...]) -> UnitProgress:
    """Read unit progress from a row that begins with `UNIT_COLUMNS`."""
    return UnitProgress(
        user_id=row[0],
        course_id=row[1],
        unit_id=row[2],
        id=row[3],
        is_started=row[4] != UnitStatus.NOT_STARTED,
        is_complete=row[4] == UnitStatus.COMPLETED,
        percent=row[5],
        study_ms=row[6],
        evidence=decode_evidence(row[7]),
        client_metadata=row[8],
        last_activity_at=row[9],
        completed_at=row[10],
        created_at=row[11],
        updated_at=row[12],
        met=None if row[13] is None else _completion(row[13], row[14]),
    )


async def required_progress(tx: ReadTransaction, keys: Sequence[LearnerInCourse]) -> dict[LearnerInCourse, tuple[int, int]]:
    """Add up these learners' progress in the units that count: (sum of percents, completed units)."""
    found = await tx.all(_required_progress, keys=keys)
    return {(row["user_id"], row["course_id"]): (int(row["percents"]), int(row["completed"])) for row in found}


_touched = rows("touched", {"unit_id": Id, "since": Timestamp})
_was_active = (
    select(unit_progress.c.unit_id)
    .select_from(
        lookup(
            _touched,
            unit_progress,
            and_(
                *(unit_progress.c[name] == enrollments.c[name] for name in ("user_id", "course_id")),
                *(unit_progress.c.unit_id == _touched.c.unit_id, unit_progress.c.last_activity_at >= _touched.c.since),
            ),
        )
    )
    .correlate(enrollments)
    .exists()
)
_active_learners = (
    select(enrollments.c.user_id)
    .where(enrollments.c.course_id == bindparam("in_course"), enrollments.c.last_activity_at >= bindparam("first"))
    .where(_was_active)
    .order_by(enrollments.c.user_id)
)


async def list_active(tx: ReadTransaction, course_id: int, since_of: Mapping[int, Instant]) -> list[int]:
    """Return the learners of a course who were active in any of these units since the time that goes with it, in order."""
    first = min(since_of.values())
    found = await tx.all(_active_learners, in_course=course_id, first=first, touched=sorted(since_of.items()))
    return [row["user_id"] for row in found]


async def read_progress(tx: ReadTransaction, user_id: int, course_id: int) -> tuple[Enrollment, list[UnitProgress]] | None:
    """Read a learner's enrollment and unit progress, the newest change first, with one statement; None if not enrolled."""
    found = [tuple(row) for row in await tx.all(_enrollment_and_units, of_user=user_id, in_course=course_id)]
    if not found:
        return None
    # A learner without progress has one row, in which the columns of the unit are empty.
    units = [unit_of(row[_ENROLLMENT_WIDTH:]) for row in found if row[_ENROLLMENT_WIDTH] is not None]
    return enrollment_of(found[0]), newest_first(units)


_completed_by_user = and_(unit_progress.c.user_id == bindparam("of_user"), _is_complete)
_completed_units = select(func.count()).select_from(unit_progress).where(_completed_by_user)
_completed_quizzes = (
    select(unit_progress.c.met_rule, unit_progress.c.met_threshold, unit_progress.c.metadata, units.c.rule, units.c.threshold)
    .select_from(lookup(unit_progress, units, units.c.id == unit_progress.c.unit_id))
    .where(_completed_by_user, or_(units.c.rule == Rule.QUIZ, unit_progress.c.met_rule == Rule.QUIZ))
)
_figures = (
    select(
        enrollments.c.course_id,
        enrollments.c.status,
        enrollments.c.study_ms,
        enrollments.c.completed_at,
        _completed_units.scalar_subquery().label("completed_units"),
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
    """Quiz units that were passed by their scores; one that was only declared complete is not among them."""
    completed_courses: int


async def read_figures(tx: ReadTransaction, user_id: int) -> LearnerFigures:
    """Read the figures of a learner; all 0 for somebody who never enrolled."""
    found = await tx.all(_figures, of_user=user_id)
    return LearnerFigures(
        open_course_ids=[row["course_id"] for row in found if row["status"] in OPEN],
        study_ms=sum(row["study_ms"] for row in found),
        completed_units=found[0]["completed_units"] if found else 0,
        passed_quizzes=sum([_is_quiz_passed(row) for row in await tx.all(_completed_quizzes, of_user=user_id)]),
        completed_courses=sum(row["completed_at"] is not None for row in found),
    )


def _is_quiz_passed(row: Row) -> bool:
    met = None if row["met_rule"] is None else _completion(row["met_rule"], row["met_threshold"])
    return is_quiz_passed(met, _completion(row["rule"], row["threshold"]), decode_evidence(row["metadata"]))


_UNIT_BYTES = 500


class CourseStructures:
    """A cache of course structures, which are loaded on first use and again after the course changed.

    It is bounded by the units in it: each takes about half a kilobyte.
    """

    def __init__(self, *, max_units: int = 50_000) -> None:
        self._cache: BoundedCache[int, CourseStructure] = BoundedCache(max_units * _UNIT_BYTES, _size)
        # Large reads run in a thread of their own.
        self._lock = threading.Lock()

    def peek(self, course_id: int, revision: int) -> CourseStructure | None:
        """Return the structure of a course at a revision if it is cached."""
        with self._lock:
            known = self._cache.get(course_id)
        return known if known is not None and known.revision == revision else None

    def count_units(self, course_id: int) -> int | None:
        """Return how many units a course has, or had a little earlier; None while its structure is not cached."""
        with self._lock:
            known = self._cache.get(course_id)
        return None if known is None else len(known.units)

    async def get(
        self, tx: ReadTransaction, course_ids: Iterable[int], revisions: Mapping[int, int]
    ) -> dict[int, CourseStructure]:
        """Return the structures of those courses that exist; `revisions` holds the newest ones that the caller has read."""
        requested = set(course_ids)
        with self._lock:
            found = {course_id: self._cache.get(course_id) for course_id in requested}
        structures = {
            course_id: known
            for course_id, known in found.items()
            if known is not None and revisions.get(course_id, known.revision) == known.revision
        }
        missing = sorted(requested - structures.keys())
        if missing:
            loaded = await structure_store.structures(tx, missing)
            with self._lock:
                for course_id, structure in loaded.items():
                    self._cache.put(course_id, structure)
            structures |= loaded
        return structures


def _size(_course_id: int, structure: CourseStructure) -> int:
    # A character takes up to four bytes; most external ids are short, and in ASCII.
    named = [(name, 1) for name in structure.module_names] + [(name, len(ids)) for name, ids in structure.unit_names.items()]
    names = sum((4 * len(name) + _UNIT_BYTES // 2) * count for name, count in named)
    return (len(structure.units) + 10) * _UNIT_BYTES + names
