"""The way of learners through a course: who stands where, and which units they skipped, by the states of their units."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from headway.courses.model import Module, Unit
from headway.courses.structure import CourseStructure
from headway.courses.times import Lock
from headway.enrollments.traces import UnitStates, ordinals
from headway.instants import Instant


class Stage(NamedTuple):
    """A module of a course with the bits of `UnitStates` that say that its required units are all complete."""

    module: Module
    is_complete: UnitStates


class Path:
    """A course as learners go through it."""

    def __init__(self, units: Sequence[Unit], ordinals: Sequence[int], stages: Sequence[Stage], *, now: Instant) -> None:
        self.units = units
        """The units that are not retired, in order, hidden ones too."""
        self.ordinals = ordinals
        """Their numbers in `UnitStates`."""
        self.stages = stages
        """The modules with required units, in order."""
        self.is_open = [unit.is_open(now) for unit in units]
        """In which of them learners can go on now."""
        self.can_be_skipped = [unit.is_shown and unit.times.lock_at(now) is not Lock.NOT_OPEN for unit in units]
        """Which of them learners could have begun by now."""
        self._can_go_on: UnitStates = sum(
            1 << 2 * ordinal for ordinal, is_open in zip(ordinals, self.is_open, strict=True) if is_open
        )
        shown = [(place, ordinal) for place, ordinal in enumerate(ordinals) if units[place].is_shown]
        self._backwards = [(1 << 2 * ordinal, place) for place, ordinal in reversed(shown)]
        self._unit_ids = {1 << 2 * ordinal: unit.id for unit, ordinal in zip(units, ordinals, strict=True)}

    def stages_passed(self, states: UnitStates) -> int:
        """Return how many modules a learner has completed without a gap, from the first one on."""
        for number, stage in enumerate(self.stages):
            if states & stage.is_complete != stage.is_complete:
                return number
        return len(self.stages)

    def furthest(self, states: UnitStates) -> int | None:
        """Return the place of the last unit shown in the course that a learner has begun; None before the first one."""
        for bit, place in self._backwards:
            if states & bit:
                return place
        return None

    def in_progress(self, states: UnitStates) -> UnitStates:
        """Return the bits of those units that a learner has begun and not completed, and can go on in now."""
        return states & ~(states >> 1) & self._can_go_on

    def later_than(self, place: int) -> UnitStates:
        """Return the bits that say that units were begun which are shown behind a place."""
        return sum(bit for bit, later in self._backwards if later > place)

    def unit_ids(self, begun: UnitStates) -> list[int]:
        """Return the units of some bits that say that they were begun."""
        ids = []
        while begun:
            bit = begun & -begun
            ids.append(self._unit_ids[bit])
            begun ^= bit
        return ids


def path_of(structure: CourseStructure, modules: Sequence[Module], now: Instant) -> Path:
    """Return the path of a course with these modules at an instant. Hidden units are no steps of it."""
    number_of = ordinals(structure.units)
    units = [unit for unit in structure.units.values() if not unit.is_retired]
    stages = []
    for module in modules:
        bits = sum(2 << 2 * number_of[unit.id] for unit in units if unit.module_id == module.id and unit.counts)
        if bits:
            stages.append(Stage(module, bits))
    return Path(units, [number_of[unit.id] for unit in units], stages, now=now)


class Step(NamedTuple):
    """A step of the funnel: those who reached it, and of them those who got no further."""

    module: Module | None
    """The module that was completed; None for enrolling, starting and completing the course."""
    reached: int
    standing: int
    left: int
    """Of those who stand here, who left the course."""


class Funnel(NamedTuple):
    """Enrolled, started, each module completed in order, the course completed: whoever reached a step reached all before."""

    steps: list[Step]
    largest_drop: int | None
    """The place of the step after which most learners are missing; None where nobody is."""


def funnel(path: Path, standing: Mapping[int, int], left: Mapping[int, int]) -> Funnel:
    """Return the funnel of a course, given how many stand at each step by its place, and who of them left."""
    modules = [None, None, *(stage.module for stage in path.stages), None]
    steps, reached = [], sum(standing.values())
    for place, module in enumerate(modules):
        here = standing.get(place, 0)
        steps.append(Step(module, reached, here, left.get(place, 0)))
        reached -= here
    drops = [before.reached - after.reached for before, after in pairwise(steps)]
    largest = max(drops, default=0)
    return Funnel(steps, drops.index(largest) if largest else None)


def step_of(path: Path, states: UnitStates, *, is_active: bool, is_completed: bool) -> int:
    """Return the place of the step of the funnel at which a learner stands: 0 enrolled, 1 started, then the modules.

    Who completed the course is at the last step, also if units were added since.
    """
    if is_completed:
        return len(path.stages) + 2
    return 1 + path.stages_passed(states) if is_active else 0


class UnitCounts(NamedTuple):
    """How many learners began, completed and skipped a unit: began a later unit and not this one, though they could."""

    started: int
    completed: int
    skipped: int


def count_units(path: Path, learners: Mapping[UnitStates, int]) -> list[UnitCounts]:
    """Count the learners in each unit of a path, given how many have the same states."""
    planes = add_up(learners.items())
    last_at = [0] * (len(path.units) + 1)
    for states, count in learners.items():
        place = path.furthest(states)
        last_at[len(path.units) if place is None else place] += count
    counts, beyond = [], sum(last_at[:-1])
    for number, ordinal in enumerate(path.ordinals):
        started, completed = read_sum(planes, 2 * ordinal), read_sum(planes, 2 * ordinal + 1)
        beyond -= last_at[number]
        # Of those who got beyond the unit, some began it: all who began it but those who got no further.
        skipped = beyond - (started - last_at[number]) if path.can_be_skipped[number] else 0
        counts.append(UnitCounts(started, completed, skipped))
    return counts


def count_unit(path: Path, place: int, learners: Mapping[UnitStates, int]) -> UnitCounts:
    """Count the learners in one unit of a path, by its place."""
    begun, later = 1 << 2 * path.ordinals[place], path.later_than(place) if path.can_be_skipped[place] else 0
    started = completed = skipped = 0
    for states, count in learners.items():
        if states & begun:
            started += count
            if states & begun << 1:
                completed += count
        elif states & later:
            skipped += count
    return UnitCounts(started, completed, skipped)


def add_up(numbers: Iterable[tuple[int, int]]) -> list[int]:
    """Count how often each bit is set in numbers that occur some times each: all bits at once, as adders do.

    Return the binary digits of the counts, the lowest ones first, for `read_sum`.
    """
    planes: list[int] = []
    for bits, times in numbers:
        for digit in range(times.bit_length()):
            carry, place = bits if times >> digit & 1 else 0, digit
            if len(planes) <= digit:
                planes.append(0)
            while carry:
                planes[place], carry = planes[place] ^ carry, planes[place] & carry
                place += 1
                if place == len(planes):
                    planes.append(0)
    return planes


def read_sum(planes: Sequence[int], bit: int) -> int:
    """Return how often a bit was set."""
    return sum((plane >> bit & 1) << place for place, plane in enumerate(planes))
