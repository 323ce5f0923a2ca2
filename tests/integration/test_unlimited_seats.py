"""Courses without a capacity: learners come and go side by side, and a capacity that is set counts who is there."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, or_, select, text

from headway.courses import store as catalogue
from headway.courses.model import CourseSearch, CourseTree
from headway.courses.tables import course_statistics, courses
from headway.enrollments import store, waiting_store
from headway.enrollments.seating import Waiting, move_up
from headway.enrollments.statistics import StatisticsDelta
from headway.enrollments.tables import enrollments, waiting_list
from headway.errors import Conflict
from headway.identity import Caller, Role
from headway.instants import DAY
from headway.paging.service import Walk
from headway.schema import migrate
from headway.settings import Settings
from tests.integration.concurrency import Request, differences, open_world, run_servers, send_all
from tests.integration.course_edits import unchanged_course
from tests.world import FakeClock, World

_rows = select(courses.c.id, courses.c.capacity, courses.c.seats_taken, courses.c.revision, courses.c.updated_at)
_version = text("SELECT xmin::text, xmax::text, ctid::text FROM courses")
_lock_at_once = text("SELECT id FROM courses FOR UPDATE NOWAIT")
_is_open = or_(*(enrollments.c.status == status for status in ("ENROLLED", "IN_PROGRESS", "COMPLETED", "CERTIFIED")))
_holders = select(func.count()).select_from(enrollments).where(_is_open)
_seats = select(courses.c.capacity, courses.c.seats_taken)
_waiting = select(func.count()).select_from(waiting_list)


async def set_capacity(world: World, course: CourseTree, capacity: int | None) -> int:
    """Change the capacity as the owner; return the seats that are taken."""
    owner = Caller(course.owner_id, Role.INSTRUCTOR)
    changed = await world.write(
        world.services.course_editing.change, owner, course.id, lambda stored: unchanged_course(stored, capacity=capacity)
    )
    return changed.seats_taken


async def test_the_row_of_the_course_is_neither_written_nor_locked(world: World, settings: Settings, clock: FakeClock) -> None:
    course = await world.course(access_days=1)
    services, is_postgresql = world.services.enrollments, not settings.is_sqlite
    learners = [await world.user() for _ in range(3)]
    before = await world.rows(_rows), await world.rows(_version) if is_postgresql else []

    async def assert_not_locked() -> None:
        if is_postgresql:
            async with open_world(settings) as other, other.database.write() as tx:
                assert len(await tx.all(_lock_at_once)) == 1

    for learner in learners:
        async with world.database.write() as tx:
            await services.enroll(tx, learner.id, course.id)
            await assert_not_locked()
    async with world.database.write() as tx:
        await services.leave(tx, learners[0].id, course.id)
        await assert_not_locked()
    clock.now += DAY
    assert await services.expire(world.database) == 2

    # FOR UPDATE NOWAIT left its mark in xmax.
    after = await world.rows(_rows), await world.rows(_version) if is_postgresql else []
    assert after[0] == before[0]
    assert [(row[0], row[2]) for row in after[1]] == [(row[0], row[2]) for row in before[1]]
    assert await differences(world) == []


async def test_a_course_tells_how_many_seats_are_taken(world: World, client: httpx.AsyncClient) -> None:
    course = await world.course()
    learners = [await world.learner(course) for _ in range(3)]
    await world.write(world.services.enrollments.leave, learners[0].id, course.id)

    async def told() -> set[int]:
        found = await world.read(world.services.courses.search, None, CourseSearch(), walk=Walk(10, 1))
        one = await client.get(f"/api/v1/courses/{course.id}")
        return {found.courses[0].seats_taken, one.json()["data"]["seatsTaken"]}

    assert await told() == {2}
    await world.write(world.services.enrollments.enroll, learners[0].id, course.id)
    assert await told() == {3}


async def test_a_capacity_counts_who_is_there_and_none_forgets_it(world: World) -> None:
    course = await world.course()
    learners = [await world.learner(course) for _ in range(3)]
    assert await world.rows(_seats) == [(None, 0)]

    with pytest.raises(Conflict) as refused:
        await set_capacity(world, course, 2)
    assert (refused.value.kind, str(refused.value)) == ("CAPACITY_TOO_SMALL", "3 seats are taken already.")
    assert await set_capacity(world, course, 3) == 3
    assert await world.rows(_seats) == [(3, 3)]
    waiter = await world.user()
    assert isinstance(await world.write(world.services.enrollments.enroll_or_wait, waiter.id, course.id), Waiting)
    assert await differences(world) == []

    assert await set_capacity(world, course, None) == 4
    assert await world.rows(_seats) == [(None, 0)]
    assert await world.rows(_waiting) == [(0,)]
    await world.write(world.services.enrollments.leave, learners[0].id, course.id)
    assert await set_capacity(world, course, 5) == 3
    assert await world.rows(_seats) == [(5, 3)]
    assert await differences(world) == []


async def test_a_learner_who_enrolls_many_times_at_once_is_enrolled_once(settings: Settings, tmp_path: Path) -> None:
    async with open_world(settings) as world:
        course = await world.course()
        learners = [await world.user() for _ in range(8)]
        path = f"/api/v1/courses/{course.id}/enroll"
        with run_servers(settings, tmp_path) as urls:
            enrolling = [("POST", path, world.bearer(learner), None) for learner in learners for _ in range(6)]
            answers = await send_all(urls, enrolling)
            leaving = await send_all(urls, [("DELETE", path, world.bearer(learner), None) for learner in learners * 3])
            again = await send_all(urls, enrolling)

        assert sorted(answer.status_code for answer in answers) == [201] * 8 + [409] * 40
        assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"LEARNER_ENROLLMENT_DENIED"}
        assert sorted(answer.status_code for answer in leaving) == [204] * 8 + [404] * 16
        assert sorted(answer.status_code for answer in again) == [201] * 8 + [409] * 40
        assert await differences(world) == []


async def test_two_transactions_that_enroll_a_learner_leave_one_enrollment(world: World, settings: Settings) -> None:
    """The second one has looked before the first one commits, so it waits at the insert."""
    if settings.is_sqlite:
        pytest.skip("SQLite has one writer")
    course, learner = await world.course(), await world.user()
    async with open_world(settings) as other:
        other.clock.now = world.clock.now
        async with world.database.write() as tx:
            await world.services.enrollments.enroll(tx, learner.id, course.id)
            second = asyncio.create_task(other.write(other.services.enrollments.enroll, learner.id, course.id))
            await asyncio.sleep(0.2)
            assert not second.done()
        with pytest.raises(Conflict) as refused:
            await second

    assert refused.value.kind == "LEARNER_ENROLLMENT_DENIED"
    assert await differences(world) == []


async def test_who_has_a_seat_by_now_is_not_seated_again(world: World) -> None:
    """So it is where somebody enrolls between the look at the enrollment and the seat, and where both find no row."""
    course, learner = await world.course(), await world.user()
    async with world.database.write() as tx:
        await waiting_store.join_waiting_list(tx, [learner.id], course.id, world.clock.now)
        await store.insert_enrollments(tx, course.id, [learner.id], enrolled_at=1, now=world.clock.now)
        terms, delta = await catalogue.hold_enrollment_terms(tx, course.id), StatisticsDelta()
        assert terms is not None
        assert await move_up(tx, terms, None, delta, world.clock.now) == []
        assert await store.insert_enrollments(tx, course.id, [learner.id], enrolled_at=2, now=world.clock.now) == set()

    assert delta.changes() == []
    assert await world.rows(select(enrollments.c.enrolled_at)) == [(1,)]
    assert await world.rows(_waiting) == [(0,)]


async def test_a_capacity_that_is_set_while_learners_enroll_is_kept(settings: Settings, tmp_path: Path) -> None:
    async with open_world(settings) as world:
        with run_servers(settings, tmp_path) as urls:
            for capacity in (6, 9, 12, 15):
                course = await world.course()
                one = f"/api/v1/courses/{course.id}"
                owner = world.bearer(await world.find_user(course.owner_id))
                requests: list[Request] = [
                    ("POST", f"{one}/enroll?waitlist=true", world.bearer(await world.user()), None) for _ in range(16)
                ]
                # Tried again and again: when it comes too late, it is refused.
                resize: list[Request] = [("PATCH", one, owner, {"capacity": capacity})] * 4
                answers = await send_all(urls, [each for i in range(4) for each in (*requests[i * 4 : i * 4 + 4], resize[i])])
                statuses = {answer.status_code for answer in answers}
                assert statuses <= {200, 201, 202, 409}, statuses

                where = {"course": course.id}
                (stored, taken), (holders,), (waiting,) = await _state(world, **where)
                assert holders + waiting == 16
                assert (taken, holders) == ((holders, min(stored, 16)) if stored else (0, 16))
                assert await differences(world) == []


async def test_capacities_that_come_and_go_never_oversell(settings: Settings, tmp_path: Path) -> None:
    async with open_world(settings) as world:
        course = await world.course()
        one = f"/api/v1/courses/{course.id}"
        owner = world.bearer(await world.find_user(course.owner_id))
        people = [world.bearer(await world.user()) for _ in range(12)]
        requests: list[Request] = []
        for number in range(60):
            requests.append(("POST", f"{one}/enroll?waitlist=true", people[number * 7 % 12], None))
            requests.append(("DELETE", f"{one}/enroll", people[number * 5 % 12], None))
            if number % 4 == 0:
                requests.append(("PATCH", one, owner, {"capacity": [None, 4, 8][number // 4 % 3]}))
        with run_servers(settings, tmp_path) as urls:
            answers = await send_all(urls, requests)

        assert max(answer.status_code for answer in answers) < 500
        (capacity, taken), (holders,), _ = await _state(world, course=course.id)
        assert taken == (0 if capacity is None else holders)
        assert await differences(world) == []


async def _state(world: World, *, course: int) -> tuple[Any, Any, Any]:
    """Return the capacity and the seats taken of a course, how many hold one, and how many wait."""
    (seats,) = await world.rows(_seats.where(courses.c.id == course))
    (holders,) = await world.rows(_holders.where(enrollments.c.course_id == course))
    (waiting,) = await world.rows(_waiting.where(waiting_list.c.course_id == course))
    return seats, holders, waiting


async def test_seats_of_before_and_after_the_migration_are_the_same(settings: Settings) -> None:
    counted = select(course_statistics.c.course_id, course_statistics.c.value).where(course_statistics.c.name == "seats")
    stored = text("SELECT capacity, seats_taken FROM courses ORDER BY id")

    async with open_world(settings) as world:
        for capacity in (None, 5):
            course = await world.course(capacity=capacity)
            learners = [await world.learner(course) for _ in range(4)]
            await world.write(world.services.enrollments.leave, learners[0].id, course.id)
        assert await world.rows(stored) == [(None, 0), (5, 3)]
    await migrate(settings, "0015")
    async with open_world(settings) as world:
        assert await world.rows(stored) == [(None, 3), (5, 3)]
        assert await world.rows(counted) == []
    await migrate(settings)
    async with open_world(settings) as world:
        assert await world.rows(stored) == [(None, 0), (5, 3)]
        assert sorted(row[1] for row in await world.rows(counted)) == [3, 3]
        assert await differences(world) == []
