"""Resets of a learner's progress, what was reached before them, and the attempts that they end: pure rules."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from headway.courses.completion import COMPLETE, NO_EVIDENCE, Completion, Evidence, Percent
from headway.courses.grading import GradingHistory
from headway.courses.structure import CourseStructure
from headway.enrollments.model import Enrollment
from headway.enrollments.status import LIMITED, EnrollmentStatus, earned
from headway.errors import NotFound
from headway.instants import Instant, Milliseconds
from headway.learning.counting import Counting, ResetUnits
from headway.learning.unit_progress import UnitProgress, UnitStatus

MAX_REASON = 1_000
MAX_RESETS = 1_000
"""Of a learner in a course: each list shows them all."""


class ResetScope(StrEnum):
    """How much a reset is of."""

    UNIT = "unit"
    MODULE = "module"
    COURSE = "course"


class ResetRequest(NamedTuple):
    """What to reset: a unit, a module, or, without either, the course. An attempt is a new beginning of the course."""

    module_id: int | None = None
    unit_id: int | None = None
    keeps_study: bool = True
    reason: str | None = None
    is_attempt: bool = False


class Before(msgspec.Struct, frozen=True, omit_defaults=True):
    """An enrollment as it was before a reset. `renewed_at` is its date of enrollment after it, if that is another one."""

    status: EnrollmentStatus
    percent: Percent
    study_ms: Milliseconds
    enrolled_at: Instant
    completed_at: Instant | None = None
    completed_revision: int | None = None
    certificate_url: str | None = None
    access_until: Instant | None = None
    required_units: int = 0
    completed_units: int = 0
    evidence: Evidence = NO_EVIDENCE
    renewed_at: Instant | None = None


class Reset(msgspec.Struct, frozen=True):
    """Progress of a learner that counts from `counts_from` on, unless the reset was undone.

    `unit_ids` are the units that it is of; None for all of the course, those too that come later.
    """

    user_id: int
    course_id: int
    id: int
    module_id: int | None
    unit_id: int | None
    unit_ids: tuple[int, ...] | None
    keeps_study: bool
    is_attempt: bool
    reason: str | None
    reset_by: int
    reset_at: Instant
    counts_from: Instant
    before: Before
    undone_at: Instant | None = None
    undone_by: int | None = None

    @property
    def scope(self) -> ResetScope:
        """How much it is of."""
        if self.unit_id is not None:
            return ResetScope.UNIT
        return ResetScope.COURSE if self.module_id is None else ResetScope.MODULE

    @property
    def is_undone(self) -> bool:
        """Whether it was undone."""
        return self.undone_at is not None

    def is_known_to_learner(self, hidden: Collection[int]) -> bool:
        """Return whether the learner may know of it: not if all the units that it is of are hidden."""
        return self.unit_ids is None or any(unit_id not in hidden for unit_id in self.unit_ids)


def reset_not_found() -> NotFound:
    """Return the error for a reset that this learner does not have in the course."""
    return NotFound("There is no such reset.", code="RESET_NOT_FOUND")


def active(resets: Iterable[Reset]) -> list[Reset]:
    """Return those that are not undone, the oldest first."""
    return sorted((each for each in resets if not each.is_undone), key=lambda each: each.counts_from)


def counting_after(resets: Iterable[Reset]) -> Counting:
    """Return since when progress counts after resets."""
    return Counting.after(ResetUnits(each.counts_from, each.unit_ids, each.keeps_study) for each in active(resets))


class EarlierUnit(NamedTuple):
    """Unit progress as it was before a reset. How much study counted for it is not among its evidence."""

    unit_id: int
    status: UnitStatus
    percent: Percent
    study_ms: Milliseconds
    evidence: Evidence
    client_metadata: str | None
    completed_at: Instant | None
    met: Completion | None

    @classmethod
    def of(cls, progress: UnitProgress) -> "EarlierUnit":
        """Return progress as it is now."""
        return cls(
            progress.unit_id,
            progress.status,
            progress.percent,
            progress.study_ms,
            progress.evidence.with_outside(0),
            progress.client_metadata,
            progress.completed_at,
            progress.met,
        )


def has_progress(progress: UnitProgress, *, keeps_study: bool) -> bool:
    """Return whether a reset of a unit would take anything away."""
    is_known = progress.evidence.with_outside(0) != NO_EVIDENCE or progress.client_metadata is not None
    return progress.is_started or is_known or progress.percent > 0 or (progress.study_ms > 0 and not keeps_study)


def clear(progress: UnitProgress, *, keeps_study: bool) -> None:
    """Set a unit back to before it was begun; when the learner was last active in it stays."""
    progress.is_started = progress.is_complete = False
    progress.percent, progress.completed_at, progress.met, progress.client_metadata = 0, None, None, None
    progress.study_ms = progress.study_ms if keeps_study else 0
    progress.evidence = NO_EVIDENCE.with_outside(progress.study_ms)


def restore(progress: UnitProgress, earlier: EarlierUnit) -> None:
    """Merge what was reached before a reset with what was reached since; study is counted by the caller."""
    progress.evidence = progress.evidence.with_outside(0).merge(earlier.evidence)
    progress.is_started |= earlier.status is not UnitStatus.NOT_STARTED
    progress.is_complete |= earlier.status is UnitStatus.COMPLETED
    completions = [at for at in (earlier.completed_at, progress.completed_at) if at is not None]
    progress.completed_at = min(completions, default=None)
    progress.met = earlier.met or progress.met
    if earlier.client_metadata is not None:
        known = msgspec.json.decode(earlier.client_metadata)
        newer = msgspec.json.decode(progress.client_metadata) if progress.client_metadata else {}
        progress.client_metadata = msgspec.json.encode({**known, **newer}).decode()


def before_reset(enrollment: Enrollment, structure: CourseStructure) -> Before:
    """Return an enrollment as it is now."""
    return Before(
        status=enrollment.status,
        percent=enrollment.percent,
        study_ms=enrollment.study_ms,
        enrolled_at=enrollment.enrolled_at,
        completed_at=enrollment.completed_at,
        completed_revision=enrollment.completed_revision,
        certificate_url=enrollment.certificate_url,
        access_until=enrollment.access_until,
        required_units=len(structure.required),
        completed_units=enrollment.required_completed,
        evidence=enrollment.evidence,
    )


def settle_completion(
    enrollment: Enrollment, completed: Collection[int], structure: CourseStructure, history: GradingHistory, now: Instant
) -> None:
    """Keep a completion while the units of which it was are complete, or those of which it would be now; else take it away.

    `completed` are the units that are complete.
    """
    is_complete = bool(structure.required) and structure.required <= set(completed)
    revision = enrollment.completed_revision
    required_then = set() if revision is None else history.required_at(revision)
    if enrollment.completed_at is not None and required_then and required_then <= set(completed):
        return
    if not is_complete:
        enrollment.completed_at = enrollment.completed_revision = None
        return
    enrollment.completed_at = now if enrollment.completed_at is None else enrollment.completed_at
    enrollment.completed_revision = structure.revision


def settle_status(enrollment: Enrollment, before: Before | None = None) -> None:
    """Take the status that follows from the completion; after an undo a certificate of `before` counts again.

    Whoever left, or whose access ended, has no access again.
    """
    status, was_completed = enrollment.status, enrollment.completed_at is not None
    if status in {EnrollmentStatus.DROPPED, EnrollmentStatus.EXPIRED}:
        return
    was_certified = EnrollmentStatus.CERTIFIED in {status, status if before is None else before.status}
    if was_completed and was_certified:
        enrollment.status = EnrollmentStatus.CERTIFIED
    else:
        enrollment.status = earned(has_activity=enrollment.last_activity_at is not None, was_completed=was_completed)


def renew_access(enrollment: Enrollment, now: Instant, *, is_attempt: bool) -> Instant | None:
    """Begin the days of access anew with a new attempt, and where access would be over at once; return the new date."""
    if not (is_attempt or enrollment.has_run_out(now)):
        return None
    enrollment.enrolled_at = now
    if enrollment.status in LIMITED and enrollment.is_over(now):
        enrollment.access_until = None
    return now


def keep_access(enrollment: Enrollment, before: Enrollment, now: Instant) -> None:
    """Keep the days of access that have begun anew where those of before a reset are over: an undo takes nobody's access."""
    if before.is_open(now) and enrollment.has_run_out(now):
        enrollment.enrolled_at, enrollment.access_until = before.enrolled_at, before.access_until


