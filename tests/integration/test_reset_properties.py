"""Whatever is reset, undone and begun anew between events in any order, progress is what a recount gives.

Events lie before and after resets, and are told in any order, each twice. A claim of study may begin before a reset and end
after it. What happened before a reset does not count, whenever it is told; an undo lets it count again, with what came since.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from headway.courses.completion import Completion, EngagementMetrics, Rule
from headway.courses.times import ALWAYS, Times
from headway.enrollments.tables import enrollments
from headway.errors import Conflict
from headway.identity import Caller, Role
from headway.instants import HOUR, SECOND
from headway.learning.model import ActivityType, Event, Outcome, Report, Update
from headway.learning.reads import explain_progress
from headway.learning.reset_model import Reset, ResetRequest
from headway.learning.tables import unit_progress
from headway.learning.unit_progress import UnitStatus
from tests.integration.classroom import Classroom, classroom
from tests.integration.concurrency import differences
from tests.integration.course_edits import unchanged_unit
from tests.world import NOON, World

UNITS, MOST_AGO = 3, 6


class Did(NamedTuple):
    """An event that ended so many hours before it is told, and claims seconds of study before that."""

    unit: int
    ago: int
    kind: ActivityType
    scrolled: int | None
    seconds: int


class Declared(NamedTuple):
    """A client's word that a unit is complete, or half of it."""

    unit: int
    is_complete: bool


class Planned(NamedTuple):
    """What becomes of a unit; its times lie so many hours from now."""

    times: tuple[int | None, int | None]
    is_hidden: bool
    completion: Completion


class Edited(NamedTuple):
    """A change of the course."""

    units: list[Planned]


class Took(NamedTuple):
    """A reset of a unit, or without one of the module, which is all there is, or of the course; or a new attempt."""

    unit: int | None
    keeps_study: bool
    whole: str


class Undone(NamedTuple):
    """The undo of the last reset that is not undone."""


Step = Did | Declared | Edited | Took | Undone

rules = st.sampled_from(
    [
        Completion(Rule.VIEWED),
        Completion(Rule.MANUAL),
        Completion(Rule.SCROLL, 80),
        Completion(Rule.TIME, 60),
        Completion(Rule.TIME, 4000),
    ]
)
hours = st.none() | st.integers(-MOST_AGO, 2)
times = st.builds(lambda a, b: (a, b) if a is None or b is None else (min(a, b), max(a, b) + 1), hours, hours)
dids = st.builds(
    Did,
    st.integers(0, UNITS - 1),
    st.integers(0, MOST_AGO),
    st.sampled_from([ActivityType.UNIT_VIEW, ActivityType.UNIT_COMPLETE, ActivityType.LINK_CLICK]),
    st.sampled_from([None, 40, 80]),
    st.sampled_from([0, 60, 5400]),
)
declarations = st.builds(Declared, st.integers(0, UNITS - 1), st.booleans())
edits = st.builds(
    Edited,
    st.lists(
        st.builds(Planned, times | st.just((None, None)) | st.just((None, None)), st.just(False) | st.booleans(), rules),
        min_size=UNITS,
        max_size=UNITS,
    ),
)
resets = st.builds(Took, st.none() | st.integers(0, UNITS - 1), st.booleans(), st.sampled_from(["module", "course", "attempt"]))
steps = st.lists(dids | dids | dids | declarations | edits | resets | resets | st.just(Undone()), min_size=6, max_size=16)


class Known(NamedTuple):
    """What a reset takes away of the units that it is of."""

    at: int
    scope: frozenset[int] | None
    keeps_study: bool
    begun: frozenset[int]
    completed: frozenset[int]
    declared: dict[int, int]
    completion: tuple[int, frozenset[int]] | None

    def concerns(self, unit: int) -> bool:
        return self.scope is None or unit in self.scope


