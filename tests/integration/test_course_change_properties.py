"""Whatever events and course changes come in whatever order, progress is what a plain recount of them all gives."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from headway.accounts.model import User
from headway.courses.completion import Completion, EngagementMetrics, Rule
from headway.courses.model import NewModule, NewUnit
from headway.enrollments.tables import enrollments
from headway.instants import SECOND
from headway.learning.model import ActivityType, Event, Outcome
from tests.integration.classroom import Classroom, classroom
from tests.integration.concurrency import differences
from tests.integration.course_edits import unchanged_course
from tests.world import NOON, World

VIEWED, MANUAL = Completion(Rule.VIEWED), Completion(Rule.MANUAL)


class Did(NamedTuple):
    """An event of a learner on the n-th of all units that there have been."""

    learner: int
    unit: int
    kind: ActivityType
    scrolled: int | None
    seconds: int | None


class Planned(NamedTuple):
    """What is to become of a unit: None for its module means that it is retired."""

    module: int | None
    is_required: bool
    completion: Completion


class Edited(NamedTuple):
    """A change of the course: what becomes of the units there are, as far as it goes, and those that are added."""

    units: list[Planned]
    added: list[Planned]


class Moved(NamedTuple):
    """A learner leaves, or comes back."""

    learner: int


Step = Did | Edited | Moved
LEARNERS = 2

rules = st.sampled_from(
    [
        VIEWED,
        VIEWED,
        MANUAL,
        *(Completion(Rule.SCROLL, share) for share in (30, 80)),
        *(Completion(Rule.TIME, s) for s in (60, 90)),
    ]
)
dids = st.builds(
    Did,
    st.integers(0, LEARNERS - 1),
    st.integers(0, 3),
    st.sampled_from([ActivityType.UNIT_VIEW, ActivityType.UNIT_COMPLETE, ActivityType.LINK_CLICK]),
    st.sampled_from([None, 10, 30, 45, 80, 80]),
    st.sampled_from([None, 20, 45, 60, 90]),
)
placed = st.builds(Planned, st.integers(0, 1), st.booleans() | st.just(True), rules)
planned = st.builds(Planned, st.sampled_from([None, 0, 0, 1]), st.booleans() | st.just(True), rules)
edits = st.builds(Edited, st.lists(planned, max_size=5), st.lists(placed, max_size=2))
moves = st.builds(Moved, st.integers(0, LEARNERS - 1))
steps = st.lists(dids | dids | dids | edits | edits | moves, min_size=8, max_size=16)


class Expected:
    """What must be reached, computed from all that was done so far, one unit after the other."""

    def __init__(self) -> None:
        self.plans: list[Planned] = []
        self.done: list[dict[int, list[Did]]] = [{} for _ in range(LEARNERS)]
        self.completed: list[set[int]] = [set() for _ in range(LEARNERS)]
        self.is_completed = [False] * LEARNERS
        self.is_here = [True] * LEARNERS

    def percent_of_unit(self, learner: int, unit: int) -> int:
        done = self.done[learner].get(unit, [])
        completion = self.plans[unit].completion
        kinds = {each.kind for each in done}
        if unit in self.completed[learner]:
            return 10_000
        if completion.rule in {Rule.VIEWED, Rule.MANUAL}:
            wanted = ActivityType.UNIT_VIEW if completion.rule is Rule.VIEWED else ActivityType.UNIT_COMPLETE
            return 10_000 if wanted in kinds else 0
        is_scroll = completion.rule is Rule.SCROLL
        reached = max((each.scrolled or 0 for each in done), default=0) if is_scroll else sum(e.seconds or 0 for e in done)
        return min(10_000, reached * 10_000 // int(completion.threshold or 1))

    def settle(self) -> None:
        """Keep what is complete now, whatever comes."""
        for learner in range(LEARNERS):
            done = self.done[learner]
            self.completed[learner] |= {unit for unit in done if self.percent_of_unit(learner, unit) == 10_000}
            counted = self._counted()
            self.is_completed[learner] |= bool(counted) and counted <= self.completed[learner]

    def _counted(self) -> set[int]:
        return {n for n, plan in enumerate(self.plans) if plan.module is not None and plan.is_required}

    def standing(self, learner: int) -> tuple[int, str]:
        counted = self._counted()
        percent = sum(self.percent_of_unit(learner, unit) for unit in counted) // len(counted) if counted else 0
        status = "IN_PROGRESS" if self.done[learner] else "ENROLLED"
        status = "COMPLETED" if self.is_completed[learner] else status
        return percent, status if self.is_here[learner] else "DROPPED"


class Played:
    """A course in which the steps are taken."""

    def __init__(self, room: Classroom, learners: Sequence[User]) -> None:
        self.room, self.learners, self.expected = room, learners, Expected()
        self.unit_ids: list[int] = []
        self._module_ids: list[int | None] = [None, None]
        self._events = 0

    async def take(self, step: Step) -> None:
        if isinstance(step, Edited):
            await self.edit(step)
        elif isinstance(step, Moved):
            await self._move(step.learner)
        elif self.unit_ids:
            await self._do(step._replace(unit=step.unit % len(self.unit_ids)))
        self.expected.settle()

    async def edit(self, edited: Edited) -> None:
        plans = [*edited.units[: len(self.unit_ids)], *self.expected.plans[len(edited.units) :], *edited.added]
        ids = [*self.unit_ids, *(None for _ in edited.added)]
        modules = tuple(
            NewModule(
                f"Module {number}",
                units=tuple(
                    NewUnit(f"Unit {n}", is_required=plan.is_required, completion=plan.completion, id=id_)
                    for n, (plan, id_) in enumerate(zip(plans, ids, strict=True))
                    if plan.module == number
                ),
                id=self._module_ids[number],
            )
            for number in range(2)
        )
        await self.room.change(lambda tree: unchanged_course(tree, modules=modules))
        tree = self.room.course
        self._module_ids = [module.id for module in tree.modules]
        self.unit_ids = [unit.id for unit in sorted(tree.units, key=lambda unit: int(unit.title.split()[1]))]
        # A unit that is retired keeps the rule that it had.
        rules = [plan.completion for plan in self.expected.plans] + [plan.completion for plan in edited.added]
        self.expected.plans = [
            plan if plan.module is not None else plan._replace(completion=rule) for plan, rule in zip(plans, rules, strict=True)
        ]

    async def _move(self, learner: int) -> None:
        is_here, services = self.expected.is_here[learner], self.room.world.services.enrollments
        move: Any = services.leave if is_here else services.enroll
        await self.room.world.write(move, self.learners[learner].id, self.room.course.id)
        self.expected.is_here[learner] = not is_here

    async def _do(self, did: Did) -> None:
        self._events += 1
        is_here = self.expected.is_here[did.learner]
        # Those who left did so at noon: what they did before counts, and every second event is of no earlier time.
        is_counted = is_here or self._events % 2 == 0
        start = NOON - self._events * 1000 * SECOND if is_counted else NOON
        event = Event(
            f"event {self._events}",
            did.kind,
            self.room.course.id,
            unit_id=self.unit_ids[did.unit],
            metrics=None if did.scrolled is None else EngagementMetrics(scroll_depth=did.scrolled),
            start_time=start,
            end_time=None if did.seconds is None else start + did.seconds * SECOND,
        )
        outcomes = await self.room.record(event, event, learner=self.learners[did.learner])
        assert outcomes == ([Outcome.ACCEPTED, Outcome.DUPLICATE] if is_counted else [Outcome.REJECTED] * 2)
        if is_counted:
            self.expected.done[did.learner].setdefault(did.unit, []).append(did)

    async def standings(self) -> list[tuple[int, str]]:
        asked = select(enrollments.c.percent, enrollments.c.status).where(enrollments.c.course_id == self.room.course.id)
        return [(percent, status) for percent, status in await self.room.world.rows(asked.order_by(enrollments.c.user_id))]


async def assert_all_is_counted_anew(world: World, first: Edited, taken: Sequence[Step]) -> None:
    room = await classroom(world)
    # The module that a course is made with is retired at once; all others have ids that are known here.
    played = Played(room, [room.learner, await world.learner(room.course)])
    for step in [first, *taken]:
        await played.take(step)
        assert await played.standings() == [played.expected.standing(learner) for learner in range(LEARNERS)]
    assert await differences(world) == []


CAREFULLY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
beginnings = st.builds(Edited, st.just([]), st.lists(placed, min_size=1, max_size=3))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@settings(CAREFULLY, max_examples=80)
@given(first=beginnings, taken=steps)
async def test_any_changes_and_events_end_in_the_right_state_on_sqlite(world: World, first: Edited, taken: list[Step]) -> None:
    await assert_all_is_counted_anew(world, first, taken)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@settings(CAREFULLY, max_examples=15)
@given(first=beginnings, taken=steps)
async def test_any_changes_and_events_end_in_the_right_state_on_postgresql(
    world: World, first: Edited, taken: list[Step]
) -> None:
    await assert_all_is_counted_anew(world, first, taken)
