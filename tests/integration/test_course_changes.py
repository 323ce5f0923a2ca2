"""Courses that change under their learners: what is retired keeps its history, and everything is counted anew at once."""

import pytest
from sqlalchemy import select

from headway.courses.completion import Completion, Rule
from headway.courses.model import NewCourse, NewModule, NewUnit
from headway.enrollments.tables import enrollments
from headway.errors import Invalid
from headway.identity import Role
from headway.learning.model import Outcome
from headway.learning.tables import learner_activity_logs, unit_progress
from headway.paging.service import Walk
from tests.integration.classroom import Classroom, classroom
from tests.integration.concurrency import differences
from tests.integration.course_edits import unchanged_course, unchanged_unit
from tests.world import World

VIEWED, MANUAL = Completion(Rule.VIEWED), Completion(Rule.MANUAL)
_events = select(*learner_activity_logs.c).order_by(learner_activity_logs.c.user_id, learner_activity_logs.c.event_id)
_units = select(*unit_progress.c).order_by(unit_progress.c.user_id, unit_progress.c.unit_id)


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
    (progress,), _ = await world.read(world.services.learning.progress, room.learner.id, walk=Walk(10, 1))
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
