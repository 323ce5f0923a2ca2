"""Recompute what is stored of a learner in a course from the events, the study days and what completions met."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from headway.courses.completion import (
    COMPLETE,
    NO_EVIDENCE,
    Completion,
    Evidence,
    Percent,
    percent_by_rule,
    percent_of_course,
    percent_of_unit,
)
from headway.courses.grading import GradingHistory
from headway.courses.structure import CourseStructure
from headway.courses.times import ALWAYS, Times
from headway.db.database import Row
from headway.enrollments.model import CLOSED_FOR_GOOD
from headway.enrollments.statistics import Statistic, enrollment_statistics
from headway.enrollments.status import OPEN, EnrollmentStatus, earned
from headway.enrollments.traces import add_weeks, ordinals, state_bits, week_of, write_states
from headway.instants import DAY, Day, Instant, Milliseconds, iso
from headway.learning import study_time
from headway.learning.comparing import (
    a_time,
    compared,
    compared_evidence,
    covers,
    declared_evidence,
    not_before,
    recorded_rule,
    stored_evidence,
)
from headway.learning.recorded_events import evidence_of, mistimed
from headway.learning.segments import Segments
from headway.learning.statistics import unit_statistics
from headway.learning.store import COURSE_ALONE, SpansByUnit, decode_spans
from headway.learning.study_time import Span
from headway.learning.unit_progress import UnitStatus, duration_seconds
from headway.verify import Difference

_AN_ENROLLMENT = "a course in which the learner has an enrollment"
_A_UNIT = "a unit of the course"
_A_REVISION = "a revision of the course whose required units are all complete"
_OPEN = frozenset({EnrollmentStatus.ENROLLED, EnrollmentStatus.IN_PROGRESS, EnrollmentStatus.COMPLETED})


class Course(NamedTuple):
    """A course as it is, and everything that its learners were ever graded by."""

    structure: CourseStructure
    history: GradingHistory


class _Grade(NamedTuple):
    """What the evidence in a unit leads to."""

    met: Completion | None
    percent: Percent
    is_complete: bool


class Recomputation:
    """A learner in a course: the stored rows, and what follows from the events added so far."""

    def __init__(self, user_id: int, course_id: int, course: Course | None) -> None:
        self.course_id = course_id
        self.key: dict[str, int | str] = {"user_id": user_id, "course_id": course_id}
        self.course = course
        self.enrollment: Row | None = None
        self.units: dict[int, Row] = {}
        self.days: dict[Day, SpansByUnit] = {}
        self.declared: dict[int, Evidence] = {}
        self._evidence: dict[int, Evidence] = {}
        self._last_at: dict[int, Instant] = {}
        self._begun: set[int] = set()
        """The units in which an event counts."""
        self._uncounted: dict[str, Row] = {}
        """What is kept of events that lay outside of the times of their units, by their ids."""
        self._active_days: set[Day] = set()
        self.segments = Segments(self.key)
        """What resets divide it into. Add the resets before all else."""

    def add_unit(self, row: Row) -> None:
        """Add unit progress. What was declared leaves no event: it stands for itself, if it says by whom it was declared."""
        self.units[row["unit_id"]] = row
        self.declared[row["unit_id"]] = declared_evidence(row)
        self._active_days.add(row["last_activity_at"] // DAY)

    def add_uncounted(self, row: Row) -> None:
        """Add what is kept of an event that does not count. Add the events after these."""
        self._uncounted[row["event_id"]] = row

    def add_residue(self, row: Row) -> Iterator[Difference]:
        """Add what forgotten events of a unit have left: it counts as these events would."""
        unit = row["unit_id"]
        self._see(unit, row["last_at"])
        evidence = stored_evidence(row)
        if evidence is None:
            key: dict[str, int | str] = {**self.key, "unit_id": unit}
            yield Difference("event_residues", key, "metadata", row["metadata"], "the evidence of forgotten events")
        elif row["is_begun"]:
            self._add_evidence(unit, row["last_at"], evidence)

    def _add_evidence(self, unit: int, at: Instant, evidence: Evidence) -> None:
        """Add what counted in a unit at a time, now or before a reset."""
        reset_id = self.segments.find(unit, at)
        if reset_id is None:
            self._begun.add(unit)
            self._evidence[unit] = self._evidence.get(unit, NO_EVIDENCE).merge(evidence)
        else:
            self.segments.add_evidence(reset_id, unit, evidence)

    def void_declarations(self, user_ids: Collection[int]) -> None:
        """Disregard what users declared who do not exist."""
        for row in self.units.values():
            declaration = self.declared[row["unit_id"]].declaration
            if declaration is not None and declaration.user_id in user_ids:
                self.declared[row["unit_id"]] = NO_EVIDENCE

    def add_day(self, row: Row) -> Iterator[Difference]:
        """Add a study day; yield what its spans must not be."""
        day, text = row["day"], row["spans"]
        key = {**self.key, "day": day}
        try:
            spans_of = decode_spans(text)
        except msgspec.DecodeError:
            spans_of = {}
        self.days[day] = spans_of
        self._active_days.add(day)
        if not spans_of:
            yield Difference("study_days", key, "spans", text, "the spans of at least one unit")
        for unit_id, spans in spans_of.items():
            if unit_id != COURSE_ALONE and (self.course is None or unit_id not in self.course.structure.units):
                yield Difference("study_days", key, "spans", unit_id, _A_UNIT)
            if not spans or spans != study_time.union(spans) or spans[0][0] < 0 or spans[-1][1] > DAY:
                expected = "spans in order within the day that do not touch"
                yield Difference("study_days", key, "spans", {str(unit_id): spans}, expected)
            elif spans:
                self._see(unit_id, day * DAY + spans[-1][1])
                since = self.segments.counting.study_from(unit_id)
                if since is not None and day * DAY + spans[0][0] < since:
                    expected = f"study since {iso(since)}, for a reset did not keep what was before"
                    yield Difference("study_days", key, "spans", {str(unit_id): spans}, expected)

    def add_event(self, row: Row, *, is_archived: bool = False) -> Iterator[Difference]:
        """Add an event; yield what it must not be, and the study that it claims and that is not stored."""
        if not is_archived:
            # Those that were archived before weeks were kept may be missing among them.
            self._active_days.add(row["occurred_at"] // DAY)
        key: dict[str, int | str] = {"user_id": row["user_id"], "event_id": row["event_id"]}
        module_id, unit_id = row["module_id"], row["unit_id"]
        structure = None if self.course is None else self.course.structure
        if self.enrollment is None:
            yield Difference("learner_activity_logs", key, "course_id", row["course_id"], _AN_ENROLLMENT)
        if structure is not None and module_id is not None and module_id not in structure.module_ids:
            yield Difference("learner_activity_logs", key, "module_id", module_id, "a module of the course")
        if structure is not None and unit_id is not None and unit_id not in structure.units:
            yield Difference("learner_activity_logs", key, "unit_id", unit_id, _A_UNIT)
        for column, expected in mistimed(row):
            yield Difference("learner_activity_logs", key, column, row[column], expected)
        unit = unit_id or COURSE_ALONE
        self._see(unit, row["occurred_at"])
        evidence, uncounted = evidence_of(row), self._uncounted.pop(row["event_id"], None)
        if uncounted is None:
            self._add_evidence(unit, row["occurred_at"], evidence)
            if not self._ever_included(unit, row["occurred_at"]):
                yield Difference("uncounted_events", key, "event_id", None, "a row, for the unit was not open at the time")
        else:
            yield from self._uncounted_differences(key, uncounted, unit, row["occurred_at"], evidence)
        yield from self._claim_differences(row, unit)

    def _claim_differences(self, row: Row, unit: int) -> Iterator[Difference]:
        """Yield what of the study that an event claims is not stored."""
        claim = (row["occurred_at"] - row["claimed_ms"], row["occurred_at"])
        aside, counted = self.segments.counting.split(unit, claim)
        if not self.segments.covers(unit, aside):
            expected = f"unit {unit} studied during {list(aside)}, claimed by event {row['event_id']}"
            yield Difference("set_aside_days", self.key, "spans", None, expected)
        for day, span in study_time.by_day(counted):
            spans = self.days.get(day, {}).get(unit, [])
            if not covers(spans, span):
                expected = f"unit {unit} studied during {list(span)}, claimed by event {row['event_id']}"
                yield Difference("study_days", {**self.key, "day": day}, "spans", spans, expected)

    def differences(self) -> Iterator[Difference]:
        """Yield what of the roll-ups does not follow from the events and study days, once all are added."""
        for event_id in sorted(self._uncounted):
            key: dict[str, int | str] = {"user_id": self.key["user_id"], "event_id": event_id}
            yield Difference("uncounted_events", key, "event_id", event_id, "an event of the learner in the course")
        if self.enrollment is None:
            for day in self.days:
                yield Difference("study_days", {**self.key, "day": day}, "course_id", self.course_id, _AN_ENROLLMENT)
            for unit_id in self.units:
                key = {**self.key, "unit_id": unit_id}
                yield Difference("unit_progress", key, "course_id", self.course_id, _AN_ENROLLMENT)
        elif self.course is None:
            yield Difference("enrollments", self.key, "course_id", self.course_id, "a course that exists")
        else:
            yield from self._progress_differences(self.enrollment, self.course)

    def statistics(self) -> Counter[tuple[int, str]]:
        """Count what the stored rows add to the statistics of the course, by course and name."""
        added: list[Statistic] = []
        if self.enrollment is not None:
            row = self.enrollment
            dates = row["enrolled_at"], row["completed_at"], row["last_activity_at"]
            added += enrollment_statistics(EnrollmentStatus(row["status"]), row["percent"], *dates)
        for unit_id, row in self.units.items():
            seconds = duration_seconds(stored_evidence(row) or NO_EVIDENCE, row["study_ms"])
            is_complete = row["status"] == UnitStatus.COMPLETED
            is_only_declared = is_complete and row["met_rule"] is None
            added += unit_statistics(
                unit_id, is_complete=is_complete, is_only_declared=is_only_declared, duration_seconds=seconds
            )
        counted: Counter[tuple[int, str]] = Counter()
        for name, count in added:
            counted[self.course_id, name] += count
        return counted

    def _progress_differences(self, enrollment: Row, course: Course) -> Iterator[Difference]:
        earlier_times = {unit_id: self._all_times(unit_id) for unit_id in course.structure.units}
        yield from self.segments.differences(self.days, course.history, earlier_times)
        yield from compared("enrollments", self.key, enrollment, {"counts_from": self.segments.counting.text})
        if self.segments.had_certificate and enrollment["certificate_url"] is None:
            yield Difference(
                "enrollments", self.key, "certificate_url", None, "a certificate, for there was one before a reset"
            )
        for unit_id, declared in self.declared.items():
            self._evidence[unit_id] = self._evidence.get(unit_id, NO_EVIDENCE).merge(declared)
        counted: dict[int, Percent] = {}
        states, ordinal_of = 0, ordinals(course.structure.units)
        for unit_id in sorted((self.units.keys() | self._last_at.keys()) - {COURSE_ALONE}):
            if unit_id in course.structure.units:
                grade = self._grade(unit_id, course)
                counted[unit_id] = COMPLETE if grade.is_complete else grade.percent
                if self._is_begun(unit_id, grade):
                    states |= state_bits(ordinal_of[unit_id], is_complete=grade.is_complete)
                yield from self._unit_differences(unit_id, grade)
            elif unit_id in self.units:
                yield Difference("unit_progress", {**self.key, "unit_id": unit_id}, "unit_id", unit_id, _A_UNIT)
        yield from self._enrollment_differences(enrollment, counted, course)
        yield from compared("enrollments", self.key, enrollment, {"unit_states": write_states(states)})

    def _counted_times(self, unit_id: int) -> Times:
        """Return the times of a unit since it was last reset."""
        return self.segments.counting.times(unit_id, self._times(unit_id))

    def _times(self, unit_id: int) -> Times:
        unit = None if self.course is None else self.course.structure.units.get(unit_id)
        return ALWAYS if unit is None else unit.times

    def _all_times(self, unit_id: int) -> set[Times]:
        """Return the times of a unit, and those that it had before."""
        earlier = set() if self.course is None else self.course.history.times_of(unit_id)
        return {self._times(unit_id), *earlier}

    def _ever_included(self, unit_id: int, at: Instant) -> bool:
        """Return whether a unit is open at an instant, by its times or by earlier ones: what counted then still counts."""
        return self._times(unit_id).include(at) or any(times.include(at) for times in self._all_times(unit_id))

    def _uncounted_differences(
        self, key: dict[str, int | str], row: Row, unit_id: int, at: Instant, evidence: Evidence
    ) -> Iterator[Difference]:
        """Yield what is wrong about a row that says that an event does not count."""
        if self._counted_times(unit_id).include(at):
            yield Difference("uncounted_events", key, "event_id", key["event_id"], "no row, for the event counts")
        yield from compared("uncounted_events", key, row, {"unit_id": unit_id, "occurred_at": at})
        yield from compared_evidence("uncounted_events", key, row, evidence)

    def _see(self, unit_id: int, at: Instant) -> None:
        self._last_at[unit_id] = max(at, self._last_at.get(unit_id, at))

    def _studied(self, unit_id: int) -> Milliseconds:
        return sum(study_time.length(spans_of.get(unit_id, ())) for spans_of in self.days.values())

    def _studied_within(self, unit_id: int, times: Times) -> Milliseconds:
        """Return how much of the study in a unit lies within some times."""
        return sum(times.overlap_in_day(day, spans_of.get(unit_id, ())) for day, spans_of in self.days.items())

    def _is_begun(self, unit_id: int, grade: _Grade) -> bool:
        """Return whether a unit was begun. A client may have said that it was not, as long as nothing else says so."""
        row = self.units.get(unit_id)
        is_declared = row is not None and row["status"] != UnitStatus.NOT_STARTED
        is_seen = unit_id in self._begun or bool(self._studied_within(unit_id, self._counted_times(unit_id)))
        return bool(grade.percent) or grade.is_complete or is_seen or is_declared

    def _grade(self, unit_id: int, course: Course) -> _Grade:
        """Grade a unit by the rule that it records as met, or else by its present rule.

        An earlier rule counts if the unit had it at some time and the evidence meets it, with the study within the times that
        the unit has or had: evidence only grows, so what met a rule then meets it now.
        """
        unit = course.structure.units[unit_id]
        present, all_studied, times = unit.completion, self._studied(unit_id), self._counted_times(unit_id)
        studied = all_studied if times == ALWAYS else self._studied_within(unit_id, times)
        evidence = self._evidence.get(unit_id, NO_EVIDENCE).with_outside(all_studied - studied)
        if evidence.outside_ms is not None:
            self._evidence[unit_id] = evidence
        recorded, met = recorded_rule(self.units.get(unit_id)), None
        if recorded and course.history.had_rule(unit_id, recorded):
            counting = self.segments.counting
            most = max(self._studied_within(unit_id, counting.times(unit_id, each)) for each in self._all_times(unit_id))
            met = recorded if percent_by_rule(recorded, evidence, most) == COMPLETE else None
        if met is None and percent_by_rule(present, evidence, studied) == COMPLETE:
            met = present
        percent = COMPLETE if met else percent_of_unit(present, evidence, studied)
        return _Grade(met, percent, percent == COMPLETE or evidence.is_declared_complete)

    def _unit_differences(self, unit_id: int, grade: _Grade) -> Iterator[Difference]:
        key, row = {**self.key, "unit_id": unit_id}, self.units.get(unit_id)
        if row is None:
            yield Difference("unit_progress", key, "unit_id", None, "a row, for the learner was active in the unit")
            return
        declaration = self.declared[unit_id].declaration
        last_at = max(self._last_at.get(unit_id, 0), declaration.at if declaration else 0) or None
        unfinished = UnitStatus.IN_PROGRESS if self._is_begun(unit_id, grade) else UnitStatus.NOT_STARTED
        expected = {
            "percent": grade.percent,
            "status": UnitStatus.COMPLETED if grade.is_complete else unfinished,
            "study_ms": self._studied(unit_id),
            "completed_at": a_time(row["completed_at"]) if grade.is_complete else None,
            "met_rule": None if grade.met is None else grade.met.rule.value,
            "met_threshold": None if grade.met is None else grade.met.threshold,
            "last_activity_at": not_before(row["last_activity_at"], last_at),
        }
        yield from compared("unit_progress", key, row, expected)
        yield from compared_evidence("unit_progress", key, row, self._evidence.get(unit_id, NO_EVIDENCE))

    def _enrollment_differences(self, row: Row, counted: Mapping[int, Percent], course: Course) -> Iterator[Difference]:
        structure = course.structure
        percents = [counted.get(unit_id, 0) for unit_id in structure.required]
        was_completed = bool(percents) and all(percent == COMPLETE for percent in percents)
        revision = row["completed_revision"]
        is_believable = self._was_completed_at(revision, counted, course)
        if row["completed_at"] is not None and is_believable:
            # A completion stays when units are added to the course.
            was_completed = True
        traces = [*self._last_at.values(), *(unit["last_activity_at"] for unit in self.units.values())]
        has_activity = bool(traces) or row["last_activity_at"] is not None
        seen = [(unit["last_activity_at"], unit_id) for unit_id, unit in self.units.items() if unit_id in structure.units]
        last_unit_at, last_unit_id = max(seen, default=(None, None))
        status = EnrollmentStatus(row["status"])
        is_settled = was_completed if status is EnrollmentStatus.CERTIFIED else status not in _OPEN
        expected = {
            "percent": percent_of_course(sum(percents), len(percents)),
            "required_percents": sum(percents),
            "required_completed": sum(percent == COMPLETE for percent in percents),
            "study_ms": sum(_length_of_all(spans_of.values()) for spans_of in self.days.values()),
            "status": status if is_settled else earned(has_activity=has_activity, was_completed=was_completed),
            "completed_at": a_time(row["completed_at"]) if was_completed else None,
            "completed_revision": (revision if is_believable else _A_REVISION) if was_completed else None,
            "last_activity_at": not_before(row["last_activity_at"], max(traces, default=None)),
            "closed_at": None if status in OPEN and row["closed_at"] != CLOSED_FOR_GOOD else a_time(row["closed_at"]),
            "last_unit_at": last_unit_at,
            "last_unit_id": last_unit_id,
            "active_weeks": self._active_weeks(row),
        }
        yield from compared("enrollments", self.key, row, expected)
        metrics = self.segments.metrics()
        for evidence in self._evidence.values():
            metrics = metrics.merge(Evidence(engagement_metrics=evidence.engagement_metrics))
        yield from compared_evidence("enrollments", self.key, row, metrics)

    def _active_weeks(self, row: Row) -> str:
        """Return the stored weeks with those of all known activity; heartbeats and declarations may leave no other trace."""
        last_at = () if row["last_activity_at"] is None else (row["last_activity_at"] // DAY,)
        known = {week_of(day) for day in (*self._active_days, *last_at)}
        try:
            return add_weeks(row["active_weeks"], known)
        except ValueError:
            return add_weeks("", known)

    @staticmethod
    def _was_completed_at(revision: int | None, counted: Mapping[int, Percent], course: Course) -> bool:
        """Return whether the units that a revision of the course required are all complete: completed units stay complete."""
        if revision is None or revision > course.structure.revision:
            return False
        required = course.history.required_at(revision)
        return bool(required) and all(counted.get(unit_id) == COMPLETE for unit_id in required)


def _length_of_all(sets: Iterable[list[Span]]) -> Milliseconds:
    return study_time.length(study_time.union(span for spans in sets for span in spans))