class Expected:
    """What must be reached, computed from all that was done so far."""

    def __init__(self) -> None:
        self.plans = [(ALWAYS, False, Completion(Rule.VIEWED))] * UNITS
        self.done: list[tuple[int, Did]] = []
        """With the instants at which it ended."""
        self.counted: set[tuple[int, Did]] = set()
        self.begun: set[int] = set()
        self.completed: set[int] = set()
        self.declared: dict[int, int] = {}
        self.touched: set[int] = set()
        self.completion: tuple[int, frozenset[int]] | None = None
        self.taken: list[Known] = []

    def take(self, at: int, scope: frozenset[int] | None, *, keeps_study: bool) -> None:
        of = set(range(UNITS)) if scope is None else set(scope)
        self.taken.append(
            Known(
                *(at, scope, keeps_study, frozenset(self.begun & of), frozenset(self.completed & of)),
                *({unit: self.declared[unit] for unit in self.declared.keys() & of}, self.completion),
            )
        )
        self.begun -= of
        self.completed -= of
        self.declared = {unit: percent for unit, percent in self.declared.items() if unit not in of}
        self._settle_course(at)

    def undo(self, at: int) -> None:
        was = self.taken.pop()
        self.begun |= was.begun
        self.completed |= was.completed
        for unit, percent in was.declared.items():
            self.declared[unit] = max(percent, self.declared.get(unit, 0))
        self.settle(at, course=False)
        if was.completion is not None and (self.completion is None or was.completion < self.completion):
            self.completion = was.completion
        self._settle_course(at)

    def settle(self, at: int, *, course: bool = True) -> None:
        """Keep what counts, is begun or complete now, whatever comes."""
        for ended, did in self.done:
            if ended >= self.since(did.unit) and self.plans[did.unit][0].include(ended):
                self.counted.add((ended, did))
        for unit in range(UNITS):
            if self.percent(unit) == 10_000:
                self.completed.add(unit)
            if self._of(unit) or self._studied(unit) or unit in self.completed:
                self.begun.add(unit)
        if course and self.completion is None and self.required and self.required <= self.completed:
            self.completion = at, self.required

    def _settle_course(self, at: int) -> None:
        if self.completion is not None and self.completion[1] <= self.completed:
            return
        is_complete = bool(self.required) and self.required <= self.completed
        since = at if self.completion is None else self.completion[0]
        self.completion = (since, self.required) if is_complete else None

    @property
    def required(self) -> frozenset[int]:
        return frozenset(unit for unit, (_, is_hidden, _) in enumerate(self.plans) if not is_hidden)

    def since(self, unit: int, *, study: bool = False) -> int:
        return max((each.at for each in self.taken if each.concerns(unit) and not (study and each.keeps_study)), default=0)

    def seconds(self, unit: int) -> set[int]:
        """Return the seconds of study that count as study time."""
        since = self.since(unit, study=True)
        all_of = (range(at - did.seconds * SECOND, at, SECOND) for at, did in self.done if did.unit == unit)
        return {second for span in all_of for second in span if second >= since}

    def _of(self, unit: int) -> list[Did]:
        return [did for at, did in self.counted if did.unit == unit and at >= self.since(unit)]

    def _studied(self, unit: int) -> int:
        within, since = self.plans[unit][0], self.since(unit)
        return sum(second >= since and within.include(second) for second in self.seconds(unit))

    def percent(self, unit: int) -> int:
        if unit in self.completed:
            return 10_000
        completion, counted = self.plans[unit][2], self._of(unit)
        match completion.rule:
            case Rule.TIME:
                reached = min(10_000, self._studied(unit) * 10_000 // int(completion.threshold or 1))
            case Rule.SCROLL:
                reached = min(10_000, max((did.scrolled or 0 for did in counted), default=0) * 10_000 // 80)
            case rule:
                wanted = ActivityType.UNIT_VIEW if rule is Rule.VIEWED else ActivityType.UNIT_COMPLETE
                reached = 10_000 if any(did.kind is wanted for did in counted) else 0
        return max(reached, self.declared.get(unit, 0))

    def unit(self, unit: int) -> tuple[int, UnitStatus, int] | None:
        if unit not in self.touched:
            return None
        status = UnitStatus.COMPLETED if unit in self.completed else UnitStatus.IN_PROGRESS
        return self.percent(unit), status if unit in self.begun else UnitStatus.NOT_STARTED, len(self.seconds(unit)) * SECOND

    def course(self) -> tuple[int, str, int]:
        percents = [self.percent(unit) for unit in self.required]
        status = "COMPLETED" if self.completion else "IN_PROGRESS" if self.touched else "ENROLLED"
        studied = set().union(*(self.seconds(unit) for unit in range(UNITS)))
        return sum(percents) // len(percents) if percents else 0, status, len(studied) * SECOND


class Played:
    """A course in which the steps are taken, an hour after each other."""

    def __init__(self, room: Classroom) -> None:
        self.room, self.world, self.expected = room, room.world, Expected()
        self.staff = Caller(room.course.owner_id, Role.INSTRUCTOR)
        self.events: list[Event] = []
        self.resets: list[Reset] = []

    async def take(self, step: Step) -> None:
        now = self.world.clock.now = self.world.clock.now + HOUR
        match step:
            case Edited():
                await self._edit(step, now)
            case Did():
                await self._do(step, now)
            case Declared():
                await self._declare(step, now)
            case Took():
                await self._reset(step, now)
            case Undone():
                await self._undo(now)
        self.expected.settle(now)

    async def _edit(self, step: Edited, now: int) -> None:
        plans = [(self._times(plan, now), plan.is_hidden, plan.completion) for plan in step.units]
        units = zip(self.room.course.units, plans, strict=True)
        named = ("times", "is_hidden", "completion")
        await self.room.change_units([unchanged_unit(unit, **dict(zip(named, plan, strict=True))) for unit, plan in units])
        self.expected.plans = plans

    def _times(self, plan: Planned, now: int) -> Times:
        return Times(*(None if hour is None else now + hour * HOUR - HOUR // 2 for hour in plan.times))

    async def _do(self, did: Did, now: int) -> None:
        ended = now - did.ago * HOUR
        event = Event(
            f"event {len(self.events)}",
            did.kind,
            self.room.course.id,
            unit_id=self.room.course.units[did.unit].id,
            metrics=None if did.scrolled is None else EngagementMetrics(scroll_depth=did.scrolled),
            start_time=ended - did.seconds * SECOND,
            end_time=ended,
        )
        assert await self.room.record(event, event) == [Outcome.ACCEPTED, Outcome.DUPLICATE]
        self.events.append(event)
        self.expected.done.append((ended, did))
        self.expected.touched.add(did.unit)

    async def _declare(self, declared: Declared, now: int) -> None:
        within, is_hidden, _ = self.expected.plans[declared.unit]
        if is_hidden or not within.include(now):
            return
        status = UnitStatus.COMPLETED if declared.is_complete else UnitStatus.IN_PROGRESS
        percent = 10_000 if declared.is_complete else 5_000
        unit_id = self.room.course.units[declared.unit].id
        update = Update(self.room.course.id, unit_id, status=status, percent=percent)
        report = Report(self.room.learner.id, now, (update,))
        ((verdict,),) = await self.world.write(self.world.services.tracking.record, [report], now)
        assert verdict.outcome is Outcome.ACCEPTED
        known = self.expected.declared.get(declared.unit, 0)
        self.expected.declared[declared.unit] = max(known, percent)
        self.expected.touched.add(declared.unit)
        self.expected.begun.add(declared.unit)

    async def _reset(self, step: Took, now: int) -> None:
        scope: frozenset[int] | None = None
        request = ResetRequest(keeps_study=step.keeps_study, is_attempt=step.whole == "attempt")
        if step.unit is not None:
            scope = frozenset([step.unit])
            request = request._replace(unit_id=self.room.course.units[step.unit].id, is_attempt=False)
        elif step.whole == "module":
            scope = frozenset(range(UNITS))
            request = request._replace(module_id=self.room.course.modules[0].id)
        where = self.staff, self.room.course.id, self.room.learner.id
        try:
            self.resets.append(await self.world.write(self.world.services.resetting.reset, *where, request))
        except Conflict as refused:
            error = refused
        else:
            self.expected.take(now, scope, keeps_study=step.keeps_study)
            return
        assert error.kind == "NOTHING_TO_RESET"
        assert not self.expected.begun & (scope or set(range(UNITS)))

    async def _undo(self, now: int) -> None:
        if self.resets:
            where = self.staff, self.room.course.id, self.room.learner.id
            undone = await self.world.write(self.world.services.resetting.undo, *where, self.resets.pop().id)
            assert undone.undone_at == now
            self.expected.undo(now)

    async def check(self) -> None:
        learner_id, course_id = self.room.learner.id, self.room.course.id
        columns = (unit_progress.c.unit_id, unit_progress.c.percent, unit_progress.c.status, unit_progress.c.study_ms)
        found = await self.world.rows(select(*columns).where(unit_progress.c.user_id == learner_id))
        rows: dict[int, Any] = {unit_id: tuple(rest) for unit_id, *rest in found}
        for place, unit in enumerate(self.room.course.units):
            assert rows.get(unit.id) == self.expected.unit(place)
        progress = (enrollments.c.percent, enrollments.c.status, enrollments.c.study_ms)
        (enrolled,) = await self.world.rows(select(*progress).where(enrollments.c.user_id == learner_id))
        assert enrolled == self.expected.course()
        explained = await self.world.read(explain_progress, learner_id, course_id, now=self.world.clock())
        assert explained.percent == enrolled[0]
        assert await differences(self.world) == []


async def assert_all_is_counted_anew(world: World, taken: Sequence[Step]) -> None:
    world.clock.now = NOON
    played = Played(await classroom(world, *[Completion(Rule.VIEWED)] * UNITS))
    for step in taken:
        await played.take(step)
        await played.check()
    assert await played.room.record(*played.events) == [Outcome.DUPLICATE] * len(played.events)
    await played.check()


CAREFULLY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@settings(CAREFULLY, max_examples=40)
@given(taken=steps)
async def test_any_resets_and_events_end_in_the_right_state_on_sqlite(world: World, taken: list[Step]) -> None:
    await assert_all_is_counted_anew(world, taken)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@settings(CAREFULLY, max_examples=6)
@given(taken=steps)
async def test_any_resets_and_events_end_in_the_right_state_on_postgresql(world: World, taken: list[Step]) -> None:
    await assert_all_is_counted_anew(world, taken)
