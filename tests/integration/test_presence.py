"""Who is in a course now: from the same reports as progress, and again from the events themselves."""

import asyncio
from collections.abc import Awaitable

import pytest
from sqlalchemy import select

from headway.accounts.model import User
from headway.courses.model import CourseTree
from headway.enrollments.status import EnrollmentStatus, StatusChange
from headway.errors import Forbidden, NotFound
from headway.identity import Caller, Role
from headway.learning.model import HERE_WITHIN, ActivityType, Event, Heartbeat, Report
from headway.learning.presence import PresentLearners, began_at
from headway.learning.tables import learner_activity_logs as logs
from tests.counting_database import CountingDatabase
from tests.world import NOON, World

MINUTE = 60_000


def staff_of(course: CourseTree) -> Caller:
    return Caller(course.owner_id, Role.INSTRUCTOR)


class Room:
    """A course whose learners report."""

    def __init__(self, world: World, course: CourseTree) -> None:
        self.world, self.course = world, course
        self._sent = 0

    async def view(self, learner: User, unit: int | None, *, seconds: float | None = None) -> None:
        self._sent += 1
        unit_id = None if unit is None else self.course.units[unit].id
        event = Event(f"event {self._sent}", ActivityType.UNIT_VIEW, self.course.id, unit_id=unit_id, duration_seconds=seconds)
        await self.report(learner, event)

    async def report(self, learner: User, seen: Event | Heartbeat) -> None:
        now = self.world.clock()
        await self.world.write(self.world.services.tracking.record, [Report(learner.id, now, (seen,))], now)

    async def here(self) -> PresentLearners:
        return await self.world.read(self.world.services.presence.list_here, staff_of(self.course), self.course.id)


@pytest.fixture
async def room(world: World) -> Room:
    return Room(world, await world.course())


async def test_whoever_was_active_within_five_minutes_is_here(world: World, room: Room) -> None:
    gone, back, new, never = [await world.learner(room.course) for _ in range(4)]
    await room.view(gone, 0)
    await room.view(back, 0, seconds=60)
    world.clock.advance(seconds=240)
    await room.view(back, 1, seconds=60)
    world.clock.advance(seconds=60)
    await room.view(new, None)

    found = await room.here()

    assert [each.user_id for each in found.learners] == [new.id, back.id]
    assert (found.total, found.at) == (2, world.clock())
    first, second = found.learners
    assert (first.name, first.unit, first.since) == (new.name, None, world.clock())
    assert second.unit is not None
    assert (second.unit.id, second.unit.title) == (room.course.units[1].id, "Unit viewed")
    assert (second.unit.is_complete, second.unit.percent) == (True, 10_000)
    assert second.since == NOON - MINUTE, "a pause of three minutes does not interrupt"
    # The same, from the events.
    newest = dict(await world.rows(select(logs.c.user_id, logs.c.occurred_at).order_by(logs.c.occurred_at)))
    assert {user_id for user_id, at in newest.items() if at > world.clock() - HERE_WITHIN} == {new.id, back.id}
    assert {each.user_id: each.last_activity_at for each in found.learners} == {
        user_id: at for user_id, at in newest.items() if user_id != gone.id
    }
    assert never.id not in newest


async def test_a_longer_pause_and_midnight(world: World, room: Room) -> None:
    learner = await world.learner(room.course)
    world.clock.advance(seconds=12 * 3600 - 60)
    await room.view(learner, 0, seconds=600)
    world.clock.advance(seconds=180)
    await room.view(learner, 0, seconds=120)

    (present,) = (await room.here()).learners
    assert present.since == NOON + 12 * 3_600_000 - 11 * MINUTE, "the study began on the day before"

    world.clock.advance(seconds=480)
    await room.view(learner, 0, seconds=60)
    (present,) = (await room.here()).learners
    assert present.since == world.clock() - MINUTE

    world.clock.advance(seconds=300)
    assert (await room.here()).learners == []


async def test_heartbeats_keep_a_learner_here_and_those_who_left_are_not(world: World, room: Room) -> None:
    learner, leaver = [await world.learner(room.course) for _ in range(2)]
    for each in (learner, leaver):
        await room.report(each, Heartbeat(room.course.id, is_active=True, unit_id=room.course.units[2].id))
    expire = StatusChange(EnrollmentStatus.DROPPED)
    staff = staff_of(room.course)
    await world.write(world.services.enrollments.set_status, staff, room.course.id, leaver.id, expire)

    assert [(each.user_id, each.unit and each.unit.title) for each in (await room.here()).learners] == [
        (learner.id, "Unit time")
    ]


async def test_only_staff_sees_who_is_here_with_a_few_statements(world: World, room: Room) -> None:
    learners = [await world.learner(room.course) for _ in range(12)]
    for learner in learners:
        await room.view(learner, 0, seconds=30)
    list_here = world.services.presence.list_here
    for caller, error in (
        (Caller(learners[0].id, Role.PARTICIPANT), Forbidden),
        (Caller((await world.user(Role.INSTRUCTOR)).id, Role.INSTRUCTOR), Forbidden),
    ):
        with pytest.raises(error):
            await world.read(list_here, caller, room.course.id)
    with pytest.raises(NotFound):
        await world.read(list_here, staff_of(room.course), room.course.id + 1)

    counted = CountingDatabase(world.database)
    async with counted.read() as tx:
        assert len((await list_here(tx, staff_of(room.course), room.course.id)).learners) == 12
    assert counted.statements == 4


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], 60),
        ([(50, 60)], 50),
        ([(10, 56), (0, 9), (50, 60)], 0),
        ([(10, 54), (56, 60)], 10),
        ([(10, 50), (55, 60)], 55),
        ([(10, 20)], 60),
    ],
)
def test_a_pause_of_less_than_five_minutes_interrupts_nothing(spans: list[tuple[int, int]], expected: int) -> None:
    in_ms = [(start * MINUTE, end * MINUTE) for start, end in spans]
    assert began_at(in_ms, 60 * MINUTE) == expected * MINUTE


async def test_live_clients_are_told_that_a_learner_returns(world: World, room: Room) -> None:
    learner = await world.learner(room.course)
    told = list[str]()
    world.database.listen(lambda payload: told.append(payload or ""))

    async def is_told(act: Awaitable[None]) -> bool:
        told.clear()
        await act
        await world.database.look_for_others()
        await asyncio.sleep(0.2)
        return any('"progress.updated"' in each for each in told)

    assert await is_told(room.view(learner, 1))
    world.clock.advance(seconds=299)
    assert not await is_told(room.view(learner, 1))
    world.clock.advance(seconds=299)
    assert not await is_told(room.view(learner, 1)), "nothing that can be seen has changed, and the learner was here"
    world.clock.advance(seconds=300)
    assert await is_told(room.view(learner, 1))
    world.clock.advance(seconds=300)
    assert await is_told(room.view(learner, None))
