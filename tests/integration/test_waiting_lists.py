"""Waiting lists as staff sees and changes them, and learners' own places."""

import pytest
from sqlalchemy import select

from headway.accounts.model import User
from headway.courses.model import CourseTree
from headway.courses.tables import courses
from headway.enrollments.enrolling_model import Wanted
from headway.enrollments.tables import enrollments, waiting_list
from headway.errors import Conflict, Forbidden, NotFound
from headway.identity import Caller, Role
from headway.instants import DAY
from headway.paging.service import Walk
from tests.integration.concurrency import differences
from tests.integration.course_edits import unchanged_course
from tests.integration.rosters import HERE, address, enroll, people, staff_of
from tests.world import World

in_line = select(waiting_list.c.user_id).order_by(waiting_list.c.number)


async def waiting(world: World, capacity: int = 0, *names: str) -> tuple[CourseTree, list[User]]:
    """Make a course with learners who wait, a second after each other."""
    course = await world.course(capacity=capacity)
    waiters = await people(world, *(names or ("a", "b", "c", "d", "e")))
    for each in waiters:
        world.clock.advance(seconds=1)
        await enroll(world, course, Wanted(f"id:{each.id}", may_wait=True))
    return course, waiters


async def order(world: World) -> list[int]:
    return [row[0] for row in await world.rows(in_line)]


async def test_the_list_is_shown_in_order_and_page_by_page_while_it_moves(world: World) -> None:
    course, waiters = await waiting(world)
    await world.disable(waiters[1])
    lists, staff = world.services.waiting_lists, staff_of(course)
    found, cursor = [], None
    for number in range(3):
        walk = world.services.paging.walk(staff.user_id, (), cursor=cursor, page=1, limit=2)
        page, total = await world.read(lists.list, staff, course.id, walk)
        if walk.new_order is not None:
            await world.write(walk.save)
        assert total == 5
        found += page
        cursor = walk.next_cursor
        if number == 1:
            await world.write(lists.move, staff, course.id, waiters[4].id, 1)

    assert [each.user_id for each in found] == [each.id for each in waiters]
    assert [each.position for each in found] == [1, 2, 3, 4, 1], "positions are those of now"
    assert [each.is_disabled for each in found] == [False, True, False, False, False]
    assert found[0].name == waiters[0].name
    assert found[0].joined_at < found[1].joined_at


@pytest.mark.parametrize(
    ("who", "position", "expected"),
    [(0, 1, "abcde"), (4, 1, "eabcd"), (0, 5, "bcdea"), (1, 4, "acdbe"), (3, 2, "adbce"), (2, 99, "abdec")],
)
async def test_a_learner_moves_and_the_others_keep_their_order(world: World, who: int, position: int, expected: str) -> None:
    course, waiters = await waiting(world)
    moved = await world.write(
        world.services.waiting_lists.move, staff_of(course), course.id, waiters[who].id, position, client=HERE
    )

    assert await order(world) == [waiters["abcde".index(each)].id for each in expected]
    assert moved.position == expected.index("abcde"[who]) + 1
    assert await differences(world) == []


async def test_who_moved_to_the_front_gets_the_next_seat(world: World) -> None:
    course, waiters = await waiting(world, 1, "a", "b", "c")
    await world.write(world.services.waiting_lists.move, staff_of(course), course.id, waiters[2].id, 1)
    await world.write(world.services.enrollments.leave, waiters[0].id, course.id)

    assert await order(world) == [waiters[1].id]


async def test_who_is_removed_loses_the_place(world: World) -> None:
    course, waiters = await waiting(world)
    lists, staff = world.services.waiting_lists, staff_of(course)
    await world.write(lists.remove, staff, course.id, waiters[0].id, client=HERE)
    with pytest.raises(NotFound):
        await world.write(lists.remove, staff, course.id, waiters[0].id)

    assert await order(world) == [each.id for each in waiters[1:]]


async def test_who_is_let_in_takes_one_more_seat_and_the_others_wait(world: World) -> None:
    course, waiters = await waiting(world, 1, "a", "b", "c")
    lists, staff = world.services.waiting_lists, staff_of(course)
    with pytest.raises(Conflict, match="Add a seat"):
        await world.write(lists.admit, staff, course.id, waiters[2].id)

    seated = await world.write(lists.admit, staff, course.id, waiters[2].id, add_seat=True, client=HERE)

    assert seated.user_id == waiters[2].id
    assert await order(world) == [waiters[1].id]
    assert await world.rows(select(courses.c.capacity, courses.c.seats_taken)) == [(2, 2)]
    with pytest.raises(NotFound):
        await world.write(lists.admit, staff, course.id, waiters[2].id, add_seat=True)
    await world.disable(waiters[1])
    with pytest.raises(Conflict, match="disabled"):
        await world.write(lists.admit, staff, course.id, waiters[1].id, add_seat=True)
    assert await differences(world) == []


async def test_who_is_let_in_after_the_end_takes_a_seat_that_is_free(world: World) -> None:
    course, waiters = await waiting(world, 1, "a", "b")
    staff, until = staff_of(course), world.clock() + 1
    await world.write(
        world.services.course_editing.change, staff, course.id, lambda stored: unchanged_course(stored, ends_at=until)
    )
    world.clock.advance(seconds=1)
    await world.write(world.services.enrollments.leave, waiters[0].id, course.id)
    assert await order(world) == [waiters[1].id], "nobody moves up by themselves any more"
    await world.write(world.services.waiting_lists.admit, staff, course.id, waiters[1].id)

    assert await order(world) == []
    assert await world.rows(select(courses.c.capacity, courses.c.seats_taken)) == [(1, 1)]


async def test_staff_sees_all_and_learners_their_own_place(world: World) -> None:
    course, waiters = await waiting(world)
    lists = world.services.waiting_lists
    stranger = Caller((await world.user(Role.INSTRUCTOR)).id, Role.INSTRUCTOR)
    learner = Caller(waiters[2].id, Role.PARTICIPANT)
    for caller in (stranger, learner):
        with pytest.raises(Forbidden):
            await world.read(lists.list, caller, course.id, Walk(10, 1))
        for act in (lists.remove, lists.admit):
            with pytest.raises(Forbidden):
                await world.write(act, caller, course.id, waiters[2].id)
        with pytest.raises(Forbidden):
            await world.write(lists.move, caller, course.id, waiters[2].id, 1)

    own = await world.read(lists.find_own, learner, course.id)

    assert (own.position, own.user_id) == (3, waiters[2].id)
    with pytest.raises(NotFound):
        await world.read(lists.find_own, stranger, course.id)
    assert await order(world) == [each.id for each in waiters]


async def test_who_is_let_in_has_access_until_the_time_that_staff_set(world: World) -> None:
    course, _ = await waiting(world, 0, "a")
    (bob,) = await people(world, "bob")
    until = world.clock() + DAY
    await enroll(world, course, Wanted(address("bob"), until, may_wait=True))
    await world.write(world.services.waiting_lists.admit, staff_of(course), course.id, bob.id, add_seat=True)

    assert await world.rows(select(enrollments.c.user_id, enrollments.c.access_until)) == [(bob.id, until)]
