"""Moving progress: the one way in which study time, evidence and completion change, whatever contract they came by.

Everything merges by union or maximum, so the order and the number of times in which the same steps arrive do not matter.
"""

from collections.abc import Sequence
from copy import copy
from typing import Any, NamedTuple

import msgspec

from headway.courses.completion import COMPLETE, NO_EVIDENCE, Evidence, percent_of_course, percent_of_unit
from headway.courses.model import Outline
from headway.db.database import WriteTransaction
from headway.enrollments import store as enrollments
from headway.enrollments.model import Enrollment, LearnerInCourse
from headway.enrollments.statistics_store import Moves
from headway.enrollments.status import EnrollmentStatus, after_activity
from headway.feed import store as feed
from headway.instants import Day, Instant, Milliseconds
from headway.learning import store as activity
from headway.learning import study_time
from headway.learning.news import of_changes
from headway.learning.store import COURSE_ALONE, NO_DAY, DayKey, SpansByUnit, StateKey, UnitKey
from headway.learning.study_time import Moment, Span
from headway.learning.unit_progress import UnitProgress


class Walk:
    """The steps that one learner takes in one course within a transaction; the enrollment must be locked."""

    def __init__(self, enrollment: Enrollment, outline: Outline) -> None:
        self.enrollment = enrollment
        self.outline = outline
        self.learner: LearnerInCourse = (enrollment.user_id, enrollment.course_id)
        self.last_at: dict[int, Instant] = {}
        self.evidence: dict[int, Evidence] = {}
        self.claims: list[tuple[Day, int, Span]] = []
        self.started: set[int] = set()
        self.client_metadata: dict[int, dict[str, Any]] = {}

    def step(self, unit_id: int | None, moment: Moment, evidence: Evidence = NO_EVIDENCE, *, is_start: bool = True) -> None:
        """Take one step: in a unit, or in the course alone. Only one that says so itself is no start."""
        unit = unit_id or COURSE_ALONE
        if is_start:
            self.started.add(unit)
        known_at = self.last_at.get(unit)
        if known_at is None or moment.at > known_at:
            self.last_at[unit] = moment.at
        if evidence != NO_EVIDENCE:
            known = self.evidence.get(unit)
            self.evidence[unit] = evidence if known is None else known.merge(evidence)
        if moment.claimed:
            self.claims += [(day, unit, span) for day, span in study_time.by_day(moment.span)]

    def note(self, unit_id: int, client_metadata: dict[str, Any]) -> None:
        """Keep what a client wants to be kept with a unit, key by key."""
        self.client_metadata[unit_id] = {**self.client_metadata.get(unit_id, {}), **client_metadata}

    @property
    def keys(self) -> set[StateKey]:
        """What of the stored state the steps touch."""
        claimed = {(unit, day) for day, unit, _ in self.claims}
        unclaimed = self.last_at.keys() - {unit for unit, _ in claimed}
        return {(*self.learner, unit, day) for unit, day in [*claimed, *((unit, NO_DAY) for unit in unclaimed)]}


class _Changes:
    """What has to be written at the end."""

    def __init__(self) -> None:
        self.days: dict[DayKey, SpansByUnit] = {}
        self.units: list[UnitProgress] = []
        self.visible: dict[LearnerInCourse, list[UnitProgress]] = {}
        """Units whose status or percent is other than it was, by learner."""
        self.tallies = Moves()
        self.enrollments: list[Enrollment] = []
        self.nearer: dict[LearnerInCourse, _Gain] = {}
        """What the risen units that count add to the sums of their course, by learner."""


class _Gain(NamedTuple):
    """What units add to the sum of percents and to the number of completed units in a course."""

    percents: int = 0
    completed: int = 0


async def advance(tx: WriteTransaction, walks: Sequence[Walk], now: Instant) -> dict[UnitKey, UnitProgress]:
    """Merge the steps into what is stored: study days, unit progress, course progress, enrollment status and tallies.

    Live clients are told of what they can see, which has to come last in a transaction. Gives the progress in all units
    touched. The number of statements does not depend on how many walks or steps there are.
    """
    units, days = await activity.read_state(tx, set().union(*(walk.keys for walk in walks)))
    changes = _Changes()
    before = [copy(walk.enrollment) for walk in walks]
    for walk in walks:
        studied = _merge_claims(walk, days, changes)
        _move_units(walk, units, studied, changes, now)
        _move_course(walk, changes)
    if changes.nearer:
        # Read before the units are written: what they gain is added to it.
        reached = await activity.required_progress(tx, list(changes.nearer))
        for walk in walks:
            if walk.learner in changes.nearer:
                _near_completion(walk, reached.get(walk.learner, (0, 0)), changes.nearer[walk.learner], now)
    for walk, earlier in zip(walks, before, strict=True):
        changes.tallies.move(walk.learner[1], earlier, walk.enrollment)
    await activity.number(tx, changes.units)
    await tx.write_rows(
        activity.day_rows(changes.days),
        activity.unit_rows(changes.units, now),
        enrollments.progress_rows(changes.enrollments, now),
        changes.tallies.rows(tx.shard),
    )
    news = [
        change
        for walk, earlier in zip(walks, before, strict=True)
        for change in of_changes(earlier, walk.enrollment, walk.outline.title, changes.visible.get(walk.learner, ()))
    ]
    await feed.publish(tx, news, now)
    return units