class AttemptUnit(NamedTuple):
    """How far a learner came in a unit within an attempt."""

    unit_id: int
    status: UnitStatus
    percent: Percent
    study_ms: Milliseconds
    completed_at: Instant | None

    @classmethod
    def of(cls, reached: UnitProgress | EarlierUnit) -> "AttemptUnit":
        """Return how far a learner came, now or before a reset."""
        return cls(reached.unit_id, reached.status, reached.percent, reached.study_ms, reached.completed_at)


class Attempt(NamedTuple):
    """One go of a learner at a course: the last one goes on, the others were ended by a reset of the whole course."""

    number: int
    started_at: Instant
    ended_at: Instant | None
    reset_id: int | None
    """The reset that ended it."""
    status: EnrollmentStatus
    percent: Percent
    study_ms: Milliseconds
    completed_at: Instant | None
    certificate_url: str | None
    units: Sequence[AttemptUnit]


def attempts_of(
    enrollment: Enrollment,
    units: Iterable[UnitProgress],
    resets: Iterable[Reset],
    earlier: Mapping[int, Sequence[EarlierUnit]],
) -> list[Attempt]:
    """Return the attempts of a learner at a course, the oldest first; `earlier` has what each reset took, by its id."""
    ended = [each for each in active(resets) if each.scope is ResetScope.COURSE]
    reached: list[Before | Enrollment] = [*(each.before for each in ended), enrollment]
    begun = [reached[0].enrolled_at, *(each.reset_at for each in ended)]
    return [
        Attempt(
            number=number,
            started_at=started_at,
            ended_at=None if reset is None else reset.reset_at,
            reset_id=None if reset is None else reset.id,
            status=whole.status,
            percent=whole.percent,
            study_ms=whole.study_ms,
            completed_at=whole.completed_at,
            certificate_url=whole.certificate_url,
            units=[AttemptUnit.of(each) for each in (units if reset is None else earlier.get(reset.id, ()))],
        )
        for number, (started_at, whole, reset) in enumerate(zip(begun, reached, [*ended, None], strict=True), start=1)
    ]


def counted_percents(units: Iterable[UnitProgress], required: Collection[int]) -> tuple[Percent, int]:
    """Add up what required units count: (sum of percents, completed units)."""
    counted = [unit.counted for unit in units if unit.unit_id in required]
    return sum(counted), sum(each == COMPLETE for each in counted)
