"""Moving progress: the one way in which study time, evidence and completion change, whatever contract they came by.

Everything merges by union or maximum, so the order and the number of times in which the same steps arrive do not matter.
"""

from collections.abc import Sequence

from headway.domain import study_time
from headway.domain.catalogue import Outline
from headway.domain.completion import COMPLETE, NO_EVIDENCE, Evidence, percent_of_course, percent_of_unit
from headway.domain.enrollment_status import EnrollmentStatus, after_activity
from headway.domain.instants import Day, Instant, Milliseconds
from headway.domain.study_time import Moment, Span
from headway.storage import activity, enrollments
from headway.storage.activity import COURSE_ALONE, DayKey, SpansByUnit, UnitKey, UnitProgress
from headway.storage.database import RowsToWrite, WriteTransaction
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
    def day_keys(self) -> list[DayKey]:
        """The stored days that the claims fall on."""
        return [(*self.learner, day) for day in {day for day, _, _ in self.claims}]

    @property
    def unit_keys(self) -> list[UnitKey]:
        """The units stepped in."""
        return [(*self.learner, unit) for unit in self.last_at if unit != COURSE_ALONE]


class _Changes:
    """What has to be written at the end."""

    def __init__(self) -> None:
        self.days: dict[DayKey, SpansByUnit] = {}
        self.units: list[UnitProgress] = []
        self.enrollments: list[Enrollment] = []
        self.nearer: list[Walk] = []
        """Walks in which a unit's percent rose, so that the course's has to be added up again."""


async def advance(tx: WriteTransaction, walks: Sequence[Walk], now: Instant) -> None:
    """Merge the steps into what is stored: study days, unit progress, course progress and enrollment status.

    The number of statements does not depend on how many walks or steps there are.
    """
    days = await activity.read_days(tx, [key for walk in walks for key in walk.day_keys])
    units = await activity.read_units(tx, [key for walk in walks for key in walk.unit_keys])
    changes = _Changes()
    for walk in walks:
        studied = _merge_claims(walk, days, changes)
        _move_units(walk, units, studied, changes, now)
        _move_course(walk, changes)
    moved: tuple[RowsToWrite, ...] = (activity.day_rows(changes.days), activity.unit_rows(changes.units, now))
    if changes.nearer:
        await tx.write_rows(*moved)
        moved = ()
        await _near_completion(tx, changes, now)
    await tx.write_rows(*moved, enrollments.progress_rows(changes.enrollments, now))


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
    is_nearer = False
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
            is_nearer |= _raise_percent(progress, walk.outline, now)
            changes.units.append(progress)
    if is_nearer:
        changes.nearer.append(walk)


def _raise_percent(progress: UnitProgress, outline: Outline, now: Instant) -> bool:
    """Apply the unit's completion rule; a percent never falls and a completion stays. Say whether the percent rose."""
    completion = outline.units[progress.unit_id].completion
    percent = percent_of_unit(completion, progress.evidence, progress.study_ms)
    if percent <= progress.percent:
        return False
    progress.percent = percent
    if percent == COMPLETE and not progress.is_complete:
        progress.is_complete, progress.completed_at = True, now
    return True


def _move_course(walk: Walk, changes: _Changes) -> None:
    enrollment = walk.enrollment
    for evidence in walk.evidence.values():
        metrics_alone = Evidence(engagement_metrics=evidence.engagement_metrics)
        enrollment.evidence = enrollment.evidence.merge(metrics_alone)
    last_at = max(walk.last_at.values())
    enrollment.last_activity_at = max(last_at, enrollment.last_activity_at or last_at)
    enrollment.status = after_activity(enrollment.status, all_required_complete=False)
    changes.enrollments.append(enrollment)


async def _near_completion(tx: WriteTransaction, changes: _Changes, now: Instant) -> None:
    """Add up the required units of those courses in which a unit moved."""
    reached = await enrollments.required_progress(tx, [walk.learner for walk in changes.nearer])
    for walk in changes.nearer:
        percents, completed = reached.get(walk.learner, (0, 0))
        required = walk.outline.required_units
        enrollment = walk.enrollment
        enrollment.percent = max(enrollment.percent, percent_of_course(percents, required))
        is_done = required > 0 and completed >= required
        status = after_activity(enrollment.status, all_required_complete=is_done)
        if status is EnrollmentStatus.COMPLETED and enrollment.completed_at is None:
            enrollment.completed_at = now
        enrollment.status = status
