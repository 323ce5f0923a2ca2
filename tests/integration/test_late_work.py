"""Work that is told late counts as of its time: before the learner left, or before the course was changed."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from headway.courses.completion import Completion, Rule
from headway.courses.model import NewModule
from headway.enrollments.status import EnrollmentStatus, StatusChange
from headway.enrollments.tables import enrollments
from headway.identity import Caller, Role
from headway.instants import DAY, HOUR, SECOND, Instant
from headway.learning.model import ActivityType, Event, Heartbeat, Outcome, Refusal, Report, Update, Verdict
from headway.learning.tables import learner_activity_logs
from headway.learning.unit_progress import UnitStatus
from tests.integration.classroom import Classroom, classroom
from tests.integration.concurrency import differences
from tests.integration.course_edits import unchanged_course, unchanged_unit
from tests.world import NOON, World

VIEWED = Completion(Rule.VIEWED)
ACCEPTED, REJECTED = Outcome.ACCEPTED, Outcome.REJECTED
_enrollment = select(*(enrollments.c[name] for name in ("status", "percent", "study_ms", "closed_at"))).select_from(enrollments)
_completed_at = select(enrollments.c.completed_at)


def viewed(room: Classroom, unit: int, end: Instant | None, **given: Any) -> Event:
    """A minute in a unit, up to a time."""
    unit_id = room.course.units[unit].id
    named = f"view {unit} until {end} {sorted(given.items())}"
    return Event(named, ActivityType.UNIT_VIEW, room.course.id, unit_id=unit_id, duration_seconds=60, end_time=end, **given)


async def leave(room: Classroom) -> None:
    await room.world.write(room.world.services.enrollments.leave, room.learner.id, room.course.id)


async def expire(room: Classroom) -> None:
    staff = Caller(room.course.owner_id, Role.INSTRUCTOR)
    set_status = room.world.services.enrollments.set_status
    await room.world.write(set_status, staff, room.course.id, room.learner.id, StatusChange(EnrollmentStatus.EXPIRED))


async def send(room: Classroom, observation: Event | Heartbeat | Update) -> Verdict:
    report = Report(room.learner.id, room.world.clock(), (observation,))
    ((verdict,),) = await room.world.write(room.world.services.tracking.record, [report], room.world.clock())
    return verdict


@pytest.mark.parametrize(("end_access", "status"), [(leave, "DROPPED"), (expire, "EXPIRED")])
async def test_work_of_before_a_learner_left_counts_and_does_not_bring_the_learner_back(
    world: World, end_access: Callable[[Classroom], Any], status: str
) -> None:
    room = await classroom(world, VIEWED, VIEWED)
    world.clock.advance(seconds=3600)
    await end_access(room)
    left_at = world.clock()
    world.clock.advance(seconds=3600)

    assert await room.record(viewed(room, 0, left_at - 1)) == [ACCEPTED]

    assert await world.rows(_enrollment) == [(status, 5000, 60 * SECOND, left_at)]
    assert await room.record(viewed(room, 0, left_at - 1)) == [Outcome.DUPLICATE]
    assert await differences(world) == []


async def test_what_was_done_after_leaving_or_has_no_time_of_its_own_is_refused(world: World) -> None:
    room = await classroom(world, VIEWED)
    await leave(room)
    left_at = world.clock()
    world.clock.advance(seconds=3600)
    unit_id = room.course.units[0].id

    for late in (
        viewed(room, 0, left_at),
        viewed(room, 0, left_at + 1),
        viewed(room, 0, None),
        Heartbeat(room.course.id, True, unit_id=unit_id),
        Heartbeat(room.course.id, True, unit_id=unit_id, timestamp=left_at),
        Update(room.course.id, unit_id, UnitStatus.COMPLETED),
    ):
        assert (await send(room, late)).refusal is Refusal.FORBIDDEN, late
    beat = await send(room, Heartbeat(room.course.id, True, unit_id=unit_id, timestamp=left_at - 1))

    assert beat.outcome is ACCEPTED
    assert await world.rows(_enrollment) == [("DROPPED", 0, 30 * SECOND, left_at)]
    assert await differences(world) == []


async def test_late_work_may_complete_the_course_of_somebody_who_left(world: World) -> None:
    room = await classroom(world, VIEWED, VIEWED)
    await room.record(room.view(0))
    world.clock.advance(seconds=60)
    await leave(room)
    world.clock.advance(seconds=60)
    told_at = world.clock()

    assert await room.record(viewed(room, 1, NOON + SECOND)) == [ACCEPTED]

    assert await room.standing() == (10_000, "DROPPED")
    assert await world.rows(_completed_at) == [(told_at,)]
    assert await differences(world) == []
    await world.write(world.services.enrollments.enroll, room.learner.id, room.course.id)
    assert await world.rows(_enrollment) == [("COMPLETED", 10_000, 60 * SECOND, None)]
    assert await differences(world) == []


@pytest.mark.parametrize("skew", [-2 * HOUR, 2 * HOUR])
async def test_the_clients_clock_is_corrected_before_its_work_is_judged(world: World, skew: int) -> None:
    room = await classroom(world, VIEWED, VIEWED)
    world.clock.advance(seconds=3600)
    await leave(room)
    left_at = world.clock()
    world.clock.advance(seconds=3600)
    sent_at = world.clock() + skew

    before, after = left_at - SECOND + skew, left_at + SECOND + skew
    told = [viewed(room, unit, end, sent_at=sent_at, session_id="tab") for unit, end in ((0, before), (1, after))]
    assert await room.record(*told) == [ACCEPTED, REJECTED]

    assert await world.rows(_enrollment) == [("DROPPED", 5000, 60 * SECOND, left_at)]
    assert await differences(world) == []


async def test_work_is_not_awaited_for_ever(world: World) -> None:
    room = await classroom(world, VIEWED)
    world.clock.advance(seconds=3600)
    await leave(room)
    left_at = world.clock()

    world.clock.now = left_at + 30 * DAY
    assert await room.record(viewed(room, 0, left_at - 1)) == [ACCEPTED]
    world.clock.now += 1
    assert await room.record(viewed(room, 0, left_at - 2)) == [REJECTED]


async def test_access_that_runs_out_ends_when_its_days_are_over(world: World) -> None:
    room = await classroom(world, VIEWED, VIEWED, VIEWED)
    await room.change(lambda tree: unchanged_course(tree, access_days=2))
    end = NOON + 2 * DAY
    world.clock.now = end + HOUR

    assert await room.record(viewed(room, 0, end - 1), viewed(room, 0, end)) == [ACCEPTED, REJECTED]
    await world.services.enrollments.expire(world.database)
    assert await room.record(viewed(room, 1, end - 1), viewed(room, 1, end)) == [ACCEPTED, REJECTED]

    assert await world.rows(_enrollment) == [("EXPIRED", 6666, 60 * SECOND, end)]
    await leave_as_staff(room)
    assert await world.rows(_enrollment) == [("DROPPED", 6666, 60 * SECOND, end)], "access had ended before"
    assert await differences(world) == []


async def leave_as_staff(room: Classroom) -> None:
    staff = Caller(room.course.owner_id, Role.INSTRUCTOR)
    set_status = room.world.services.enrollments.set_status
    await room.world.write(set_status, staff, room.course.id, room.learner.id, StatusChange(EnrollmentStatus.DROPPED))


async def test_whoever_enrolled_again_may_tell_of_any_time(world: World) -> None:
    room = await classroom(world, VIEWED)
    await leave(room)
    world.clock.advance(seconds=3600)
    await world.write(world.services.enrollments.enroll, room.learner.id, room.course.id)

    assert await room.record(viewed(room, 0, NOON + 60 * SECOND)) == [ACCEPTED]
    assert await world.rows(_enrollment) == [("COMPLETED", 10_000, 60 * SECOND, None)]
    assert await differences(world) == []


async def test_an_event_may_name_the_module_that_its_unit_was_in(world: World) -> None:
    room = await classroom(world, VIEWED, VIEWED)
    before, moved, stays = room.course.modules[0].id, *room.course.units
    await room.change(
        lambda tree: unchanged_course(
            tree,
            modules=(
                NewModule("Other", units=(unchanged_unit(moved),)),
                NewModule("Only", units=(unchanged_unit(stays),), id=before),
            ),
        )
    )
    assert room.course.units[0].module_id != before

    told = viewed(room, 0, NOON, module_id=before)
    assert await room.record(told, told, viewed(room, 0, NOON - 1)) == [ACCEPTED, Outcome.DUPLICATE, ACCEPTED]
    # Also where the module was retired since.
    await room.change(lambda tree: unchanged_course(tree, modules=unchanged_course(tree).modules[:1]))
    assert await room.record(viewed(room, 0, NOON - 2, module_id=before)) == [ACCEPTED]

    assert await world.rows(
        select(learner_activity_logs.c.module_id).distinct().order_by(learner_activity_logs.c.module_id)
    ) == [
        (before,),
        (room.course.units[0].module_id,),
    ]
    assert await differences(world) == []


async def test_work_in_what_is_no_longer_offered_is_stored(world: World) -> None:
    room = await classroom(world, VIEWED, VIEWED)
    retired = viewed(room, 1, NOON)
    await room.change_units([unchanged_unit(room.course.units[0])])
    await room.change(lambda tree: unchanged_course(tree, is_published=False, ends_at=NOON - DAY))

    assert await room.record(retired, viewed(room, 0, NOON)) == [ACCEPTED, ACCEPTED]

    assert await room.standing() == (10_000, "COMPLETED")
    assert await differences(world) == []
