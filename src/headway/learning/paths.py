"""The path of a learner through a course: the next step, the unit that was studied last, and how many are done."""

from collections.abc import Sequence
from typing import NamedTuple

from headway.courses.model import CourseTree, Schedule, Unit
from headway.courses.structure import CourseStructure
from headway.enrollments.model import Enrollment
from headway.errors import NotFound
from headway.instants import Instant
from headway.learning.explanation import CourseExplanation, UnitExplanation
from headway.learning.unit_progress import UnitProgress


class LastStudied(NamedTuple):
    """The unit in which a learner was active last, and when."""

    unit: Unit
    at: Instant


class Opening(NamedTuple):
    """The unit that opens next, and when."""

    unit: Unit
    at: Instant


class CoursePath(NamedTuple):
    """A learner's place in a course, with what to do next. Without access to the course there is no next step."""

    enrollment: Enrollment
    title: str
    schedule: Schedule
    is_open: bool
    """Whether the learner has access to the course now."""
    next_step: Unit | None
    last_studied: LastStudied | None
    completed_units: int
    required_units: int
    opening: Opening | None = None
    """What opens next; None where nothing does, and without access to the course."""


class OwnCourse(NamedTuple):
    """A course as a learner sees it, or somebody who may become one, or its staff who look how learners see it."""

    tree: CourseTree
    is_staff: bool
    """Whether the caller belongs to the staff of the course, or sees all."""
    path: CoursePath | None
    """None for who never enrolled."""
    explanation: CourseExplanation
    """Why the progress is what it is; without any for who never enrolled."""

    @property
    def is_open(self) -> bool:
        """Whether the caller learns in the course now."""
        return self.path is not None and self.path.is_open

    @property
    def units(self) -> dict[int, UnitExplanation]:
        """The units that are not retired, in the order of the course, by id; hidden ones for staff alone."""
        return {each.unit.id: each for each in self.explanation.units if not each.unit.is_retired}

    def find_unit(self, unit_id: int) -> UnitExplanation:
        """Return a unit. Raises NotFound UNIT_NOT_FOUND."""
        if unit_id not in self.units:
            raise NotFound("There is no such unit in this course.", code="UNIT_NOT_FOUND")
        return self.units[unit_id]

    def neighbours(self, unit_id: int) -> tuple[Unit | None, Unit | None]:
        """Return the units before and after a unit of the course."""
        units = [each.unit for each in self.units.values()]
        place = [unit.id for unit in units].index(unit_id)
        return units[place - 1] if place else None, units[place + 1] if place + 1 < len(units) else None


def find_next_step(structure: CourseStructure, units: Sequence[UnitProgress], now: Instant) -> Unit | None:
    """Return the first unit that is shown, not complete and not locked, in the order of the course; None if there is none.

    Required units come before optional ones: who leaves an optional unit out is not sent back to it until nothing else is left.
    """
    completed = {unit.unit_id for unit in units if unit.is_complete}
    begun = {unit.unit_id for unit in units if unit.is_started}
    left = [
        unit
        for unit in structure.units.values()
        if unit.is_shown
        and unit.id not in completed
        and structure.find_lock(unit.id, completed, now, is_begun=unit.id in begun) is None
    ]
    return next((unit for unit in left if unit.is_required), left[0] if left else None)


def find_opening(structure: CourseStructure, units: Sequence[UnitProgress], now: Instant) -> Opening | None:
    """Return the unit that opens next of those that are shown and not complete."""
    completed = {unit.unit_id for unit in units if unit.is_complete}
    openings = [
        Opening(structure.units[unit_id], times.opens_at)
        for unit_id, times in structure.timed.items()
        if times.opens_at is not None and times.opens_at > now
        if structure.units[unit_id].is_shown and unit_id not in completed
    ]
    return min(openings, key=lambda opening: opening.at, default=None)


def find_last_studied(structure: CourseStructure, units: Sequence[UnitProgress]) -> LastStudied | None:
    """Return the unit that is still part of the course and in which the learner was active last."""
    studied = [unit for unit in units if unit.unit_id in structure.units and structure.units[unit.unit_id].is_shown]
    if not studied:
        return None
    newest = max(studied, key=lambda unit: (unit.last_activity_at, unit.unit_id))
    return LastStudied(structure.units[newest.unit_id], newest.last_activity_at)


def find_path(
    enrollment: Enrollment,
    title: str,
    schedule: Schedule,
    structure: CourseStructure,
    units: Sequence[UnitProgress],
    *,
    now: Instant,
) -> CoursePath:
    """Return a learner's path through a course, given all the progress in its units."""
    is_open = enrollment.is_open(now)
    completed = {unit.unit_id for unit in units if unit.is_complete}
    return CoursePath(
        enrollment=enrollment,
        title=title,
        schedule=schedule,
        is_open=is_open,
        next_step=find_next_step(structure, units, now) if is_open else None,
        last_studied=find_last_studied(structure, units),
        completed_units=len(structure.required & completed),
        required_units=len(structure.required),
        opening=find_opening(structure, units, now) if is_open else None,
    )
