"""Hundreds of learners who want a few seats at the same moment, over HTTP."""

from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from headway.courses.tables import courses
from headway.enrollments.tables import enrollments, waiting_list
from headway.settings import Settings
from tests.integration.concurrency import differences, open_world, run_servers, send_all
from tests.world import World

LEARNERS, SEATS = 500, 10

_seats = select(courses.c.seats_taken)
_seated = select(enrollments.c.user_id).where(enrollments.c.status == "ENROLLED").order_by(enrollments.c.user_id)
_waiting = select(waiting_list.c.user_id).order_by(waiting_list.c.number)


async def many_learners(world: World) -> list[dict[str, str]]:
    return [world.bearer(await world.user()) for _ in range(LEARNERS)]


def count(answers: list[Any]) -> dict[int, int]:
    statuses = [answer.status_code for answer in answers]
    return {status: statuses.count(status) for status in sorted(set(statuses))}


async def test_of_500_learners_10_get_the_10_seats(settings: Settings, tmp_path: Path) -> None:
    async with open_world(settings) as world:
        course = await world.course(capacity=SEATS)
        bearers = await many_learners(world)
        with run_servers(settings, tmp_path) as urls:
            answers = await send_all(urls, [("POST", f"/api/v1/courses/{course.id}/enroll", b, None) for b in bearers])

        assert count(answers) == {201: SEATS, 409: LEARNERS - SEATS}
        assert {a.json()["code"] for a in answers if a.status_code == 409} == {"COURSE_FULL"}
        winners = sorted(int(a.json()["data"]["learnerId"]) for a in answers if a.status_code == 201)
        assert [row[0] for row in await world.rows(_seated)] == winners
        assert await world.rows(_seats) == [(SEATS,)]
        assert await differences(world) == []


async def test_who_does_not_get_a_seat_waits_in_the_order_of_arrival(settings: Settings, tmp_path: Path) -> None:
    async with open_world(settings) as world:
        course = await world.course(capacity=SEATS)
        bearers = await many_learners(world)
        path = f"/api/v1/courses/{course.id}/enroll"
        with run_servers(settings, tmp_path) as urls:
            answers = await send_all(urls, [("POST", f"{path}?waitlist=true", bearer, None) for bearer in bearers])
            assert count(answers) == {201: SEATS, 202: LEARNERS - SEATS}
            told = [answer.json()["data"] for answer in answers if answer.status_code == 202]
            in_line = [int(each["learnerId"]) for each in sorted(told, key=lambda each: each["position"])]
            assert sorted(each["position"] for each in told) == list(range(1, LEARNERS - SEATS + 1))
            assert [row[0] for row in await world.rows(_waiting)] == in_line

            seated = [bearer for bearer, answer in zip(bearers, answers, strict=True) if answer.status_code == 201]
            leaving = await send_all(urls, [("DELETE", path, bearer, None) for bearer in seated])

        assert count(leaving) == {204: SEATS}
        assert [row[0] for row in await world.rows(_seated)] == sorted(in_line[:SEATS])
        assert [row[0] for row in await world.rows(_waiting)] == in_line[SEATS:]
        assert await world.rows(_seats) == [(SEATS,)]
        assert await world.rows(select(func.count()).where(enrollments.c.status == "DROPPED")) == [(SEATS,)]
        assert await differences(world) == []


async def test_leavers_and_joiners_at_the_same_time_never_oversell_or_waste_a_seat(settings: Settings, tmp_path: Path) -> None:
    async with open_world(settings) as world:
        course = await world.course(capacity=3)
        bearers = [world.bearer(await world.user()) for _ in range(12)]
        path = f"/api/v1/courses/{course.id}/enroll"
        with run_servers(settings, tmp_path) as urls:
            for _round in range(5):
                joining = [("POST", f"{path}?waitlist=true", bearer, None) for bearer in bearers]
                leaving = [("DELETE", path, bearer, None) for bearer in bearers[::2]]
                mixed = [each for pair in zip(joining, leaving * 2, strict=True) for each in pair]
                assert max(count(await send_all(urls, mixed))) < 500
                assert await differences(world) == []

        (taken,) = await world.rows(_seats)
        assert taken == (len(await world.rows(_seated)),)
        assert taken[0] <= 3
