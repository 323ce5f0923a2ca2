"""Units with times, and hidden ones: what counts, what is kept, and what changes when staff change them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from headway.courses.completion import Completion, Rule
from headway.courses.model import NewCourse, NewModule, NewUnit
from headway.courses.times import ALWAYS, Times
from headway.db.dialects import Statement
from headway.enrollments import store
from headway.enrollments.tables import enrollments
from headway.errors import Conflict, NotFound
from headway.identity import Caller, Role
from headway.instants import DAY, HOUR, MINUTE, SECOND
from headway.learning import updates
from headway.learning.model import ActivityType, Event, Heartbeat, Outcome, Report, Update
from headway.learning.tables import learner_activity_logs, study_days, uncounted_events, unit_progress
from headway.learning.unit_progress import UnitStatus
from tests.integration.archives import archive
from tests.integration.classroom import Classroom, classroom
from tests.integration.concurrency import differences
from tests.integration.course_edits import unchanged_unit
from tests.world import NOON, World

VIEWED, MINUTE_OF_STUDY = Completion(Rule.VIEWED), Completion(Rule.TIME, 60)
BEFORE, AFTER = Times(opens_at=NOON + HOUR), Times(closes_at=NOON - HOUR)


async def set_units(room: Classroom, *changes: dict[str, Any]) -> None:
    """Change the units of a course, each of them or the first ones, in some fields."""
    units = room.course.units
    changed = [unchanged_unit(unit, **change) for unit, change in zip(units, changes, strict=False)]
    await room.change_units([*changed, *map(unchanged_unit, units[len(changes) :])])


def viewed(room: Classroom, unit: int, at: int, name: str = "", *, seconds: int = 0) -> Event:
    """A view that ended at an instant."""
    start = at - seconds * SECOND
    unit_id = room.course.units[unit].id
    return Event(
        name or f"view {unit} {at}", ActivityType.UNIT_VIEW, room.course.id, unit_id=unit_id, start_time=start, end_time=at
    )


async def declare(room: Classroom, unit: int) -> None:
    learner = Caller(room.learner.id, room.learner.role)
    report = updates.make_report(
        learner, room.learner.id, Update(room.course.id, room.course.units[unit].id, UnitStatus.COMPLETED), NOON
    )
    ((verdict,),) = await room.world.write(room.world.services.tracking.record, [report], room.world.clock())
    updates.accepted_progress(verdict)


async def run(world: World, *changes: Statement) -> None:
    async with world.database.write() as tx:
        for change in changes:
            assert await tx.run(change) == 1


@pytest.mark.parametrize("times", [BEFORE, AFTER])
async def test_an_event_outside_of_the_times_is_kept_with_its_study_and_does_not_begin_the_unit(
    world: World, times: Times
) -> None:
    room = await classroom(world, VIEWED)
    await set_units(room, {"times": times})

    late = viewed(room, 0, NOON, seconds=30)
    assert await room.record(late, late) == [Outcome.ACCEPTED, Outcome.DUPLICATE]

    assert await room.unit_percent(0) == (0, "NOT_STARTED")
    assert await room.standing() == (0, "IN_PROGRESS")
    assert await world.rows(select(enrollments.c.study_ms, enrollments.c.unit_states)) == [(30_000, "")]
    assert await world.rows(select(unit_progress.c.study_ms, unit_progress.c.metadata)) == [(30_000, '{"outside_ms":30000}')]
    assert len(await world.rows(select(learner_activity_logs.c.event_id))) == 1
    assert await differences(world) == []


async def test_what_was_done_in_time_and_is_told_late_completes(world: World) -> None:
    room = await classroom(world, VIEWED)
    await set_units(room, {"times": Times(closes_at=NOON + HOUR)})
    done = viewed(room, 0, NOON + HOUR - 1)
    world.clock.now = NOON + 3 * DAY

    await room.record(done)

    assert await room.standing() == (10_000, "COMPLETED")
    assert await differences(world) == []


async def test_a_clock_that_is_wrong_is_corrected_before_the_times_are_looked_at(world: World) -> None:
    room = await classroom(world, VIEWED, VIEWED)
    await set_units(room, {"times": Times(closes_at=NOON - DAY)}, {"times": Times(closes_at=NOON + DAY)})
    # By the clock of this device it is two days ago.
    ago = NOON - 2 * DAY
    events = [
        Event(
            f"view {unit.id}",
            ActivityType.UNIT_VIEW,
            room.course.id,
            unit_id=unit.id,
            start_time=ago,
            sent_at=ago,
            session_id="one",
        )
        for unit in room.course.units
    ]

    await room.record(*events)

    assert await room.unit_percent(0) == (0, "NOT_STARTED")
    assert await room.unit_percent(1) == (10_000, "COMPLETED")


async def test_what_is_complete_stays_so_when_the_unit_closes_and_percents_do_not_follow_the_clock(world: World) -> None:
    room = await classroom(world, VIEWED, VIEWED, Completion(Rule.SCROLL, 80))
    closing = Times(closes_at=NOON + HOUR)
    await set_units(room, {"times": closing}, {"times": BEFORE}, {"times": closing})
    await room.record(room.view(0), room.scroll(2, 40))
    assert await room.standing() == (5_000, "IN_PROGRESS")

    world.clock.now = NOON + 2 * HOUR
    await room.record(room.view(0, "again"), room.scroll(2, 80))

    # What has yet to open and what has closed counts as far as it goes.
    assert await room.standing() == (5_000, "IN_PROGRESS")
    assert await room.unit_percent(0) == (10_000, "COMPLETED")
    assert await room.unit_percent(2) == (5_000, "IN_PROGRESS")
    assert await differences(world) == []


async def test_late_work_counts_once_the_times_are_extended_and_stays_when_they_are_shortened(world: World) -> None:
    room = await classroom(world, VIEWED, Completion(Rule.SCROLL, 80))
    await set_units(room, {"times": AFTER}, {"times": AFTER})
    await room.record(viewed(room, 0, NOON - 30 * MINUTE), room.scroll(1, 80))
    assert await room.standing() == (0, "IN_PROGRESS")

    await set_units(room, {"times": Times(closes_at=NOON - 29 * MINUTE)}, {"times": Times(closes_at=NOON + 1)})

    assert await room.standing() == (10_000, "COMPLETED")
    assert await world.rows(select(uncounted_events)) == []
    ((metadata,),) = await world.rows(select(enrollments.c.metadata))
    assert '"scroll_depth":80' in metadata
    assert await differences(world) == []

    await set_units(room, {"times": AFTER}, {"times": BEFORE})

    assert await room.standing() == (10_000, "COMPLETED")
    assert await differences(world) == []


async def test_study_counts_for_its_unit_as_far_as_it_lies_within_the_times(world: World) -> None:
    room = await classroom(world, MINUTE_OF_STUDY)
    await set_units(room, {"times": Times(closes_at=NOON - 20 * SECOND)})

    # Half of it lies within, and it ends outside.
    await room.record(viewed(room, 0, NOON, seconds=40))
    assert await room.unit_percent(0) == (3_333, "IN_PROGRESS")
    await room.record(viewed(room, 0, NOON - 30 * SECOND, "overlapping", seconds=20))
    assert await room.unit_percent(0) == (5_000, "IN_PROGRESS")
    assert await world.rows(select(unit_progress.c.study_ms)) == [(50_000,)]
    assert await differences(world) == []

    await set_units(room, {"times": Times(closes_at=NOON - 40 * SECOND)})
    assert await room.unit_percent(0) == (1_666, "IN_PROGRESS")
    await set_units(room, {"times": ALWAYS})
    assert await room.unit_percent(0) == (8_333, "IN_PROGRESS")
    assert await differences(world) == []


async def test_heartbeats_outside_of_the_times_are_study_and_begin_nothing(world: World) -> None:
    room = await classroom(world, VIEWED)
    await set_units(room, {"times": AFTER})
    beat = Heartbeat(room.course.id, is_active=True, unit_id=room.course.units[0].id, timestamp=NOON)
    await world.write(world.services.tracking.record, [Report(room.learner.id, NOON, (beat,))], NOON)

    assert await room.unit_percent(0) == (0, "NOT_STARTED")
    assert await world.rows(select(enrollments.c.study_ms)) == [(30_000,)]
    await set_units(room, {"times": ALWAYS})

    assert await room.unit_percent(0) == (0, "IN_PROGRESS")
    assert await differences(world) == []


@pytest.mark.parametrize(
    ("times", "message"),
    [(BEFORE, "This unit opens at 2026-01-01T13:00:00.000Z."), (AFTER, "This unit closed at 2026-01-01T11:00:00.000Z.")],
)
async def test_commands_are_refused_outside_of_the_times_also_where_the_unit_was_begun(
    world: World, times: Times, message: str
) -> None:
    room = await classroom(world, Completion(), Completion())
    await room.record(room.view(0))
    await set_units(room, {"times": times})
    learner = Caller(room.learner.id, room.learner.role)

    with pytest.raises(Conflict, match=message) as refused:
        await declare(room, 0)
    assert refused.value.kind == "UNIT_LOCKED"
    with pytest.raises(Conflict, match=message):
        await world.read(world.services.marking.check, learner, room.course.id, room.course.units[0].id)
    with pytest.raises(Conflict, match=r"The unit 'Unit 0' (opens|closed) at 2026") as module_refused:
        await world.write(world.services.learning.complete_module, learner, room.course.id, room.course.modules[0].id)
    assert module_refused.value.kind == "MODULE_LOCKED"
    await declare(room, 1)

    assert await room.standing() == (5_000, "IN_PROGRESS")


async def test_a_hidden_unit_does_not_count_until_it_is_shown_and_then_with_all_that_was_done(world: World) -> None:
    room = await classroom(world, VIEWED, VIEWED)
    await set_units(room, {}, {"is_hidden": True})
    await room.record(room.view(0))
    assert await room.standing() == (10_000, "COMPLETED")
    await room.record(room.view(1))
    assert await room.unit_percent(1) == (10_000, "COMPLETED")
    assert await differences(world) == []

    await set_units(room, {"is_hidden": True}, {"is_hidden": False})

    assert await room.standing() == (10_000, "COMPLETED")
    assert await differences(world) == []


async def test_hiding_and_showing_units_regrades(world: World) -> None:
    room = await classroom(world, VIEWED, VIEWED, VIEWED)
    await room.record(room.view(0))
    assert await room.standing() == (3_333, "IN_PROGRESS")

    await set_units(room, {}, {"is_hidden": True})
    assert await room.standing() == (5_000, "IN_PROGRESS")
    await set_units(room, {}, {}, {"is_hidden": True})
    assert await room.standing() == (10_000, "COMPLETED")
    await set_units(room, {}, {"is_hidden": False}, {"is_hidden": False})

    assert await room.standing() == (3_333, "COMPLETED")
    assert await differences(world) == []


async def test_a_hidden_unit_does_not_exist_for_the_commands_of_a_learner(world: World) -> None:
    room = await classroom(world, Completion(), Completion())
    await set_units(room, {"is_hidden": True})
    learner = Caller(room.learner.id, room.learner.role)

    with pytest.raises(NotFound):
        await declare(room, 0)
    with pytest.raises(NotFound):
        await world.read(world.services.marking.check, learner, room.course.id, room.course.units[0].id)
    await world.write(world.services.learning.complete_module, learner, room.course.id, room.course.modules[0].id)

    assert await world.rows(select(unit_progress.c.unit_id)) == [(room.course.units[1].id,)]


async def test_events_of_archives_count_too_once_the_times_include_them(world: World, tmp_path: Path) -> None:
    room = await classroom(world, VIEWED, VIEWED)
    await set_units(room, {"times": AFTER}, {"times": AFTER})
    late = viewed(room, 0, NOON)
    await room.record(late, viewed(room, 1, NOON))
    await archive(world, tmp_path)
    assert await world.rows(select(learner_activity_logs.c.event_id)) == []
    assert await differences(world) == []

    await set_units(room, {"times": ALWAYS})

    assert await room.standing() == (5_000, "IN_PROGRESS")
    assert await room.record(late) == [Outcome.DUPLICATE]
    assert len(await world.rows(select(uncounted_events.c.event_id))) == 1
    assert await differences(world) == []


async def named(world: World) -> list[str]:
    return sorted({f"{each.table}.{each.column}" for each in await differences(world) if each.table != "course_statistics"})


async def test_verify_finds_an_event_that_is_said_not_to_count_or_to_count_against_the_times(world: World) -> None:
    room = await classroom(world, VIEWED, VIEWED)
    await set_units(room, {"times": AFTER})
    await room.record(viewed(room, 0, NOON, "late"), viewed(room, 1, NOON, "timely"))
    kept, now = uncounted_events.c, {"user_id": room.learner.id, "course_id": room.course.id, "occurred_at": NOON}
    (late,) = await world.rows(select(uncounted_events))

    await run(world, delete(uncounted_events))
    assert {"unit_progress.metadata", "unit_progress.status", "enrollments.status"} <= set(await named(world))
    await run(world, insert(uncounted_events).values(dict(zip(uncounted_events.c.keys(), late, strict=True))))
    assert await named(world) == []

    timely = {**now, "event_id": "timely", "unit_id": room.course.units[1].id, "metadata": '{"is_viewed":true}'}
    await run(world, insert(uncounted_events).values(timely))
    assert "uncounted_events.event_id" in await named(world)
    await run(world, delete(uncounted_events).where(kept.event_id == "timely"))

    for values, column in (
        ({"metadata": "{}"}, "metadata"),
        ({"occurred_at": NOON - MINUTE}, "occurred_at"),
        ({"unit_id": room.course.units[1].id}, "unit_id"),
    ):
        await run(world, update(uncounted_events).values(values))
        assert await named(world) == [f"uncounted_events.{column}"]
        await run(world, update(uncounted_events).values(dict(zip(uncounted_events.c.keys(), late, strict=True))))
    await run(world, update(uncounted_events).values({"event_id": "other"}))
    assert "uncounted_events.event_id" in await named(world)


async def test_an_event_that_never_lay_within_the_times_is_kept_as_one_that_does_not_count(world: World) -> None:
    owner = await world.user(Role.INSTRUCTOR)
    modules = (NewModule("Only", units=(NewUnit("Unit", completion=VIEWED, times=AFTER),)),)
    course = await world.write(world.services.course_editing.create, NewCourse("Course", modules=modules), owner_id=owner.id)
    room = Classroom(world, course, await world.learner(course))
    await room.record(viewed(room, 0, NOON))

    await run(world, delete(uncounted_events))

    assert "uncounted_events.event_id" in await named(world)


async def test_verify_finds_study_outside_of_the_times_that_is_counted(world: World) -> None:
    room = await classroom(world, MINUTE_OF_STUDY)
    await set_units(room, {"times": AFTER})
    await room.record(viewed(room, 0, NOON, seconds=30))

    await run(world, update(unit_progress).values(metadata="{}", percent=5_000))

    assert await named(world) == ["unit_progress.metadata", "unit_progress.percent"]
    assert len(await world.rows(select(study_days.c.day))) == 1


async def test_a_completion_by_study_stays_right_when_the_times_no_longer_include_the_study(world: World) -> None:
    room = await classroom(world, MINUTE_OF_STUDY)
    await set_units(room, {"times": Times(closes_at=NOON + 1)})
    await room.record(viewed(room, 0, NOON, seconds=60))
    assert await room.standing() == (10_000, "COMPLETED")

    await set_units(room, {"times": AFTER})

    assert await room.standing() == (10_000, "COMPLETED")
    assert await differences(world) == []


async def test_many_units_and_learners_are_retimed_in_few_statements(world: World) -> None:
    room = await classroom(world, *[VIEWED] * 30)
    learners = [room.learner, *[await world.learner(room.course) for _ in range(9)]]
    await set_units(room, *[{"times": AFTER}] * 30)
    for learner in learners:
        await room.record(*[viewed(room, unit, NOON) for unit in range(30)], learner=learner)
    assert len(await world.rows(select(uncounted_events.c.event_id))) == 300

    await set_units(room, *[{"times": ALWAYS}] * 30)

    assert await world.rows(select(uncounted_events.c.event_id)) == []
    assert {tuple(row) for row in await world.rows(select(enrollments.c.percent, enrollments.c.status))} == {
        (10_000, "COMPLETED")
    }
    assert await differences(world) == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_new_times_lock_nobody_whom_they_do_not_concern(world: World) -> None:
    """A course has many learners: few have done something since the unit closed, and nobody after it will close."""
    room = await classroom(world, VIEWED)
    await set_units(room, {"times": Times(closes_at=NOON - HOUR)})
    early, late = room.learner, await world.learner(room.course)
    await room.record(viewed(room, 0, NOON - 2 * HOUR), learner=early)
    await room.record(viewed(room, 0, NOON), learner=late)
    is_locked, ends = asyncio.Event(), asyncio.Event()

    async def lock() -> None:
        async with world.database.write() as tx:
            assert await store.lock(tx, [(early.id, room.course.id)])
            is_locked.set()
            await ends.wait()

    locking = asyncio.create_task(lock())
    await is_locked.wait()
    async with asyncio.timeout(30):
        # Whoever is locked here would be waited for.
        for closes_at in (NOON + DAY, NOON + 2 * DAY):
            await set_units(room, {"times": Times(closes_at=closes_at)})
    ends.set()
    await locking

    completed = select(unit_progress.c.status).where(unit_progress.c.user_id == late.id)
    assert await world.rows(completed) == [("COMPLETED",)]
    assert await differences(world) == []
