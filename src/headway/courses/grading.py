"""What learners of a course are graded by, at each of its revisions."""

from typing import TypeAlias

import msgspec

from headway.courses.completion import Completion, Rule
from headway.courses.times import Times
from headway.instants import Instant


class UnitGrading(msgspec.Struct, frozen=True, array_like=True):
    """The completion rule of a unit at a revision of its course, whether the unit counted for the course, and its times."""

    rule: Rule
    threshold: float | None
    counts: bool
    opens_at: Instant | None = None
    closes_at: Instant | None = None

    @property
    def times(self) -> Times:
        """The times of the unit at that revision."""
        return Times(self.opens_at, self.closes_at)


Grading: TypeAlias = dict[int, UnitGrading]
"""The rules of a course at a revision, by unit id."""


class GradingHistory(msgspec.Struct, frozen=True):
    """All gradings of a course: a completion is verified against the one that applied at its time."""

    gradings: dict[int, Grading]
    """By the first revision of the course to which they apply, in ascending order."""

    def had_rule(self, unit_id: int, completion: Completion) -> bool:
        """Return whether a unit ever had a rule."""
        rule, threshold = completion.rule, completion.threshold
        units = (grading.get(unit_id) for grading in self.gradings.values())
        return any(unit is not None and (unit.rule, unit.threshold) == (rule, threshold) for unit in units)

    def times_of(self, unit_id: int) -> set[Times]:
        """Return all times that a unit ever had."""
        return {grading[unit_id].times for grading in self.gradings.values() if unit_id in grading}

    def required_at(self, revision: int) -> set[int]:
        """Return the units that counted at a revision of the course; none for a revision before the first one."""
        applied = [grading for since, grading in self.gradings.items() if since <= revision]
        return {unit_id for unit_id, unit in applied[-1].items() if unit.counts} if applied else set()
