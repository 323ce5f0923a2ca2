"""Change progress: the only way in which study time, evidence and completion change, whatever contract the request used.

Everything merges by union or maximum, so order and repetition of the same steps do not matter.
"""

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from typing import Any

import msgspec

from headway.courses.completion import NO_EVIDENCE, Evidence, percent_of_course
from headway.courses.structure import CourseStructure
from headway.db.database import WriteTransaction
from headway.enrollments import statistics_store
from headway.enrollments import store as enrollments
from headway.enrollments.announcements import enrollment_updated, progress_updated
from headway.enrollments.model import Enrollment, LearnerInCourse
from headway.enrollments.statistics import StatisticsDelta
from headway.enrollments.status import after_activity
from headway.feed import store as feed
from headway.feed.model import NewFeedEntry, UnitUpdated
from headway.instants import DAY, Day, Instant, Milliseconds
from headway.learning import store as activity
from headway.learning import study_time
from headway.learning.completions import ModuleStates, completions, module_states
from headway.learning.counting import counting_of, times_in
from headway.learning.group_store import Group, read_group
from headway.learning.model import has_returned
from headway.learning.set_aside_store import add_to_set_aside
from headway.learning.store import COURSE_ALONE, NO_DAY, DayKey, EventRow, SpansByUnit, StateKey, UnitKey
from headway.learning.study_time import Span, Timing
from headway.learning.uncounted_store import UncountedEvent, uncounted_rows
from headway.learning.unit_progress import UnitProgress, UnitStatus


