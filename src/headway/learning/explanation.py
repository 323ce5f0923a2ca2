"""Explain progress: the rule, the evidence and what is missing of each unit, and how the percent of the course is computed."""

from collections.abc import Sequence

import msgspec

from headway.courses.completion import NO_EVIDENCE, Completion, Evidence, Percent, missing_for, percent_of_course
from headway.courses.model import Unit
from headway.courses.structure import CourseStructure
from headway.courses.times import Lock
from headway.instants import Instant, Milliseconds
from headway.learning.counting import ALL_COUNTS, Counting
from headway.learning.unit_progress import UnitProgress, UnitStatus, percent_text


class UnitExplanation(msgspec.Struct, frozen=True):
    """Why a learner's progress in a unit is what it is. Percents are in hundredths."""

    unit: Unit
    status: UnitStatus
    met: Completion | None
    """The rule that the evidence met, which may be an earlier one than the unit has now."""
    is_only_declared: bool
    """Whether the unit is complete by a declaration alone."""
    evidence: Evidence
    study_ms: Milliseconds
    missing: str | None
    """What completes the unit, as a phrase in English; None for a complete unit."""
    percent: Percent
    counted: Percent | None
    """What the unit adds to the sum of the course; None for an optional, hidden or retired unit."""
    lock: Lock | None = None
    """Why the unit is locked: while it is so by its times, nothing completes it, also if it was begun."""
    counts_from: Instant | None = None
    """Since when work counts for the unit, because it was reset then; None if it never was."""

    @property
    def counted_study_ms(self) -> Milliseconds:
        """The study time without that outside of the times of the unit."""
        return self.evidence.counted(self.study_ms)


class CourseExplanation(msgspec.Struct, frozen=True):
    """Why a learner's percent in a course is what it is: the sum of the units that count, divided by their number."""

    units: list[UnitExplanation]
    """The units of the course in order, and after them the retired ones in which there is progress."""
    required_units: int
    sum_of_percents: Percent
    percent: Percent
    """The mean, cut to hundredths of a percent."""


def explain(
    structure: CourseStructure,
    units: Sequence[UnitProgress],
    now: Instant,
    *,
    with_hidden: bool = True,
    counting: Counting = ALL_COUNTS,
) -> CourseExplanation:
    """Explain a learner's progress in a course from all the progress in its units; hidden ones are for staff.

    `counting` says what was reset of it.
    """
    progress = {unit.unit_id: unit for unit in units}
    completed = {unit.unit_id for unit in units if unit.is_complete}
    explained = [
        _explain_unit(structure, unit, progress.get(unit.id), completed, now)
        for unit in sorted(structure.units.values(), key=lambda unit: unit.is_retired)
        if (unit.id in progress or not unit.is_retired) and (with_hidden or not unit.is_hidden)
    ]
    explained = [msgspec.structs.replace(each, counts_from=counting.progress_from(each.unit.id)) for each in explained]
    total = sum(unit.counted or 0 for unit in explained)
    required_units = len(structure.required)
    return CourseExplanation(explained, required_units, total, percent_of_course(total, required_units))


def _explain_unit(
    structure: CourseStructure, unit: Unit, progress: UnitProgress | None, completed: set[int], now: Instant
) -> UnitExplanation:
    is_begun = progress is not None and progress.status is not UnitStatus.NOT_STARTED
    lock = structure.find_lock(unit.id, completed, now, is_begun=is_begun)
    unbegun = UnitStatus.NOT_STARTED if lock is None else UnitStatus.LOCKED
    if progress is None:
        missing = _missing(unit, NO_EVIDENCE, 0, lock)
        return UnitExplanation(unit, unbegun, None, False, NO_EVIDENCE, 0, missing, 0, 0 if unit.counts else None, lock)
    return UnitExplanation(
        unit=unit,
        status=progress.status if is_begun else unbegun,
        met=progress.met,
        is_only_declared=progress.is_only_declared,
        evidence=progress.evidence,
        study_ms=progress.study_ms,
        missing=None if progress.is_complete else _missing(unit, progress.evidence, progress.study_ms, lock),
        percent=progress.percent,
        counted=progress.counted if unit.counts else None,
        lock=None if progress.is_complete else lock,
    )


def _missing(unit: Unit, evidence: Evidence, study_ms: Milliseconds, lock: Lock | None) -> str:
    missing = missing_for(unit.completion, evidence, evidence.counted(study_ms))
    match lock:
        case Lock.SEQUENCE:
            return f"the required units before it, then {missing}"
        case Lock.NOT_OPEN:
            return f"its opening: it {unit.times.describe(lock)}; then {missing}"
        case Lock.CLOSED:
            return f"another time: it {unit.times.describe(lock)}"
        case None:
            return missing


def calculation(explanation: CourseExplanation) -> str:
    """Write the percent of a course as a formula, such as `100.00 / 3 = 33.33, cut to two decimals`."""
    if not explanation.required_units:
        return "0.00, for no unit is required"
    total, count = explanation.sum_of_percents, explanation.required_units
    is_cut = total % count > 0
    formula = f"{percent_text(total)} / {count} = {percent_text(explanation.percent)}"
    return f"{formula}, cut to two decimals" if is_cut else formula
