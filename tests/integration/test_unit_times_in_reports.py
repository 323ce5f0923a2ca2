"""What staff reads about a course knows which units are hidden, have yet to open, or have closed."""

from typing import Any

from headway.attention.model import RuleName
from headway.courses.completion import Completion, Rule
from headway.courses.model import NewCourse, NewModule, NewUnit
from headway.courses.times import ALWAYS, Times
from headway.enrollments.model import Enrollment
from headway.identity import Caller, Role
from headway.instants import DAY, HOUR, MINUTE
from headway.learning.model import ActivityType, Event, Report
from headway.reports.model import GridOrder
from tests.integration.classroom import Classroom, classroom
from tests.integration.test_unit_times import set_units
from tests.world import NOON, World

SCROLL = Completion(Rule.SCROLL, 80)
WEEK = 7 * DAY


async def two_modules(world: World, *units: NewUnit) -> Classroom:
    """A course with a module of these units, and one of a single unit that is hidden."""
    owner = await world.user(Role.INSTRUCTOR)
    modules = (NewModule("Shown", units=units), NewModule("Hidden", units=(NewUnit("Secret", is_hidden=True),)))
    course = await world.write(world.services.course_editing.create, NewCourse("Course", modules=modules), owner_id=owner.id)
    return Classroom(world, course, await world.learner(course))


def staff(room: Classroom) -> Caller:
    return Caller(room.course.owner_id, Role.INSTRUCTOR)


async def listed(room: Classroom) -> dict[int, Any]:
    found = await room.world.read(room.world.services.attention.find, staff(room), room.course.id)
    learners = await room.world.read(room.world.services.attention.read, found, list(found.listed))
    return {each.enrollment.user_id: {finding.rule: finding for finding in each.findings} for each in learners}


async def test_a_module_of_hidden_units_is_no_step_of_the_funnel(world: World) -> None:
    room = await two_modules(world, NewUnit("A", completion=SCROLL), NewUnit("B", is_hidden=True))
    await room.record(room.scroll(0, 80))

    funnel = (await world.read(world.services.reports.overview, staff(room), room.course.id)).funnel

    assert [(step.module.title if step.module else None, step.reached) for step in funnel.steps] == [
        (None, 1),
        (None, 1),
        ("Shown", 1),
        (None, 1),
    ]


async def test_nobody_skips_what_is_hidden_or_has_yet_to_open(world: World) -> None:
    times = (ALWAYS, Times(opens_at=NOON + HOUR), Times(closes_at=NOON - HOUR), ALWAYS)
    room = await two_modules(
        world, NewUnit("Hidden", is_hidden=True), *[NewUnit(f"Unit {n}", times=each) for n, each in enumerate(times)]
    )
    # A learner who began the hidden unit alone has gone past nothing.
    other = await world.learner(room.course)
    await room.record(room.view(0), learner=other)
    await room.record(room.view(4))

    units = await world.read(world.services.reports.units, staff(room), room.course.id)

    assert [each.counts.skipped for each in units] == [0, 1, 0, 1, 0, 0]
    assert [each.counts.started for each in units] == [1, 0, 0, 0, 1, 0]
    for each in units:
        detail = await world.read(world.services.reports.unit, staff(room), room.course.id, each.unit.id)
        assert detail.report.counts == each.counts
    grid = await world.read(world.services.reports.grid, staff(room), room.course.id, GridOrder(), after=None, limit=10)
    assert [unit.is_hidden for unit in grid.units] == [True, False, False, False, False, True]


async def test_nobody_is_stuck_in_a_unit_that_is_hidden_or_has_closed(world: World) -> None:
    room = await classroom(world, SCROLL, SCROLL, SCROLL)
    await room.record(*(room.scroll(unit, 40) for unit in range(3)))
    await set_units(room, {}, {"is_hidden": True}, {"times": Times(closes_at=NOON + DAY)})
    world.clock.now = NOON + WEEK

    units = await world.read(world.services.reports.units, staff(room), room.course.id)

    assert [each.stuck for each in units] == [1, 0, 0]
    details = [await world.read(world.services.reports.unit, staff(room), room.course.id, each.unit.id) for each in units]
    assert [len(each.stuck) for each in details] == [1, 0, 0]


async def test_who_is_stuck_in_a_unit_needs_attention_until_it_closes_or_is_hidden(world: World) -> None:
    room = await classroom(world, SCROLL, SCROLL)
    await room.record(room.scroll(0, 40))
    world.clock.now = NOON + 6 * DAY
    unit_id = room.course.units[0].id
    await room.record(Event("again", ActivityType.UNIT_VIEW, room.course.id, unit_id=unit_id))
    assert RuleName.STUCK in (await listed(room))[room.learner.id]

    await set_units(room, {"times": Times(closes_at=NOON + DAY)})
    assert await listed(room) == {}
    await set_units(room, {"times": ALWAYS})
    assert RuleName.STUCK in (await listed(room))[room.learner.id]
    await set_units(room, {"is_hidden": True})

    assert await listed(room) == {}


async def test_the_plan_expects_no_more_than_what_has_opened(world: World) -> None:
    owner = await world.user(Role.INSTRUCTOR)
    weekly = [NewUnit(f"Week {n}", completion=SCROLL, times=Times(opens_at=NOON + n * 5 * DAY)) for n in range(4)]
    new = NewCourse("Course", modules=(NewModule("Only", units=tuple(weekly)),), starts_at=NOON, ends_at=NOON + 10 * DAY)
    course = await world.write(world.services.course_editing.create, new, owner_id=owner.id)
    room = Classroom(world, course, await world.learner(course))
    await room.record(room.scroll(0, 80))

    # Nine tenths of the time have passed, and two of four units have opened.
    world.clock.now = NOON + 9 * DAY
    await room.record(Event("here", ActivityType.COURSE_VIEW, course.id))
    behind = (await listed(room))[room.learner.id][RuleName.BEHIND_PLAN]
    assert (behind.value, behind.expected) == (25, 5_000)
    await world.write(
        world.services.tracking.record, [Report(room.learner.id, world.clock(), (room.scroll(1, 80),))], world.clock()
    )

    assert await listed(room) == {}


async def test_the_next_step_and_what_opens_next(world: World) -> None:
    room = await classroom(world, SCROLL, SCROLL, SCROLL)
    await set_units(
        room, {"is_hidden": True}, {"times": Times(opens_at=NOON + HOUR)}, {"times": Times(closes_at=NOON + MINUTE)}
    )
    learner = Caller(room.learner.id, Role.PARTICIPANT)

    async def next_step() -> tuple[str | None, str | None]:
        course = await world.read(world.services.learning.view, learner, room.course.id)
        assert course.path is not None
        assert isinstance(course.path.enrollment, Enrollment)
        step, opening = course.path.next_step, course.path.opening
        return step.title if step else None, opening.unit.title if opening else None

    assert await next_step() == ("Unit 2", "Unit 1")
    world.clock.now = NOON + MINUTE
    assert await next_step() == (None, "Unit 1")
    world.clock.now = NOON + HOUR
    assert await next_step() == ("Unit 1", None)