class ProgressChange:
    """The steps that one learner takes in one course within a transaction; the enrollment must be locked."""

    def __init__(self, enrollment: Enrollment, structure: CourseStructure) -> None:
        self.enrollment = enrollment
        self.structure = structure
        self.learner: LearnerInCourse = (enrollment.user_id, enrollment.course_id)
        self.last_at: dict[int, Instant] = {}
        self.evidence: dict[int, Evidence] = {}
        self.claims: dict[tuple[Day, int], list[Span]] = {}
        """The spans that are claimed, by day and unit."""
        self.days: set[Day] = set()
        """The days on which the steps ended, and those of which they claim study."""
        self.started: set[int] = set()
        self.client_metadata: dict[int, dict[str, Any]] = {}
        self.completed: list[int] = []
        """The units that the steps complete."""
        self.times_of = times_in(enrollment, structure)
        """The times at which what the learner does counts for a unit; None for always."""
        self.set_aside: dict[tuple[Day, int], list[Span]] = {}
        """The claims of study that do not count, because a reset did not keep study time from before."""
        self._counting = None if enrollment.counts_from is None else counting_of(enrollment)

    def step(
        self,
        unit_id: int | None,
        timing: Timing,
        evidence: Evidence = NO_EVIDENCE,
        *,
        is_start: bool = True,
        is_command: bool = False,
    ) -> None:
        """Add one step: in a unit, or in the course alone. Without `is_start` it does not begin the unit.

        A step outside of the times of the unit, or before it was reset, leaves no evidence, and begins it only by study that it
        claims within them. A command counts by its turn: a reset before it does not touch it, whatever its time is.
        """
        unit = unit_id or COURSE_ALONE
        times = self.structure.timed.get(unit) if is_command else self.times_of(unit)
        if times is not None and not times.include(timing.at):
            evidence, is_start = NO_EVIDENCE, is_start and times.overlap(timing.span) > 0
        if is_start:
            self.started.add(unit)
        self.days.add(timing.at // DAY)
        known_at = self.last_at.get(unit)
        if known_at is None or timing.at > known_at:
            self.last_at[unit] = timing.at
        if evidence != NO_EVIDENCE:
            known = self.evidence.get(unit)
            self.evidence[unit] = evidence if known is None else known.merge(evidence)
        if timing.claimed:
            claim = timing.span if self._counting is None else self._without_set_aside(unit, timing.span)
            for day, span in study_time.by_day(claim):
                self.days.add(day)
                self.claims.setdefault((day, unit), []).append(span)

    def _without_set_aside(self, unit: int, span: Span) -> Span:
        """Return the part of a claim that counts as study time, and keep the other one."""
        assert self._counting is not None  # noqa: S101 - asked by the caller
        aside, counted = self._counting.split(unit, span)
        for day, part in study_time.by_day(aside):
            self.days.add(day)
            self.set_aside.setdefault((day, unit), []).append(part)
        return counted

    def note(self, unit_id: int, client_metadata: dict[str, Any]) -> None:
        """Add metadata that the client stores with a unit, key by key."""
        self.client_metadata[unit_id] = {**self.client_metadata.get(unit_id, {}), **client_metadata}

    @property
    def keys(self) -> set[StateKey]:
        """Return the keys of the stored state that the steps change."""
        claimed = {(unit, day) for day, unit in self.claims}
        unclaimed = self.last_at.keys() - {unit for unit, _ in claimed}
        return {(*self.learner, unit, day) for unit, day in [*claimed, *((unit, NO_DAY) for unit in unclaimed)]}


class _Writes:
    """Collects the rows to write at the end."""

    def __init__(self) -> None:
        self.days: dict[DayKey, SpansByUnit] = {}
        self.units: list[UnitProgress] = []
        self.changed_units: dict[LearnerInCourse, list[UnitProgress]] = {}
        """Units whose status or percent changed, by learner."""
        self.statistics = StatisticsDelta()
        self.enrollments: list[Enrollment] = []


async def advance(
    tx: WriteTransaction,
    changes: Sequence[ProgressChange],
    now: Instant,
    *,
    group: Group | None = None,
    events: Sequence[EventRow] = (),
    uncounted: Sequence[UncountedEvent] = (),
) -> dict[UnitKey, UnitProgress]:
    """Merge the steps into what is stored: study days, unit progress, course progress, enrollment status and statistics.

    `group` is what was read of it already; `events` are the new events that take the steps, `uncounted` those of them that lie
    outside of the times of their units. Return the progress in all changed units. It publishes feed entries, so it must come
    last in a transaction. The number of statements does not depend on the number of changes and steps. Raises Raced if another
    transaction has stored one of the events meanwhile.
    """
    if group is None:
        group = await read_group(tx, set().union(*(change.keys for change in changes)))
    units, days = group.units, group.days
    writes = _Writes()
    before = [copy(change.enrollment) for change in changes]
    for change in changes:
        studied, outside = _merge_claims(change, days, writes)
        _merge_units(change, units, studied, outside, writes, now)
        _merge_course(change, units, writes, now)
    for change, earlier in zip(changes, before, strict=True):
        writes.statistics.replace(change.learner[1], earlier, change.enrollment)
    await activity.assign_ids(tx, writes.units)
    aside = [change for change in changes if change.set_aside]
    await tx.write_rows(
        activity.day_rows(writes.days),
        activity.unit_rows(writes.units, now),
        *enrollments.progress_rows(before, writes.enrollments, now),
        statistics_store.delta_rows(writes.statistics, tx.shard),
        *([uncounted_rows(uncounted)] if uncounted else ()),
        *([await add_to_set_aside(tx, {change.learner: change.set_aside for change in aside})] if aside else ()),
        new=activity.new_events(events),
    )
    entries = [
        entry
        for change, earlier in zip(changes, before, strict=True)
        for entry in _progress_entries(
            earlier, change.enrollment, change.structure, writes.changed_units.get(change.learner, ())
        )
    ]
    if entries:
        await feed.publish(tx, entries, now)
    _announce(tx, changes, before)
    return units


def _announce(tx: WriteTransaction, changes: Sequence[ProgressChange], before: Sequence[Enrollment]) -> None:
    """Announce what the changes have completed."""
    modules: dict[int, ModuleStates] = {}
    for change, earlier in zip(changes, before, strict=True):
        structure, enrollment = change.structure, change.enrollment
        if change.completed or enrollment.completed_at != earlier.completed_at:
            if structure.course_id not in modules:
                modules[structure.course_id] = module_states(structure)
            states = modules[structure.course_id]
            tx.announce(
                *completions(structure, earlier, enrollment, change.completed, modules_before=states, modules_after=states)
            )


def merged_metadata(stored: str | None, noted: dict[str, Any]) -> str:
    """Return stored metadata with these keys overwritten, as JSON text."""
    known: dict[str, Any] = msgspec.json.decode(stored) if stored else {}
    return msgspec.json.encode({**known, **noted}).decode()


def _merge_claims(
    change: ProgressChange, days: dict[DayKey, SpansByUnit], writes: _Writes
) -> tuple[dict[int, Milliseconds], dict[int, Milliseconds]]:
    """Merge claims into the stored spans and add to the study time of the course.

    Return the gain of each unit, and how much of it lies outside of the times of the unit.
    """
    gained: dict[int, Milliseconds] = {}
    outside: dict[int, Milliseconds] = {}
    for (day, unit), claims in change.claims.items():
        key = (*change.learner, day)
        spans_of = days[key]
        times = change.times_of(unit)
        joined = study_time.union(claims) if len(claims) > 1 else claims
        for claim in joined if times is None else times.cut(day, joined):
            change.enrollment.study_ms += study_time.uncovered(claim, spans_of.values())
            gain = study_time.unite(spans_of.setdefault(unit, []), claim)
            if gain:
                gained[unit] = gained.get(unit, 0) + gain
                writes.days[key] = spans_of
                if times is not None and not times.include(day * DAY + claim[0]):
                    outside[unit] = outside.get(unit, 0) + gain
    return gained, outside


def _merge_units(
    change: ProgressChange,
    units: dict[UnitKey, UnitProgress],
    gained: Mapping[int, Milliseconds],
    outside: Mapping[int, Milliseconds],
    writes: _Writes,
    now: Instant,
) -> None:
    for unit_id, last_at in change.last_at.items():
        if unit_id == COURSE_ALONE:
            continue
        key = (*change.learner, unit_id)
        stored = units.get(key)
        progress = stored or UnitProgress(
            *key, None, False, False, 0, 0, NO_EVIDENCE, None, last_at, None, created_at=now, updated_at=now
        )
        units[key] = progress
        evidence = progress.evidence.merge(change.evidence.get(unit_id, NO_EVIDENCE))
        if unit_id in outside:
            evidence = evidence.with_outside((evidence.outside_ms or 0) + outside[unit_id])
        studied = progress.study_ms + gained.get(unit_id, 0)
        is_started = progress.is_started or unit_id in change.started
        noted = change.client_metadata.get(unit_id)
        is_news = (
            stored is None
            or noted
            or (evidence, studied, is_started) != (progress.evidence, progress.study_ms, progress.is_started)
        )
        if is_news or last_at > progress.last_activity_at:
            earlier = copy(stored)
            progress.evidence, progress.study_ms, progress.is_started = evidence, studied, is_started
            progress.last_activity_at = max(last_at, progress.last_activity_at)
            if noted:
                progress.client_metadata = merged_metadata(progress.client_metadata, noted)
            writes.units.append(progress)
            _raise_percent(progress, change, now)
            writes.statistics.replace(change.learner[1], earlier, progress)
            if earlier is None or has_returned(earlier.last_activity_at, last_at) or _differs(earlier, progress):
                writes.changed_units.setdefault(change.learner, []).append(progress)
                _trace_unit(change, earlier, progress)


def _differs(before: UnitProgress, after: UnitProgress) -> bool:
    return (before.status, before.percent) != (after.status, after.percent)


def _raise_percent(progress: UnitProgress, change: ProgressChange, now: Instant) -> None:
    """Apply the unit's completion rule, and add what a required unit gains to the sums of the course."""
    unit = change.structure.units[progress.unit_id]
    before, was_complete = progress.counted, progress.is_complete
    progress.grade(unit.completion, now)
    if unit.id in change.structure.required:
        change.enrollment.required_percents += progress.counted - before
        change.enrollment.required_completed += progress.is_complete and not was_complete


def _trace_unit(change: ProgressChange, before: UnitProgress | None, progress: UnitProgress) -> None:
    """Note in the enrollment that a unit was begun or completed."""
    status = progress.status
    if status is not UnitStatus.NOT_STARTED and (before is None or before.status is not status):
        change.enrollment.trace_unit(change.structure.ordinal(progress.unit_id), is_complete=progress.is_complete)
        if progress.is_complete:
            change.completed.append(progress.unit_id)


def _merge_course(change: ProgressChange, units: Mapping[UnitKey, UnitProgress], writes: _Writes, now: Instant) -> None:
    """Raise the enrollment to what its units come to."""
    enrollment, required = change.enrollment, len(change.structure.required)
    for unit_id, evidence in change.evidence.items():
        if evidence.engagement_metrics is not None:
            # The share of a video is that of all that was played of it.
            whole = evidence if evidence.video is None else units[*change.learner, unit_id].evidence
            metrics_alone = Evidence(engagement_metrics=whole.engagement_metrics)
            enrollment.evidence = enrollment.evidence.merge(metrics_alone)
    for unit_id in change.last_at.keys() - {COURSE_ALONE}:
        enrollment.see_unit(unit_id, units[*change.learner, unit_id].last_activity_at)
    enrollment.trace_days(change.days)
    last_at = max(change.last_at.values())
    enrollment.last_activity_at = max(last_at, enrollment.last_activity_at or last_at)
    enrollment.percent = max(enrollment.percent, percent_of_course(enrollment.required_percents, required))
    is_complete = 0 < required <= enrollment.required_completed
    enrollment.status = after_activity(enrollment.status, all_required_complete=is_complete)
    if is_complete and enrollment.completed_at is None:
        # Also of somebody who left: work from before is told late, and whoever enrolls again has what was earned.
        enrollment.completed_at, enrollment.completed_revision = now, change.structure.revision
    writes.enrollments.append(enrollment)


def _progress_entries(
    before: Enrollment, after: Enrollment, structure: CourseStructure, units: Collection[UnitProgress]
) -> list[NewFeedEntry]:
    """Announce what changed in an enrollment, or that the learner has returned to the course.

    `units` are those whose status or percent changed, or to which the learner has returned.
    """
    updated = [UnitUpdated(str(unit.unit_id), unit.status, unit.percent / 100) for unit in units]
    if after.status is not before.status:
        return enrollment_updated(after, structure.title, updated, hidden=structure.hidden)
    is_told = updated or after.percent != before.percent or has_returned(before.last_activity_at, after.last_activity_at)
    return progress_updated(after, updated, hidden=structure.hidden) if is_told else []
