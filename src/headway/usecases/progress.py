"""Moving progress: the one way in which study time, evidence and completion change, whatever contract they came by.

Everything merges by union or maximum, so the order and the number of times in which the same steps arrive do not matter.
"""

from collections.abc import Sequence
from typing import NamedTuple

from headway.domain import study_time
from headway.domain.catalogue import Outline
from headway.domain.completion import COMPLETE, NO_EVIDENCE, Evidence, percent_of_course, percent_of_unit
from headway.domain.enrollment_status import EnrollmentStatus, after_activity
from headway.domain.instants import Day, Instant, Milliseconds
from headway.domain.study_time import Moment, Span
from headway.storage import activity, enrollments
from headway.storage.activity import COURSE_ALONE, NO_DAY, DayKey, SpansByUnit, StateKey, UnitKey, UnitProgress
from headway.storage.database import WriteTransaction
from headway.storage.enrollments import Enrollment, LearnerInCourse


class Walk:
    """The steps that one learner takes in one course within a transaction; the enrollment must be locked."""

    def __init__(self, enrollment: Enrollment, outline: Outline) -> None:
        self.enrollment = enrollment
        self.outline = outline
        self.learner: LearnerInCourse = (enrollment.user_id, enrollment.course_id)
        self.last_at: dict[int, Instant] = {}
        self.evidence: dict[int, Evidence] = {}
        self.claims: list[tuple[Day, int, Span]] = []

    def step(self, unit_id: int | None, moment: Moment, evidence: Evidence = NO_EVIDENCE) -> None:
        """Take one step: in a unit, or in the course alone."""
        unit = unit_id or COURSE_ALONE
        known_at = self.last_at.get(unit)
        if known_at is None or moment.at > known_at:
            self.last_at[unit] = moment.at
        if evidence != NO_EVIDENCE:
            known = self.evidence.get(unit)
            self.evidence[unit] = evidence if known is None else known.merge(evidence)
        if moment.claimed:
            self.claims += [(day, unit, span) for day, span in study_time.by_day(moment.span)]

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
        self.enrollments: list[Enrollment] = []
        self.nearer: dict[LearnerInCourse, _Gain] = {}
        """What the risen units that count add to the sums of their course, by learner."""


class _Gain(NamedTuple):
    """What units add to the sum of percents and to the number of completed units in a course."""

    percents: int = 0
    completed: int = 0


async def advance(tx: WriteTransaction, walks: Sequence[Walk], now: Instant) -> None:
    """Merge the steps into what is stored: study days, unit progress, course progress and enrollment status.

    The number of statements does not depend on how many walks or steps there are.
    """
    units, days = await activity.read_state(tx, set().union(*(walk.keys for walk in walks)))
    changes = _Changes()
    for walk in walks:
        studied = _merge_claims(walk, days, changes)
        _move_units(walk, units, studied, changes, now)
        _move_course(walk, changes)
    if changes.nearer:
        # Read before the units are written: what they gain is added to it.
        reached = await enrollments.required_progress(tx, list(changes.nearer))
        for walk in walks:
            if walk.learner in changes.nearer:
                _near_completion(walk, reached.get(walk.learner, (0, 0)), changes.nearer[walk.learner], now)
    await tx.write_rows(
        activity.day_rows(changes.days),
        activity.unit_rows(changes.units, now),
        enrollments.progress_rows(changes.enrollments, now),
    )


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
        stored = units.get((*walk.learner, unit_id))
        progress = stored or UnitProgress(*walk.learner, unit_id, False, 0, 0, NO_EVIDENCE, last_at, None, now)
        evidence = progress.evidence.merge(walk.evidence.get(unit_id, NO_EVIDENCE))
        studied = progress.study_ms + gained.get(unit_id, 0)
        is_news = stored is None or evidence != progress.evidence or studied != progress.study_ms
        if is_news or last_at > progress.last_activity_at:
            progress.evidence, progress.study_ms = evidence, studied
            progress.last_activity_at = max(last_at, progress.last_activity_at)
            changes.units.append(progress)
            _raise_percent(progress, walk, changes, now)


def _raise_percent(progress: UnitProgress, walk: Walk, changes: _Changes, now: Instant) -> None:
    """Apply the unit's completion rule; a percent never falls and a completion stays."""
    unit = walk.outline.units[progress.unit_id]
    percent = percent_of_unit(unit.completion, progress.evidence, progress.study_ms)
    if percent <= progress.percent:
        return
    before, was_complete = progress.counted, progress.is_complete
    progress.percent = percent
    if percent == COMPLETE and not was_complete:
        progress.is_complete, progress.completed_at = True, now
    if unit.counts:
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
