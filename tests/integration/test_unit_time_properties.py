"""Whatever events come in whatever order, and however the times of units change meanwhile, progress is what a recount gives.

Events lie before, within and after the times of their units. What lay within them when it was recorded counts for good; what
did not counts from the first change on after which it does. Study counts by the present times, and a completion stays.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from headway.accounts.model import User
from headway.courses.completion import Completion, EngagementMetrics, Rule
from headway.courses.times import ALWAYS, Times
from headway.enrollments.tables import enrollments
from headway.instants import HOUR, SECOND
from headway.learning.model import ActivityType, Event, Outcome
from headway.learning.tables import unit_progress
from headway.learning.unit_progress import UnitStatus
from tests.integration.classroom import Classroom, classroom
from tests.integration.concurrency import differences
from tests.integration.course_edits import unchanged_unit
from tests.world import NOON, World

LEARNERS, UNITS, SLOTS = 2, 3, 12
START = NOON - SLOTS * HOUR
"""The events lie in slots of an hour each, before noon: no two claim the same second."""


class Did(NamedTuple):
    """An event that ends so many seconds after the beginning of a slot, in which there may be others of other learners."""

    learner: int
    unit: int
    slot: int
    kind: ActivityType
    scrolled: int | None
    seconds: int


class Planned(NamedTuple):
    """What becomes of a unit."""

    times: Times
    is_hidden: bool
    completion: Completion


class Edited(NamedTuple):
    """A change of the course."""

    units: list[Planned]


Step = Did | Edited

# Times begin and end within claims as well as between them.
instants = st.none() | st.builds(
    lambda slot, part: START + slot * HOUR + part * SECOND, st.integers(0, SLOTS), st.sampled_from([0, 30])
)
times = st.builds(
    lambda a, b: Times(a, b) if a is None or b is None else Times(min(a, b), max(a, b) + SECOND), instants, instants
)
rules = st.sampled_from(
    [
        Completion(Rule.VIEWED),
        Completion(Rule.MANUAL),
        Completion(Rule.SCROLL, 80),
        Completion(Rule.TIME, 60),
        Completion(Rule.TIME, 90),
    ]
)
dids = st.builds(
    Did,
    st.integers(0, LEARNERS - 1),
    st.integers(0, UNITS - 1),
    st.integers(0, SLOTS - 1),
    st.sampled_from([ActivityType.UNIT_VIEW, ActivityType.UNIT_COMPLETE, ActivityType.LINK_CLICK]),
    st.sampled_from([None, 10, 40, 80]),
    st.sampled_from([0, 45, 60]),
)
edits = st.builds(
    Edited,
    st.lists(
        st.builds(Planned, times | times | st.just(ALWAYS), st.just(False) | st.booleans(), rules),
        min_size=UNITS,
        max_size=UNITS,
    ),
)
steps = st.lists(dids | dids | dids | edits, min_size=6, max_size=16)


class Expected:
    """What must be reached, computed from all that was done so far, one unit after the other."""

    def __init__(self) -> None:
        self.plans = [Planned(ALWAYS, is_hidden=False, completion=Completion(Rule.VIEWED)) for _ in range(UNITS)]
        self.done: list[list[Did]] = [[] for _ in range(LEARNERS)]
        self.counted: set[tuple[int, Did]] = set()
        self.begun: set[tuple[int, int]] = set()
        self.completed: set[tuple[int, int]] = set()
        self.is_completed = [False] * LEARNERS

    def settle(self) -> None:
        """Keep what counts, is begun or complete now, whatever comes."""
        for learner in range(LEARNERS):
            for did in self.done[learner]:
                if self.plans[did.unit].times.include(end_of(did)):
                    self.counted.add((learner, did))
            for unit in range(UNITS):
                if self._percent_now(learner, unit) == 10_000:
                    self.completed.add((learner, unit))
                if self._of(learner, unit) or self._studied(learner, unit) or (learner, unit) in self.completed:
                    self.begun.add((learner, unit))
            required = self._required()
            self.is_completed[learner] |= bool(required) and {(learner, unit) for unit in required} <= self.completed

    def unit(self, learner: int, unit: int) -> tuple[int, UnitStatus] | None:
        if all(did.unit != unit for did in self.done[learner]):
            return None
        if (learner, unit) in self.completed:
            return 10_000, UnitStatus.COMPLETED
        is_begun = (learner, unit) in self.begun
        return self._percent_now(learner, unit), UnitStatus.IN_PROGRESS if is_begun else UnitStatus.NOT_STARTED

    def course(self, learner: int) -> tuple[int, str]:
        percents = [(self.unit(learner, unit) or (0, None))[0] for unit in self._required()]
        status = "COMPLETED" if self.is_completed[learner] else "IN_PROGRESS" if self.done[learner] else "ENROLLED"
        return sum(percents) // len(percents) if percents else 0, status

    def _required(self) -> list[int]:
        return [unit for unit, plan in enumerate(self.plans) if not plan.is_hidden]

    def _of(self, learner: int, unit: int) -> list[Did]:
        return [did for did in self.done[learner] if did.unit == unit and (learner, did) in self.counted]

    def _studied(self, learner: int, unit: int) -> int:
        """Count the seconds of study that lie within the present times, one by one."""
        within = self.plans[unit].times
        ends = [(end_of(did), did.seconds) for did in self.done[learner] if did.unit == unit]
        seconds = {end - ago * SECOND for end, length in ends for ago in range(1, length + 1)}
        return sum(within.include(second) for second in seconds)

    def _percent_now(self, learner: int, unit: int) -> int:
        completion, counted = self.plans[unit].completion, self._of(learner, unit)
        match completion.rule:
            case Rule.TIME:
                return min(10_000, self._studied(learner, unit) * 10_000 // int(completion.threshold or 1))
            case Rule.SCROLL:
                return min(10_000, max((did.scrolled or 0 for did in counted), default=0) * 10_000 // 80)
            case rule:
                wanted = ActivityType.UNIT_VIEW if rule is Rule.VIEWED else ActivityType.UNIT_COMPLETE
                return 10_000 if any(did.kind is wanted for did in counted) else 0


def end_of(did: Did) -> int:
    return START + did.slot * HOUR + 60 * SECOND


class Played:
    """A course in which the steps are taken."""

    def __init__(self, room: Classroom, learners: Sequence[User]) -> None:
        self.room, self.learners, self.expected = room, learners, Expected()
        self._events = 0

    async def take(self, step: Step) -> None:
        match step:
            case Edited():
                units = zip(self.room.course.units, step.units, strict=True)
                await self.room.change_units([unchanged_unit(unit, **plan._asdict()) for unit, plan in units])
                self.expected.plans = step.units
            case Did():
                await self._do(step)
        self.expected.settle()

    async def _do(self, did: Did) -> None:
        self._events += 1
        event = Event(
            f"event {self._events}",
            did.kind,
            self.room.course.id,
            unit_id=self.room.course.units[did.unit].id,
            metrics=None if did.scrolled is None else EngagementMetrics(scroll_depth=did.scrolled),
            start_time=end_of(did) - did.seconds * SECOND,
            end_time=end_of(did),
        )
        outcomes = await self.room.record(event, event, learner=self.learners[did.learner])
        assert outcomes == [Outcome.ACCEPTED, Outcome.DUPLICATE]
        self.expected.done[did.learner].append(did)

    async def check(self) -> None:
        rows: dict[tuple[Any, ...], Any] = {}
        columns = (unit_progress.c.user_id, unit_progress.c.unit_id, unit_progress.c.percent, unit_progress.c.status)
        for user_id, unit_id, percent, status in await self.room.world.rows(select(*columns)):
            rows[user_id, unit_id] = percent, status
        for user_id, percent, status in await self.room.world.rows(
            select(enrollments.c.user_id, enrollments.c.percent, enrollments.c.status)
        ):
            rows[user_id,] = percent, status
        for number, learner in enumerate(self.learners):
            assert rows[learner.id,] == self.expected.course(number)
            for place, unit in enumerate(self.room.course.units):
                assert rows.get((learner.id, unit.id)) == self.expected.unit(number, place)


async def assert_all_is_counted_anew(world: World, taken: Sequence[Step]) -> None:
    room = await classroom(world, *[Completion(Rule.VIEWED)] * UNITS)
    played = Played(room, [room.learner, await world.learner(room.course)])
    for step in taken:
        await played.take(step)
        await played.check()
    assert await differences(world) == []


CAREFULLY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@settings(CAREFULLY, max_examples=100)
@given(taken=steps)
async def test_any_times_and_events_end_in_the_right_state_on_sqlite(world: World, taken: list[Step]) -> None:
    await assert_all_is_counted_anew(world, taken)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@settings(CAREFULLY, max_examples=15)
@given(taken=steps)
async def test_any_times_and_events_end_in_the_right_state_on_postgresql(world: World, taken: list[Step]) -> None:
    await assert_all_is_counted_anew(world, taken)
