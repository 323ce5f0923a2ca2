"""Seats and the waiting list: order, enlarged courses, days of access, and that no seat is ever free while someone waits."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, or_, select

from headway.accounts.model import User
from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree
from headway.courses.tables import courses
from headway.enrollments.seating import Waiting
from headway.enrollments.tables import enrollments, waiting_list
from headway.errors import Conflict
from headway.identity import Caller
from headway.instants import DAY
from headway.learning.tables import learner_activity_logs, unit_progress
from headway.settings import Settings
from tests.integration.concurrency import Request, differences, open_world, run_servers, send_all
from tests.integration.course_edits import unchanged_course
from tests.processes import open_client
from tests.world import FakeClock, World

OPEN = ("ENROLLED", "IN_PROGRESS", "COMPLETED", "CERTIFIED")
TRACK = "/api/courses/activity/track"

_is_open = or_(*(enrollments.c.status == status for status in OPEN))
_open_enrollments = select(func.count()).where(enrollments.c.course_id == courses.c.id, _is_open).scalar_subquery()
_waiting_learners = select(func.count()).where(waiting_list.c.course_id == courses.c.id).scalar_subquery()
_glance = select(courses.c.capacity, courses.c.seats_taken, _open_enrollments, _waiting_learners)
"""One statement, so that all of it is of the same moment."""
_status_counts = select(enrollments.c.user_id, enrollments.c.status)
_line = select(waiting_list.c.user_id).order_by(waiting_list.c.number)


async def seated(world: World) -> set[int]:
    return {user_id for user_id, status in await world.rows(_status_counts) if status in OPEN}


async def in_line(world: World) -> list[int]:
    return [row[0] for row in await world.rows(_line)]


async def full_course(world: World, *, seats: int, waiting: int, **given: Any) -> tuple[CourseTree, list[User], list[User]]:
    """Make a course whose seats are taken, with learners who wait for one; give it, and both in the order of arrival."""
    course = await world.course(capacity=seats, **given)
    holders = [await world.learner(course) for _ in range(seats)]
    waiters = [await world.user() for _ in range(waiting)]
    for position, waiter in enumerate(waiters, 1):
        assert await world.write(world.services.enrollments.enroll_or_wait, waiter.id, course.id) == Waiting(
            waiter.id, course.id, position
        )
    return course, holders, waiters


async def owner_of(world: World, course: CourseTree) -> User:
    return await world.find_user(course.owner_id)


def ids(users: Sequence[User]) -> list[int]:
    return [user.id for user in users]


async def test_the_first_in_line_takes_the_seat_of_a_leaver(world: World, client: httpx.AsyncClient) -> None:
    course, holders, waiters = await full_course(world, seats=2, waiting=3)
    path = f"/api/v1/courses/{course.id}/enroll"

    left = await client.delete(path, headers=world.bearer(holders[0]))

    assert left.status_code == 204
    assert await seated(world) == {holders[1].id, waiters[0].id}
    assert await in_line(world) == ids(waiters[1:])
    assert await world.rows(_glance) == [(2, 2, 2, 2)]
    back = await client.post(path, params={"waitlist": "true"}, headers=world.bearer(holders[0]))
    assert (back.status_code, back.json()["data"]["position"]) == (202, 3)
    assert await differences(world) == []


async def test_asking_again_keeps_the_place_and_leaving_the_line_moves_the_others_up(
    world: World, client: httpx.AsyncClient
) -> None:
    course, holders, waiters = await full_course(world, seats=1, waiting=3)
    path = f"/api/v1/courses/{course.id}/enroll"

    async def ask(user: User) -> int:
        answer = await client.post(path, params={"waitlist": "true"}, headers=world.bearer(user))
        assert answer.status_code == 202
        return int(answer.json()["data"]["position"])

    assert [await ask(waiter) for waiter in reversed(waiters)] == [3, 2, 1]
    assert (await client.delete(path, headers=world.bearer(waiters[0]))).status_code == 204
    assert [await ask(waiter) for waiter in waiters[1:]] == [1, 2]
    assert await ask(waiters[0]) == 3
    assert await seated(world) == {holders[0].id}
    assert (await client.delete(path, headers=world.bearer(await world.user()))).status_code == 404


async def test_the_line_keeps_the_order_of_arrival_over_several_servers(settings: Settings, tmp_path: Path) -> None:
    async with open_world(settings) as world:
        course, holders, _ = await full_course(world, seats=4, waiting=0)
        waiters = [await world.user() for _ in range(12)]
        path = f"/api/v1/courses/{course.id}/enroll"
        with run_servers(settings, tmp_path) as urls:
            async with open_client(timeout=30) as client:
                for position, (url, waiter) in enumerate(zip(cycle(urls), waiters, strict=False), 1):
                    answer = await client.post(f"{url}{path}?waitlist=true", headers=world.bearer(waiter))
                    assert (answer.status_code, answer.json()["data"]["position"]) == (202, position)
            leaving = await send_all(urls, [("DELETE", path, world.bearer(holder), None) for holder in holders])

        assert [answer.status_code for answer in leaving] == [204] * 4
        assert await seated(world) == set(ids(waiters[:4]))
        assert await in_line(world) == ids(waiters[4:])
        assert await differences(world) == []


async def test_no_seat_is_ever_free_while_someone_waits(settings: Settings, tmp_path: Path) -> None:
    async with open_world(settings) as world:
        course, holders, waiters = await full_course(world, seats=3, waiting=3)
        users = [*holders, *waiters, *[await world.user() for _ in range(14)]]
        owner = world.bearer(await owner_of(world, course))
        one = f"/api/v1/courses/{course.id}"
        requests: list[Request] = []
        for number in range(80):
            bearer = world.bearer(users[number * 7 % len(users)])
            requests.append(("POST", f"{one}/enroll?waitlist=true", bearer, None))
            requests.append(("DELETE", f"{one}/enroll", world.bearer(users[number * 3 % len(users)]), None))
            if number % 5 == 0:
                requests.append(("PATCH", one, owner, {"capacity": 3 + number // 5 % 3}))
        seen: list[tuple[Any, ...]] = []

        async def watch() -> None:
            while True:
                seen.extend(await world.rows(_glance))
                await asyncio.sleep(0.001)

        with run_servers(settings, tmp_path) as urls:
            watching = asyncio.create_task(watch())
            answers = await send_all(urls, requests)
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching

        assert max(answer.status_code for answer in answers) < 500
        assert sum(answer.status_code == 204 for answer in answers) > 15
        assert [each for each in seen if each[1] != each[2] or each[1] > each[0]] == []
        assert [each for each in seen if each[3] and each[1] < each[0]] == []
        assert len({each[3] for each in seen}) > 1, "nobody watched while the line moved"
        assert await differences(world) == []


async def enable(world: World, user: User) -> None:
    await world.write(world.services.accounts.set_disabled, user.id, is_disabled=False)


async def test_a_disabled_account_is_passed_over_and_keeps_its_place(world: World) -> None:
    course, holders, waiters = await full_course(world, seats=2, waiting=3)
    await world.disable(waiters[0])

    await world.write(world.services.enrollments.leave, holders[0].id, course.id)

    assert await seated(world) == {holders[1].id, waiters[1].id}
    assert await in_line(world) == ids([waiters[0], waiters[2]])
    await enable(world, waiters[0])
    assert await in_line(world) == ids([waiters[0], waiters[2]])
    await world.write(world.services.enrollments.leave, holders[1].id, course.id)
    assert await seated(world) == {waiters[0].id, waiters[1].id}
    assert await differences(world) == []


async def test_an_operator_gives_no_seat_to_a_disabled_account(world: World) -> None:
    course = await world.course(capacity=1)
    learner = await world.user()
    await world.disable(learner)

    with pytest.raises(Conflict) as refused:
        await world.write(world.services.enrollments.enroll_as_operator, learner.id, course.id)

    assert refused.value.kind == "USER_DISABLED"
    assert await seated(world) == set()
    await enable(world, learner)
    await world.write(world.services.enrollments.enroll_as_operator, learner.id, course.id)
    assert await seated(world) == {learner.id}


async def test_an_account_that_is_enabled_takes_the_seats_that_nobody_else_wanted(world: World) -> None:
    first, holders, (waiter, *_) = await full_course(world, seats=1, waiting=1)
    second, others, _ = await full_course(world, seats=1, waiting=0)
    await world.write(world.services.enrollments.enroll_or_wait, waiter.id, second.id)
    await world.disable(waiter)
    for course, holder in ((first, holders[0]), (second, others[0])):
        await world.write(world.services.enrollments.leave, holder.id, course.id)
    assert await seated(world) == set()
    assert await differences(world) == []

    await enable(world, waiter)

    assert await seated(world) == {waiter.id}
    assert await world.rows(_glance) == [(1, 1, 1, 0), (1, 1, 1, 0)]
    assert await differences(world) == []


async def test_an_account_that_is_enabled_while_seats_come_free_waits_beside_none(world: World, settings: Settings) -> None:
    async with open_world(settings) as other:
        other.clock.now = world.clock.now
        for _round in range(8):
            course, (holder,), (waiter,) = await full_course(world, seats=1, waiting=1)
            await world.disable(waiter)
            await asyncio.gather(
                other.write(other.services.enrollments.leave, holder.id, course.id),
                world.write(world.services.accounts.set_disabled, waiter.id, is_disabled=False),
            )

        assert await in_line(world) == []
        assert await differences(world) == []


async def test_nobody_moves_up_in_a_course_that_is_over_or_not_published(world: World, clock: FakeClock) -> None:
    course, holders, waiters = await full_course(world, seats=3, waiting=3, ends_at=clock.now + DAY)
    owner = Caller(course.owner_id, (await owner_of(world, course)).role)

    async def change(**fields: Any) -> None:
        await world.write(
            world.services.course_editing.change, owner, course.id, lambda stored: unchanged_course(stored, **fields)
        )

    await change(is_published=False)
    await world.write(world.services.enrollments.leave, holders[0].id, course.id)
    assert await in_line(world) == ids(waiters)
    await change(is_published=True)
    assert await in_line(world) == ids(waiters[1:])
    clock.now += DAY
    await world.write(world.services.enrollments.leave, holders[1].id, course.id)
    assert await in_line(world) == ids(waiters[1:])
    await change(ends_at=clock.now + DAY)
    assert await in_line(world) == ids(waiters[2:])
    assert await differences(world) == []


async def test_more_seats_go_to_as_many_as_fit_in_the_order_of_arrival(world: World, client: httpx.AsyncClient) -> None:
    course, holders, waiters = await full_course(world, seats=2, waiting=5)
    owner = world.bearer(await owner_of(world, course))

    async def resize(capacity: int | None) -> tuple[int, Any]:
        answer = await client.patch(f"/api/v1/courses/{course.id}", json={"capacity": capacity}, headers=owner)
        return answer.status_code, answer.json().get("code") or answer.json()["data"]["seatsTaken"]

    assert await resize(5) == (200, 5)
    assert await seated(world) == set(ids([*holders, *waiters[:3]]))
    assert await in_line(world) == ids(waiters[3:])
    assert await resize(4) == (409, "CAPACITY_TOO_SMALL")
    assert await resize(5) == (200, 5)
    assert await in_line(world) == ids(waiters[3:])
    assert await resize(50) == (200, 7)
    assert await in_line(world) == []
    assert await differences(world) == []


@pytest.mark.parametrize("waiting", [3, 501])
async def test_a_course_without_limit_seats_everyone_who_waits(world: World, waiting: int) -> None:
    course, _, waiters = await full_course(world, seats=1, waiting=waiting)
    caller = Caller(course.owner_id, (await owner_of(world, course)).role)

    changed = await world.write(
        world.services.course_editing.change, caller, course.id, lambda stored: unchanged_course(stored, capacity=None)
    )

    assert changed.seats_taken == 1 + len(waiters)
    assert await in_line(world) == []
    assert await differences(world) == []


async def test_an_expired_seat_goes_to_the_first_in_line(world: World, clock: FakeClock) -> None:
    _, holders, waiters = await full_course(world, seats=2, waiting=3, access_days=30)
    clock.now += 30 * DAY - 1
    assert await world.services.enrollments.expire(world.database) == 0
    clock.now += 1

    assert await world.services.enrollments.expire(world.database) == 2

    assert dict(await world.rows(_status_counts)) == {
        **dict.fromkeys(ids(holders), "EXPIRED"),
        **dict.fromkeys(ids(waiters[:2]), "ENROLLED"),
    }
    assert await in_line(world) == [waiters[2].id]
    assert await world.rows(_glance) == [(2, 2, 2, 1)]
    # The days of those who moved up count from then.
    assert await world.services.enrollments.expire(world.database) == 0
    assert await differences(world) == []
    clock.now += 30 * DAY
    assert await world.services.enrollments.expire(world.database) == 2
    assert await seated(world) == {waiters[2].id}


async def test_expiring_in_two_places_at_once_frees_each_seat_once(world: World, settings: Settings, clock: FakeClock) -> None:
    _, holders, waiters = await full_course(world, seats=10, waiting=15, access_days=1)
    clock.now += DAY
    async with open_world(settings) as other:
        other.clock.now = clock.now
        await asyncio.gather(*(each.services.enrollments.expire(each.database) for each in (world, other, world, other)))

    assert await seated(world) == set(ids(waiters[:10]))
    assert await in_line(world) == ids(waiters[10:])
    assert {user_id for user_id, status in await world.rows(_status_counts) if status == "EXPIRED"} == set(ids(holders))
    assert await differences(world) == []


async def test_activity_after_the_days_of_access_is_refused_and_what_was_recorded_stays(
    world: World, client: httpx.AsyncClient, clock: FakeClock
) -> None:
    course = await world.course((Completion(Rule.VIEWED), Completion(Rule.MANUAL)), access_days=7, capacity=1)
    learner = await world.learner(course)
    viewed = {"event_id": "first", "activity_type": "unit_view", "course_id": course.id, "unit_id": course.units[0].id}
    late = {**viewed, "event_id": "late", "unit_id": course.units[1].id}
    recorded = await client.post(TRACK, json=viewed, headers=world.bearer(learner))
    kept = [await world.rows(select(*table.c)) for table in (learner_activity_logs, unit_progress)]
    clock.now += 7 * DAY
    bearer = world.bearer(learner)

    unswept = await client.post(TRACK, json=late, headers=bearer)
    assert await world.services.enrollments.expire(world.database) == 1
    swept = await client.post(TRACK, json=late, headers=bearer)
    repeated = await client.post(TRACK, json=viewed, headers=bearer)
    again = await client.post(f"/api/v1/courses/{course.id}/enroll", headers=bearer)

    assert recorded.status_code < 300
    assert (unswept.status_code, swept.status_code) == (403, 403)
    assert repeated.status_code < 300
    assert (again.status_code, again.json()["code"]) == (409, "LEARNER_ENROLLMENT_DENIED")
    assert [await world.rows(select(*table.c)) for table in (learner_activity_logs, unit_progress)] == kept
    assert await world.rows(select(enrollments.c.status, enrollments.c.percent)) == [("EXPIRED", 5000)]
    assert await world.rows(_glance) == [(1, 0, 0, 0)]
    assert await differences(world) == []


async def test_whoever_completed_the_course_keeps_access_and_seat(
    world: World, client: httpx.AsyncClient, clock: FakeClock
) -> None:
    course = await world.course((Completion(Rule.VIEWED),), access_days=7, capacity=1)
    learner, waiter = await world.learner(course), await world.user()
    viewed = {"event_id": "first", "activity_type": "unit_view", "course_id": course.id, "unit_id": course.units[0].id}
    assert (await client.post(TRACK, json=viewed, headers=world.bearer(learner))).status_code < 300
    await world.write(world.services.enrollments.enroll_or_wait, waiter.id, course.id)
    clock.now += 400 * DAY

    assert await world.services.enrollments.expire(world.database) == 0
    later = await client.post(TRACK, json={**viewed, "event_id": "second"}, headers=world.bearer(learner))

    assert later.status_code < 300
    assert await world.rows(_status_counts) == [(learner.id, "COMPLETED")]
    assert await in_line(world) == [waiter.id]
    assert await differences(world) == []
