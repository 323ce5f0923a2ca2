"""Staff, learners and time at work on the same few seats at the same moment, over HTTP."""

import random
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from headway.courses.tables import courses
from headway.enrollments.status import OPEN
from headway.enrollments.store import status_among
from headway.enrollments.tables import enrollments, invitations, waiting_list
from headway.identity import Role
from headway.settings import Settings
from tests.integration.concurrency import Request, differences, open_world, run_servers, send_all

SEATS, LEARNERS, STRANGERS = 7, 24, 10

_holders = select(func.count()).select_from(enrollments).where(status_among(*sorted(OPEN)))
_course = select(courses.c.capacity, courses.c.seats_taken)
_numbers = select(waiting_list.c.number)


async def test_seats_are_never_oversold_and_nobody_is_in_two_places(settings: Settings, tmp_path: Path) -> None:
    chance = random.Random(7)
    async with open_world(settings) as world:
        course = await world.course(capacity=SEATS)
        admin = world.bearer(await world.user(Role.ADMIN))
        learners = [await world.user(email=f"learner{n}@school.test") for n in range(LEARNERS)]
        path = f"/api/v1/courses/{course.id}"
        admitted = 0
        with run_servers(settings, tmp_path) as urls:
            for number in range(4):
                requests = _requests(chance, path, admin, [(each.id, world.bearer(each)) for each in learners], number)
                answers = await send_all(urls, requests)
                assert max(answer.status_code for answer in answers) < 500
                assert {answer.status_code for answer in answers} & {200, 201}
                sent = zip(requests, answers, strict=True)
                admitted += sum(_added_a_seat(request, answer) for request, answer in sent)
                assert await differences(world) == []

        ((capacity, taken),) = await world.rows(_course)
        assert await world.rows(_holders) == [(taken,)]
        assert SEATS <= capacity <= SEATS + admitted
        assert taken <= capacity
        numbers = [row[0] for row in await world.rows(_numbers)]
        assert len(numbers) == len(set(numbers)), "two learners have the same place"
        assert await world.rows(select(invitations.c.id)) == [], "everybody who was invited has registered"
        both = select(waiting_list.c.user_id).join(enrollments, enrollments.c.user_id == waiting_list.c.user_id)
        assert await world.rows(both.where(status_among(*sorted(OPEN)))) == []


def _requests(
    chance: random.Random, path: str, admin: dict[str, str], learners: list[tuple[int, dict[str, str]]], number: int
) -> list[Request]:
    """Return what everybody asks for in one round, in any order."""
    strangers = [f"stranger{number}-{n}@school.test" for n in range(STRANGERS)]
    requests: list[Request] = []
    for _ in range(3):
        some = [user_id for user_id, _ in chance.sample(learners, 12)]
        items: list[dict[str, Any]] = [{"user": f"id:{user_id}", "waitlist": chance.random() < 0.5} for user_id in some]
        items += [{"user": f"email:{each}"} for each in chance.sample(strangers, 6)]
        requests.append(("POST", f"{path}/enrollments", admin, {"items": items}))
    for user_id, bearer in learners:
        requests.append(("POST", f"{path}/enroll?waitlist=true", bearer, None))
        if chance.random() < 0.5:
            requests.append(("DELETE", f"{path}/enroll", bearer, None))
        if chance.random() < 0.4:
            requests.append(("PATCH", f"{path}/waitlist/{user_id}", admin, {"position": chance.randint(1, 5)}))
        if chance.random() < 0.3:
            requests.append(("DELETE", f"{path}/enrollments/{user_id}", admin, None))
        if chance.random() < 0.1:
            requests.append(("POST", f"{path}/waitlist/{user_id}/admit", admin, {"addSeat": True}))
        if chance.random() < 0.2:
            requests.append(("PATCH", f"{path}/enrollments/{user_id}", admin, {"status": "EXPIRED"}))
        if chance.random() < 0.2:
            requests.append(("PATCH", f"{path}/enrollments/{user_id}", admin, {"expiresAt": "2100-01-01T00:00:00Z"}))
    for each in strangers:
        account = {"name": "New", "email": each, "password": "Corr3ct-Horse"}
        requests.append(("POST", "/api/v1/learner/auth/register", {}, account))
    chance.shuffle(requests)
    return requests


def _added_a_seat(request: Request, answer: Any) -> bool:
    return request[1].endswith("/admit") and answer.status_code == 201
