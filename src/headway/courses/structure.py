"""The structure of a course, to which rules are applied."""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

import msgspec

from headway.courses.completion import COMPLETE, Percent
from headway.courses.grading import Grading, UnitGrading
from headway.courses.model import Unit
from headway.courses.times import ALWAYS, Lock, Times
from headway.instants import Instant


class CourseStructure(msgspec.Struct, frozen=True, dict=True):
    """The tree of a course that rules are applied to; `revision` grows with each change of the course."""

    course_id: int
    title: str
    revision: int
    module_ids: frozenset[int]
    units: dict[int, Unit]
    """In the order of the course, including retired ones."""
    required: frozenset[int]
    """The ids of the units that count for the course's percent and completion."""
    is_sequential: bool = False
    external_id: str | None = None
    module_names: Mapping[str, int] = {}
    """The ids of modules by their external ids."""
    unit_names: Mapping[str, Sequence[int]] = {}
    """The ids of the units that have an external id, which is unique in a module, by that."""

    @property
    def grading(self) -> Grading:
        """The grading of all units, including retired ones."""
        return {
            unit.id: UnitGrading(
                unit.completion.rule, unit.completion.threshold, unit.counts, unit.times.opens_at, unit.times.closes_at
            )
            for unit in self.units.values()
        }

    @cached_property
    def timed(self) -> dict[int, Times]:
        """The times of those units that have any."""
        return {unit.id: unit.times for unit in self.units.values() if unit.times != ALWAYS}

    @cached_property
    def hidden(self) -> frozenset[int]:
        """The units that are hidden from learners."""
        return frozenset(unit.id for unit in self.units.values() if unit.is_hidden)

    @cached_property
    def _turns(self) -> list[Instant]:
        """The instants at which a unit opens or closes, in order."""
        return sorted(at for times in self.timed.values() for at in (times.opens_at, times.closes_at) if at is not None)

    def share_opened(self, now: Instant) -> Percent:
        """Return the share of the required units that have opened by now, in hundredths: more nobody can have completed."""
        opened = sum(self.units[unit_id].times.lock_at(now) is not Lock.NOT_OPEN for unit_id in self.required)
        return opened * COMPLETE // len(self.required) if self.required else COMPLETE

    def phase(self, now: Instant) -> int:
        """Return a number that changes when a unit opens or closes."""
        return bisect_right(self._turns, now)

    def ordinal(self, unit_id: int) -> int:
        """Return how many units of the course are older than one of them: a number that never changes."""
        return self._ordinals[unit_id]

    @cached_property
    def _ordinals(self) -> dict[int, int]:
        return {unit_id: number for number, unit_id in enumerate(sorted(self.units))}

    def units_of(self, module_id: int) -> list[Unit]:
        """Return a module's units that learners see, in order."""
        return [unit for unit in self.units.values() if unit.module_id == module_id and unit.is_shown]

    def find_lock(self, unit_id: int, completed: Collection[int], now: Instant, *, is_begun: bool = False) -> Lock | None:
        """Return why a unit is locked for a learner: by its times, or if it is not begun, by the units before it."""
        times = self.timed.get(unit_id)
        lock = None if times is None else times.lock_at(now)
        return Lock.SEQUENCE if lock is None and not is_begun and self.blocks(unit_id, completed, now) else lock

    def blocks(self, unit_id: int, completed: Collection[int], now: Instant) -> bool:
        """Return whether units before a unit lock it: in a sequential course, required ones that are not complete.

        One that has closed does not: it would do so for ever. One that has yet to open does, until it is complete.
        """
        if not self.is_sequential:
            return False
        for unit in self.units.values():
            if unit.id == unit_id:
                return False
            if unit.counts and unit.id not in completed and unit.times.lock_at(now) is not Lock.CLOSED:
                return True
        return False
