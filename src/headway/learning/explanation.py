"""Explain progress: the rule, the evidence and what is missing of each unit, and how the percent of the course is computed."""

from collections.abc import Sequence

import msgspec

from headway.courses.completion import NO_EVIDENCE, Completion, Evidence, Percent, missing_for, percent_of_course
from headway.courses.model import CourseStructure, Unit
from headway.instants import Milliseconds
from headway.learning.model import UnitProgress, UnitStatus, percent_text, status_without_progress


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
    """What the unit adds to the sum of the course; None for an optional or retired unit."""


class CourseExplanation(msgspec.Struct, frozen=True):
    """Why a learner's percent in a course is what it is: the sum of the units that count, divided by their number."""

    units: list[UnitExplanation]
    """The units of the course in order, and after them the retired ones in which there is progress."""
    required_units: int
    sum_of_percents: Percent
    percent: Percent
    """The mean, cut to hundredths of a percent."""


def explain(structure: CourseStructure, units: Sequence[UnitProgress]) -> CourseExplanation:
    """Explain a learner's progress in a course from all the progress in its units."""
    progress = {unit.unit_id: unit for unit in units}
    completed = {unit.unit_id for unit in units if unit.is_complete}
    explained = [
        _explain_unit(structure, unit, progress.get(unit.id), completed)
        for unit in sorted(structure.units.values(), key=lambda unit: unit.is_retired)
        if unit.id in progress or not unit.is_retired
    ]
    total = sum(unit.counted or 0 for unit in explained)
    required_units = len(structure.required)
    return CourseExplanation(explained, required_units, total, percent_of_course(total, required_units))


def _explain_unit(
    structure: CourseStructure, unit: Unit, progress: UnitProgress | None, completed: set[int]
) -> UnitExplanation:
    if progress is None:
        status = status_without_progress(structure, unit.id, completed)
        missing = missing_for(unit.completion, NO_EVIDENCE, 0)
        if status is UnitStatus.LOCKED:
            missing = f"the required units before it, then {missing}"
        return UnitExplanation(unit, status, None, False, NO_EVIDENCE, 0, missing, 0, 0 if unit.counts else None)
    return UnitExplanation(
        unit=unit,
        status=progress.status,
        met=progress.met,
        is_only_declared=progress.is_only_declared,
        evidence=progress.evidence,
        study_ms=progress.study_ms,
        missing=None if progress.is_complete else missing_for(unit.completion, progress.evidence, progress.study_ms),
        percent=progress.percent,
        counted=progress.counted if unit.counts else None,
    )


def calculation(explanation: CourseExplanation) -> str:
    """Write the percent of a course as a formula, such as `100.00 / 3 = 33.33, cut to two decimals`."""
    if not explanation.required_units:
        return "0.00, for no unit is required"
    total, count = explanation.sum_of_percents, explanation.required_units
    is_cut = total % count > 0
    formula = f"{percent_text(total)} / {count} = {percent_text(explanation.percent)}"
    return f"{formula}, cut to two decimals" if is_cut else formula
