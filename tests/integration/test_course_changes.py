"""Courses that change under their learners: what is retired keeps its history, and everything is counted anew at once."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from headway.accounts.model import User
from headway.courses.completion import Completion, EngagementMetrics, Rule
from headway.courses.model import CourseTree, NewCourse, NewModule, NewUnit
from headway.enrollments.tables import enrollments
from headway.errors import Invalid
from headway.identity import Caller, Role
from headway.instants import SECOND
from headway.learning.model import ActivityType, Event, Outcome, Report
from headway.learning.tables import learner_activity_logs, unit_progress
from tests.integration.concurrency import differences
from tests.integration.course_edits import unchanged_course, unchanged_unit
from tests.world import NOON, World

VIEWED, MANUAL = Completion(Rule.VIEWED), Completion(Rule.MANUAL)
_events = select(*learner_activity_logs.c).order_by(learner_activity_logs.c.user_id, learner_activity_logs.c.event_id)
_units = select(*unit_progress.c).order_by(unit_progress.c.user_id, unit_progress.c.unit_id)


class Classroom:
    """A course with its staff and one learner."""

    def __init__(self, world: World, course: CourseTree, learner: User) -> None:
        self.world, self.course, self.learner = world, course, learner
        self._staff = Caller(course.owner_id, Role.INSTRUCTOR)

    async def change(self, edit: Callable[[CourseTree], NewCourse]) -> None:
        self.course = await self.world.write(self.world.services.course_editing.change, self._staff, self.course.id, edit)

    async def change_units(self, units: Sequence[NewUnit]) -> None:
        """Leave these units in the first module, and nothing else in the course."""
        first = self.course.modules[0]
        await self.change(
            lambda tree: unchanged_course(tree, modules=(NewModule(first.title, units=tuple(units), id=first.id),))
        )

    async def record(self, *events: Event, learner: User | None = None) -> list[Outcome]:
        report = Report((learner or self.learner).id, self.world.clock(), events)
        ((*verdicts,),) = await self.world.write(self.world.services.tracking.record, [report], self.world.clock())
        return [verdict.outcome for verdict in verdicts]

    def view(self, unit: int, name: str = "") -> Event:
        named = name or f"view {unit}"
        return Event(named, ActivityType.UNIT_VIEW, self.course.id, unit_id=self.course.units[unit].id)

    def scroll(self, unit: int, depth: float) -> Event:
        metrics = EngagementMetrics(scroll_depth=depth)
        unit_id = self.course.units[unit].id
        return Event(f"scroll {unit} {depth}", ActivityType.LINK_CLICK, self.course.id, unit_id=unit_id, metrics=metrics)

    async def standing(self) -> tuple[int, str]:
        (row,) = await self.world.rows(select(enrollments.c.percent, enrollments.c.status))
        return row[0], row[1]

    async def unit_percent(self, unit: int) -> tuple[int, str]:
        asked = unit_progress.c.unit_id == self.course.units[unit].id
        (row,) = await self.world.rows(select(unit_progress.c.percent, unit_progress.c.status).where(asked))
        return row[0], row[1]


async def classroom(world: World, *completions: Completion) -> Classroom:
    """Make one with a required unit for each rule, in one module."""
    modules = (NewModule("Only", units=tuple(NewUnit(f"Unit {i}", completion=each) for i, each in enumerate(completions))),)
    owner = await world.user(Role.INSTRUCTOR)
    course = await world.write(world.services.course_editing.create, NewCourse("Course", modules=modules), owner_id=owner.id)
    return Classroom(world, course, await world.learner(course))


async def test_a_retired_unit_keeps_its_history_and_no_longer_counts(world: World) -> None:
    room = await classroom(world, VIEWED, VIEWED, VIEWED)
    await room.record(room.view(0), room.view(1))
    assert await room.standing() == (6666, "IN_PROGRESS")
    history = await world.rows(_events), await world.rows(_units)

    await room.change_units([unchanged_unit(unit) for unit in room.course.units[1:]])

    assert await room.standing() == (5000, "IN_PROGRESS")
    assert (await world.rows(_events), await world.rows(_units)) == history
    assert [unit.is_retired for unit in room.course.units if unit.title == "Unit 0"] == [True]
    assert await differences(world) == []


async def test_a_retired_module_keeps_its_history_and_no_longer_counts(world: World) -> None:
    course = await world.write(
        world.services.course_editing.create,
        NewCourse(
            "Course",
            modules=tuple(NewModule(title, units=(NewUnit(f"{title} unit", completion=VIEWED),)) for title in ("A", "B")),
        ),
        owner_id=(await world.user(Role.INSTRUCTOR)).id,
    )
    room = Classroom(world, course, await world.learner(course))
    await room.record(room.view(0))
    history = await world.rows(_events), await world.rows(_units)

    await room.change(lambda tree: unchanged_course(tree, modules=unchanged_course(tree).modules[1:]))

    assert await room.standing() == (0, "IN_PROGRESS")
    assert (await world.rows(_events), await world.rows(_units)) == history
    (progress,), _ = await world.read(world.services.learning.progress, room.learner.id, page=1, limit=10)
    assert progress.completed_modules == []
    assert await differences(world) == []


async def test_a_unit_that_comes_back_counts_with_what_was_reached_in_it(world: World) -> None:
    room = await classroom(world, VIEWED, VIEWED)
    await room.record(room.view(0))
    first, second = room.course.units
    await room.change_units([unchanged_unit(second)])
    assert await room.standing() == (0, "IN_PROGRESS")

    await room.change_units([unchanged_unit(second), unchanged_unit(first)])

    assert await room.standing() == (5000, "IN_PROGRESS")
    assert [unit.is_retired for unit in room.course.units] == [False, False]
    assert await differences(world) == []


async def test_an_added_unit_lowers_the_percent(world: World) -> None:
    room = await classroom(world, VIEWED, VIEWED)
    await room.record(room.view(0))

    await room.change_units([*map(unchanged_unit, room.course.units), NewUnit("New"), NewUnit("Extra", is_required=False)])

    assert await room.standing() == (3333, "IN_PROGRESS")
    assert await differences(world) == []


async def test_a_completed_enrollment_stays_completed_though_its_percent_falls(world: World) -> None:
    room = await classroom(world, VIEWED)
    await room.record(room.view(0))
    (completed_at,) = await world.rows(select(enrollments.c.completed_at))
    world.clock.advance(seconds=3600)

    await room.change_units([*map(unchanged_unit, room.course.units), NewUnit("New", completion=VIEWED)])
    assert await room.standing() == (5000, "COMPLETED")
    assert await differences(world) == []
    await room.record(room.view(1))

    assert await room.standing() == (10_000, "COMPLETED")
    assert await world.rows(select(enrollments.c.completed_at)) == [completed_at]
    assert await differences(world) == []


async def test_retiring_what_was_missing_completes_the_course(world: World) -> None:
    room = await classroom(world, VIEWED, VIEWED)
    await room.record(room.view(0))
    world.clock.advance(seconds=60)

    await room.change_units([unchanged_unit(room.course.units[0])])

    assert await room.standing() == (10_000, "COMPLETED")
    assert await world.rows(select(enrollments.c.completed_at)) == [(world.clock.now,)]
    assert await differences(world) == []


async def test_a_course_without_required_units_is_at_zero_and_completes_nobody(world: World) -> None:
    room = await classroom(world, VIEWED, VIEWED)
    await room.record(room.view(0))

    await room.change_units([])
    assert await room.standing() == (0, "IN_PROGRESS")
    assert await differences(world) == []
    await room.change_units([unchanged_unit(unit, is_required=False) for unit in room.course.units])

    assert await room.standing() == (0, "IN_PROGRESS")
    assert await differences(world) == []


async def test_a_changed_rule_is_applied_to_what_was_recorded(world: World) -> None:
    room = await classroom(world, Completion(Rule.SCROLL, 80), VIEWED)
    await room.record(room.scroll(0, 40))
    scrolled, viewed = room.course.units
    assert await room.unit_percent(0) == (5000, "IN_PROGRESS")

    await room.change_units([unchanged_unit(scrolled, completion=Completion(Rule.SCROLL, 100)), unchanged_unit(viewed)])
    assert await room.unit_percent(0) == (4000, "IN_PROGRESS")
    assert await room.standing() == (2000, "IN_PROGRESS")
    assert await differences(world) == []

    await room.change_units([unchanged_unit(scrolled, completion=Completion(Rule.SCROLL, 40)), unchanged_unit(viewed)])
    assert await room.unit_percent(0) == (10_000, "COMPLETED")
    assert await room.standing() == (5000, "IN_PROGRESS")
    assert await differences(world) == []

    await room.change_units([unchanged_unit(scrolled, completion=MANUAL), unchanged_unit(viewed)])
    assert await room.unit_percent(0) == (10_000, "COMPLETED")
    assert await room.standing() == (5000, "IN_PROGRESS")
    assert await differences(world) == []


async def test_someone_who_left_is_counted_anew_too_and_comes_back_to_it(world: World) -> None:
    room = await classroom(world, VIEWED, VIEWED)
    await room.record(room.view(0))
    await world.write(world.services.enrollments.leave, room.learner.id, room.course.id)

    await room.change_units([unchanged_unit(room.course.units[0])])
    assert await room.standing() == (10_000, "DROPPED")
    assert await differences(world) == []
    await world.write(world.services.enrollments.enroll, room.learner.id, room.course.id)

    assert await room.standing() == (10_000, "COMPLETED")
    assert await differences(world) == []


async def test_a_repeated_event_on_a_retired_unit_is_a_duplicate(world: World) -> None:
    room = await classroom(world, VIEWED, VIEWED)
    viewed = room.view(0)
    await room.record(viewed)
    await room.change_units([unchanged_unit(room.course.units[1])])

    assert await room.record(viewed) == [Outcome.DUPLICATE]
    assert len(await world.rows(_events)) == 1
    assert await room.standing() == (0, "IN_PROGRESS")
    assert await differences(world) == []


async def test_a_repeated_event_on_a_unit_that_moved_is_a_duplicate(world: World) -> None:
    room = await classroom(world, VIEWED, VIEWED)
    viewed = room.view(0)
    await room.record(viewed)
    first, second = room.course.units
    module = room.course.modules[0]
    moved = (
        NewModule(module.title, units=(unchanged_unit(second),), id=module.id),
        NewModule("Other", units=(unchanged_unit(first),)),
    )
    await room.change(lambda tree: unchanged_course(tree, modules=moved))

    assert await differences(world) == []
    assert await room.record(viewed) == [Outcome.DUPLICATE]


async def test_a_change_that_is_refused_changes_nothing(world: World) -> None:
    room = await classroom(world, VIEWED, VIEWED)
    await room.record(room.view(0))
    before = await world.read(world.services.courses.find, room.course.id)

    with pytest.raises(Invalid):
        await room.change_units([NewUnit("Not of this course", id=10_000)])

    assert await world.read(world.services.courses.find, room.course.id) == before
    assert await room.standing() == (5000, "IN_PROGRESS")


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
        start = NOON - self._events * 1000 * SECOND
        event = Event(
            f"event {self._events}",
            did.kind,
            self.room.course.id,
            unit_id=self.unit_ids[did.unit],
            metrics=None if did.scrolled is None else EngagementMetrics(scroll_depth=did.scrolled),
            start_time=start,
            end_time=None if did.seconds is None else start + did.seconds * SECOND,
        )
        is_here = self.expected.is_here[did.learner]
        outcomes = await self.room.record(event, event, learner=self.learners[did.learner])
        assert outcomes == ([Outcome.ACCEPTED, Outcome.DUPLICATE] if is_here else [Outcome.REJECTED] * 2)
        if is_here:
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
