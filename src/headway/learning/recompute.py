"""What the stored rows of a learner in a course must say, recomputed from the events and the spans of study."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any

import msgspec

from headway.courses.completion import (
    COMPLETE,
    NO_EVIDENCE,
    EngagementMetrics,
    Evidence,
    Percent,
    percent_of_course,
    percent_of_unit,
)
from headway.courses.evidence import decode_evidence
from headway.courses.model import CourseStructure
from headway.db.database import Row
from headway.enrollments.statistics import Statistic, enrollment_statistics
from headway.enrollments.status import EnrollmentStatus, earned
from headway.instants import DAY, SECOND, Day, Instant, Milliseconds
from headway.learning import study_time
from headway.learning.model import ActivityType
from headway.learning.statistics import unit_statistics
from headway.learning.store import COURSE_ALONE, SpansByUnit, decode_spans
from headway.learning.study_time import Moment, Span, StudyRules, moment_of_event
from headway.learning.unit_progress import UnitStatus, duration_seconds

_UNLIMITED: Milliseconds = 2**63
_AN_ENROLLMENT = "a course in which the learner has an enrollment"
_A_UNIT = "a unit of the course"
_A_TIME = "a time"
_STILL_OPEN = frozenset({EnrollmentStatus.ENROLLED, EnrollmentStatus.IN_PROGRESS, EnrollmentStatus.COMPLETED})
_start = itemgetter(0)


class Difference(msgspec.Struct):
    """A stored value that does not follow from the rest; `expected` is what does, or says in words what would."""

    table: str
    key: dict[str, int | str]
    column: str
    stored: Any
    expected: Any


class Place:
    """A learner in a course: the stored rows, and what the events seen so far say."""

    def __init__(self, user_id: int, course_id: int) -> None:
        self.course_id = course_id
        self.key: dict[str, int | str] = {"user_id": user_id, "course_id": course_id}
        self.enrollment: Row | None = None
        self.units: dict[int, Row] = {}
        self.days: dict[Day, SpansByUnit] = {}
        self._evidence: dict[int, Evidence] = {}
        self._last_at: dict[int, Instant] = {}

    def add_day(self, row: Row, structure: CourseStructure | None) -> Iterator[Difference]:
        """Take a study day; name what its spans must not be."""
        day, text = row["day"], row["spans"]
        key = {**self.key, "day": day}
        try:
            spans_of = decode_spans(text)
        except msgspec.DecodeError:
            spans_of = {}
        self.days[day] = spans_of
        if not spans_of:
            yield Difference("study_days", key, "spans", text, "the spans of at least one unit")
        for unit_id, spans in spans_of.items():
            if unit_id != COURSE_ALONE and (structure is None or unit_id not in structure.units):
                yield Difference("study_days", key, "spans", unit_id, _A_UNIT)
            if not spans or spans != study_time.union(spans) or spans[0][0] < 0 or spans[-1][1] > DAY:
                expected = "spans in order within the day that do not touch"
                yield Difference("study_days", key, "spans", {str(unit_id): spans}, expected)
            elif spans:
                self._see(unit_id, day * DAY + spans[-1][1])

    def add_event(self, row: Row, structure: CourseStructure | None) -> Iterator[Difference]:
        """Take an event; name what it must not be, and the study that it claims and that is not stored."""
        key: dict[str, int | str] = {"user_id": row["user_id"], "event_id": row["event_id"]}
        module_id, unit_id = row["module_id"], row["unit_id"]
        if self.enrollment is None:
            yield Difference("learner_activity_logs", key, "course_id", row["course_id"], _AN_ENROLLMENT)
        if structure is not None and module_id is not None and module_id not in structure.module_ids:
            yield Difference("learner_activity_logs", key, "module_id", module_id, "a module of the course")
        if structure is not None and unit_id is not None and unit_id not in structure.units:
            yield Difference("learner_activity_logs", key, "unit_id", unit_id, _A_UNIT)
        for column, expected in _misplaced(row):
            yield Difference("learner_activity_logs", key, column, row[column], expected)
        unit = unit_id or COURSE_ALONE
        self._see(unit, row["occurred_at"])
        self._evidence[unit] = self._evidence.get(unit, NO_EVIDENCE).merge(_evidence_of(row))
        for day, span in study_time.by_day((row["occurred_at"] - row["claimed_ms"], row["occurred_at"])):
            spans = self.days.get(day, {}).get(unit, [])
            if not _covers(spans, span):
                expected = f"unit {unit} studied during {list(span)}, claimed by event {row['event_id']}"
                yield Difference("study_days", {**self.key, "day": day}, "spans", spans, expected)

    def differences(self, structure: CourseStructure | None) -> Iterator[Difference]:
        """Name what of the roll-ups does not follow from the events and study days, once all are taken."""
        if self.enrollment is None:
            for day in self.days:
                yield Difference("study_days", {**self.key, "day": day}, "course_id", self.key["course_id"], _AN_ENROLLMENT)
            for unit_id in self.units:
                key = {**self.key, "unit_id": unit_id}
                yield Difference("unit_progress", key, "course_id", self.key["course_id"], _AN_ENROLLMENT)
            return
        if structure is None:
            yield Difference("enrollments", self.key, "course_id", self.key["course_id"], "a course that exists")
            return
        for unit_id, row in self.units.items():
            self._evidence[unit_id] = self._evidence.get(unit_id, NO_EVIDENCE).merge(_declared(row))
        counted: dict[int, Percent] = {}
        for unit_id in sorted((self.units.keys() | self._last_at.keys()) - {COURSE_ALONE}):
            if unit_id in structure.units:
                percent, is_complete = self._reached(unit_id, structure)
                counted[unit_id] = COMPLETE if is_complete else percent
                yield from self._unit_differences(unit_id, percent, is_complete=is_complete)
            elif unit_id in self.units:
                yield Difference("unit_progress", {**self.key, "unit_id": unit_id}, "unit_id", unit_id, _A_UNIT)
        yield from self._enrollment_differences(self.enrollment, counted, structure)

    def statistics(self) -> Counter[tuple[int, str]]:
        """Count what the stored rows add to the tallies of the course, by course and name."""
        added: list[Statistic] = []
        if self.enrollment is not None:
            row = self.enrollment
            dates = row["enrolled_at"], row["completed_at"], row["last_activity_at"]
            added += enrollment_statistics(EnrollmentStatus(row["status"]), row["percent"], *dates)
        for unit_id, row in self.units.items():
            seconds = duration_seconds(_declared(row), row["study_ms"])
            is_complete = row["status"] == UnitStatus.COMPLETED
            added += unit_statistics(unit_id, is_complete=is_complete, duration_seconds=seconds)
        counted: Counter[tuple[int, str]] = Counter()
        for name, count in added:
            counted[self.course_id, name] += count
        return counted

    def _see(self, unit_id: int, at: Instant) -> None:
        self._last_at[unit_id] = max(at, self._last_at.get(unit_id, at))

    def _studied(self, unit_id: int) -> Milliseconds:
        return sum(study_time.length(spans_of.get(unit_id, ())) for spans_of in self.days.values())

    def _reached(self, unit_id: int, structure: CourseStructure) -> tuple[Percent, bool]:
        """Apply the unit's rule: what percent is reached, and whether the unit is complete.

        In a course that has been changed a completion under an earlier rule stays.
        """
        completion = structure.units[unit_id].completion
        had_earlier_rule = structure.revision > 1 and unit_id in self.units
        if had_earlier_rule and self.units[unit_id]["status"] == "COMPLETED":
            return self.units[unit_id]["percent"], True
        evidence = self._evidence.get(unit_id, NO_EVIDENCE)
        percent = percent_of_unit(completion, evidence, self._studied(unit_id))
        return percent, percent == COMPLETE or evidence.is_declared_complete

    def _unit_differences(self, unit_id: int, percent: Percent, *, is_complete: bool) -> Iterator[Difference]:
        key, row = {**self.key, "unit_id": unit_id}, self.units.get(unit_id)
        if row is None:
            yield Difference("unit_progress", key, "unit_id", None, "a row, for the learner was active in the unit")
            return
        # A client may have said that the learner has not begun, as long as nothing else says so.
        is_begun = bool(percent) or unit_id in self._last_at or row["status"] != UnitStatus.NOT_STARTED
        unfinished = UnitStatus.IN_PROGRESS if is_begun else UnitStatus.NOT_STARTED
        expected = {
            "percent": percent,
            "status": UnitStatus.COMPLETED if is_complete else unfinished,
            "study_ms": self._studied(unit_id),
            "completed_at": _a_time(row["completed_at"]) if is_complete else None,
            "last_activity_at": _not_before(row["last_activity_at"], self._last_at.get(unit_id)),
        }
        yield from _compared("unit_progress", key, row, expected)
        yield from _compared_evidence("unit_progress", key, row, self._evidence.get(unit_id, NO_EVIDENCE))

    def _enrollment_differences(
        self, row: Row, counted: Mapping[int, Percent], structure: CourseStructure
    ) -> Iterator[Difference]:
        counting = [counted.get(unit_id, 0) for unit_id, unit in structure.units.items() if unit.counts]
        is_complete = bool(counting) and all(percent == COMPLETE for percent in counting)
        percent, has_changed = percent_of_course(sum(counting), structure.required_units), structure.revision > 1
        # A completion stays when units are added to the course.
        was_completed = is_complete or (has_changed and row["completed_at"] is not None)
        traces = [*self._last_at.values(), *(unit["last_activity_at"] for unit in self.units.values())]
        has_activity = bool(traces) or row["last_activity_at"] is not None
        status = EnrollmentStatus(row["status"])
        is_settled = was_completed if status is EnrollmentStatus.CERTIFIED else status not in _STILL_OPEN
        expected = {
            "percent": percent,
            "study_ms": sum(_length_of_all(spans_of.values()) for spans_of in self.days.values()),
            "status": status if is_settled else earned(has_activity=has_activity, was_completed=was_completed),
            "completed_at": _a_time(row["completed_at"]) if was_completed else None,
            "last_activity_at": _not_before(row["last_activity_at"], max(traces, default=None)),
        }
        yield from _compared("enrollments", self.key, row, expected)
        metrics = NO_EVIDENCE
        for evidence in self._evidence.values():
            metrics = metrics.merge(Evidence(engagement_metrics=evidence.engagement_metrics))
        yield from _compared_evidence("enrollments", self.key, row, metrics)


def _compared(table: str, key: dict[str, int | str], row: Row, expected: Mapping[str, Any]) -> Iterator[Difference]:
    for column, value in expected.items():
        if row[column] != value:
            yield Difference(table, key, column, row[column], value)


def _compared_evidence(table: str, key: dict[str, int | str], row: Row, expected: Evidence) -> Iterator[Difference]:
    try:
        is_equal = decode_evidence(row["metadata"]) == expected
    except msgspec.DecodeError:
        is_equal = False
    if not is_equal:
        yield Difference(table, key, "metadata", row["metadata"], expected)


def _a_time(stored: Instant | None) -> Instant | str:
    return _A_TIME if stored is None else stored


def _not_before(stored: Instant | None, floor: Instant | None) -> Instant | None:
    """Give what is stored, unless something is known to have happened later; heartbeats leave no other trace."""
    return stored if floor is None or (stored is not None and stored >= floor) else floor


def _length_of_all(sets: Iterable[list[Span]]) -> Milliseconds:
    return study_time.length(study_time.union(span for spans in sets for span in spans))


def _covers(spans: list[Span], span: Span) -> bool:
    position = bisect_right(spans, span[0], key=_start) - 1
    return position >= 0 and spans[position][1] >= span[1]


def _misplaced(row: Row) -> Iterator[tuple[str, Any]]:
    """Place an event in time again by what the client said, and give the columns that say otherwise."""
    claimed, moment = row["claimed_ms"], _placed(row, _UNLIMITED)
    if 0 < claimed < moment.claimed and claimed % SECOND == 0:
        # Cut to the longest claim: a setting in whole seconds, which may have been another one at the time.
        moment = _placed(row, claimed)
    if claimed != moment.claimed:
        yield "claimed_ms", moment.claimed
    elif row["occurred_at"] != moment.at:
        yield "occurred_at", moment.at
    elif bool(row["is_shifted"]) != moment.is_shifted:
        yield "is_shifted", moment.is_shifted


def _placed(row: Row, longest_claim: Milliseconds) -> Moment:
    duration = row["duration_seconds"]
    return moment_of_event(
        start=row["start_time"],
        end=row["end_time"],
        duration=None if duration is None else int(min(duration * SECOND, longest_claim)),
        sent_at=row["sent_at"],
        received_at=row["received_at"],
        rules=StudyRules(longest_claim=longest_claim),
    )


def _evidence_of(row: Row) -> Evidence:
    kind = row["activity_type"]
    metrics = EngagementMetrics(row["scroll_depth"], row["video_watch_percentage"], row["interaction_count"])
    return Evidence(
        engagement_metrics=None if metrics == EngagementMetrics() else metrics,
        quiz_score_percent=_quiz_score(row["metadata"]) if kind == ActivityType.QUIZ_SUBMIT else None,
        is_viewed=kind == ActivityType.UNIT_VIEW,
        is_marked_complete=kind == ActivityType.UNIT_COMPLETE,
    )


class _Quiz(msgspec.Struct):
    score: float | None = None
    max_score: float | None = None


def _declared(row: Row) -> Evidence:
    """Give what of a unit's evidence does not come from events."""
    try:
        stored = decode_evidence(row["metadata"])
    except msgspec.DecodeError:
        return NO_EVIDENCE
    return Evidence(
        is_declared_complete=stored.is_declared_complete,
        declared_percent=stored.declared_percent,
        reported_seconds=stored.reported_seconds,
    )


def _quiz_score(metadata: str | None) -> float | None:
    try:
        quiz = msgspec.json.decode(metadata or "{}", type=_Quiz)
    except msgspec.DecodeError:
        return None
    return quiz.score / quiz.max_score * 100 if quiz.score is not None and quiz.max_score else None
