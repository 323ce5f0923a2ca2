"""When access ends: extending, limiting and renewing it, as staff."""

from typing import Any

import pytest
from sqlalchemy import select

from headway.accounts.model import User
from headway.courses.model import CourseTree
from headway.courses.tables import courses
from headway.enrollments.enrolling_model import Wanted
from headway.enrollments.model import Enrollment
from headway.enrollments.renewing import AccessChange
from headway.enrollments.status import EnrollmentStatus, StatusChange
from headway.errors import Conflict, Forbidden, Invalid, NotFound
from headway.feed import store as feed
from headway.identity import Caller, Role
from headway.instants import DAY, SECOND
from tests.integration.concurrency import differences
from tests.integration.rosters import HERE, enroll, staff_of, told
from tests.world import World


async def change(world: World, course: CourseTree, learner: User, **given: Any) -> Enrollment:
    return await world.write(
        world.services.renewing.change, staff_of(course), course.id, learner.id, AccessChange(**given), client=HERE
    )


async def test_days_are_added_to_the_end_that_there_is(world: World) -> None:
    course = await world.course(access_days=10)
    learner = await world.learner(course)
    began = world.clock()
    world.clock.advance(seconds=5 * DAY // SECOND)

    assert (await change(world, course, learner, extend_days=3)).runs_out_at == began + 13 * DAY
    assert (await change(world, course, learner, extend_days=2)).runs_out_at == began + 15 * DAY
    assert (await change(world, course, learner, until=began + 6 * DAY)).runs_out_at == began + 6 * DAY
    assert (await change(world, course, learner, until=None)).runs_out_at == began + 10 * DAY
    world.clock.advance(seconds=20 * DAY // SECOND)
    again = await change(world, course, learner, extend_days=1)
    assert again.runs_out_at == world.clock() + DAY, "days of access that nobody has expired yet are over too"
    assert again.is_open(world.clock())
    assert again.enrolled_at == began
    with pytest.raises(Invalid, match="not valid"):
        await change(world, course, learner, until=None)
    assert await differences(world) == []


async def test_what_has_ended_is_renewed_with_a_seat_and_the_progress(world: World) -> None:
    course = await world.course(access_days=10, capacity=1)
    learner = await world.learner(course)
    world.clock.advance(seconds=10 * DAY // SECOND)
    assert await world.services.enrollments.expire(world.database) == 1

    renewed = await change(world, course, learner, extend_days=7)

    assert (renewed.status, renewed.runs_out_at, renewed.closed_at) == ("ENROLLED", world.clock() + 7 * DAY, None)
    assert await world.rows(select(courses.c.seats_taken)) == [(1,)]
    position = await world.read(feed.position, f"user:{learner.id}")
    assert position.newest >= 3
    expired = StatusChange(EnrollmentStatus.EXPIRED)
    await world.write(world.services.enrollments.set_status, staff_of(course), course.id, learner.id, expired)
    other = await world.learner(course)
    with pytest.raises(Conflict) as full:
        await change(world, course, learner, extend_days=7)
    assert full.value.kind == "COURSE_FULL"
    await world.write(world.services.enrollments.leave, other.id, course.id)
    by_course = await change(world, course, learner, until=None)
    assert by_course.runs_out_at == world.clock() + 10 * DAY
    assert await differences(world) == []


async def test_what_cannot_be_renewed_is_told(world: World) -> None:
    course = await world.course()
    learner = await world.learner(course)

    async def refused(error: type[Exception], **given: Any) -> Any:
        with pytest.raises(error) as raised:
            await change(world, course, learner, **given)
        return raised.value

    assert (await refused(Conflict, extend_days=1)).kind == "ACCESS_UNLIMITED"
    for given, field in (({"extend_days": 0}, "extend_days"), ({"until": world.clock()}, "expires_at")):
        assert [each.field for each in (await refused(Invalid, **given)).fields] == [field]
    await world.write(world.services.enrollments.leave, learner.id, course.id)
    assert (await refused(Conflict, until=world.clock() + DAY)).kind == "STATUS_NOT_ALLOWED"
    learner = await world.user()
    assert (await refused(NotFound, until=world.clock() + DAY)).kind == "ENROLLMENT_NOT_FOUND"
    stranger = Caller((await world.user(Role.INSTRUCTOR)).id, Role.INSTRUCTOR)
    with pytest.raises(Forbidden):
        await world.write(world.services.renewing.change, stranger, course.id, learner.id, AccessChange(extend_days=1))


async def test_extended_days_never_pass_the_end_of_time(world: World) -> None:
    course = await world.course(access_days=36_500)
    learner = await world.learner(course)
    for _ in range(90):
        last = await change(world, course, learner, extend_days=36_500)

    assert last.runs_out_at is not None
    assert last.runs_out_at > world.clock() + 2_000_000 * DAY
    assert told(await enroll(world, course, Wanted(f"id:{learner.id}"))) == [("unchanged", "ENROLLED")]