def merged_metadata(stored: str | None, noted: dict[str, Any]) -> str:
    """Overwrite what is stored, key by key; give the JSON text."""
    known: dict[str, Any] = msgspec.json.decode(stored) if stored else {}
    return msgspec.json.encode({**known, **noted}).decode()


def _merge_claims(walk: Walk, days: dict[DayKey, SpansByUnit], changes: _Changes) -> dict[int, Milliseconds]:
    """Unite claims with the stored spans; give each unit's gain in study time, and add the course's."""
    gained: dict[int, Milliseconds] = {}
    for day, unit, claim in walk.claims:
        key = (*walk.learner, day)
        spans_of = days[key]
        walk.enrollment.study_ms += study_time.uncovered(claim, spans_of.values())
        gain = study_time.unite(spans_of.setdefault(unit, []), claim)
        if gain:
            gained[unit] = gained.get(unit, 0) + gain
            changes.days[key] = spans_of
    return gained


def _move_units(
    walk: Walk, units: dict[UnitKey, UnitProgress], gained: dict[int, Milliseconds], changes: _Changes, now: Instant
) -> None:
    for unit_id, last_at in walk.last_at.items():
        if unit_id == COURSE_ALONE:
            continue
        key = (*walk.learner, unit_id)
        stored = units.get(key)
        progress = stored or UnitProgress(
            *key, None, False, False, 0, 0, NO_EVIDENCE, None, last_at, None, created_at=now, updated_at=now
        )
        units[key] = progress
        evidence = progress.evidence.merge(walk.evidence.get(unit_id, NO_EVIDENCE))
        studied = progress.study_ms + gained.get(unit_id, 0)
        is_started = progress.is_started or unit_id in walk.started
        noted = walk.client_metadata.get(unit_id)
        is_news = (
            stored is None
            or noted
            or (evidence, studied, is_started)
            != (
                progress.evidence,
                progress.study_ms,
                progress.is_started,
            )
        )
        if is_news or last_at > progress.last_activity_at:
            earlier = copy(stored)
            progress.evidence, progress.study_ms, progress.is_started = evidence, studied, is_started
            progress.last_activity_at = max(last_at, progress.last_activity_at)
            if noted:
                progress.client_metadata = merged_metadata(progress.client_metadata, noted)
            changes.units.append(progress)
            _raise_percent(progress, walk, changes, now)
            changes.tallies.move(walk.learner[1], earlier, progress)
            if earlier is None or (earlier.status, earlier.percent) != (progress.status, progress.percent):
                changes.visible.setdefault(walk.learner, []).append(progress)


def _raise_percent(progress: UnitProgress, walk: Walk, changes: _Changes, now: Instant) -> None:
    """Apply the unit's completion rule; a percent never falls and a completion stays."""
    unit = walk.outline.units[progress.unit_id]
    before, was_complete = progress.counted, progress.is_complete
    progress.percent = max(percent_of_unit(unit.completion, progress.evidence, progress.study_ms), progress.percent)
    if not was_complete and (progress.percent == COMPLETE or progress.evidence.is_declared_complete):
        progress.is_complete, progress.completed_at = True, now
    if unit.counts and progress.counted > before:
        percents, completed = changes.nearer.get(walk.learner, _Gain())
        newly = progress.is_complete and not was_complete
        changes.nearer[walk.learner] = _Gain(percents + progress.counted - before, completed + newly)


def _move_course(walk: Walk, changes: _Changes) -> None:
    enrollment = walk.enrollment
    for evidence in walk.evidence.values():
        metrics_alone = Evidence(engagement_metrics=evidence.engagement_metrics)
        enrollment.evidence = enrollment.evidence.merge(metrics_alone)
    last_at = max(walk.last_at.values())
    enrollment.last_activity_at = max(last_at, enrollment.last_activity_at or last_at)
    enrollment.status = after_activity(enrollment.status, all_required_complete=False)
    changes.enrollments.append(enrollment)


def _near_completion(walk: Walk, reached: tuple[int, int], gain: _Gain, now: Instant) -> None:
    """Add what the units gained to what the required ones had reached, and move the course accordingly."""
    percents, completed = reached[0] + gain.percents, reached[1] + gain.completed
    required, enrollment = walk.outline.required_units, walk.enrollment
    enrollment.percent = max(enrollment.percent, percent_of_course(percents, required))
    enrollment.status = after_activity(enrollment.status, all_required_complete=completed >= required)
    if enrollment.status is EnrollmentStatus.COMPLETED and enrollment.completed_at is None:
        enrollment.completed_at = now
