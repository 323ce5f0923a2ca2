"""Courses that get the same name at the same moment: one of them gets it, and the others are refused as if they came later."""

import asyncio

import httpx
import pytest

from headway.identity import Role
from tests.world import World


@pytest.mark.parametrize(("field", "code"), [("slug", "SLUG_TAKEN"), ("externalId", "EXTERNAL_ID_TAKEN")])
async def test_one_of_several_courses_gets_a_name(client: httpx.AsyncClient, world: World, field: str, code: str) -> None:
    headers = world.bearer(await world.user(Role.INSTRUCTOR))
    body = {"title": "Course", field: "algebra", "modules": []}

    answers = await asyncio.gather(*(client.post("/api/v1/courses", json=body, headers=headers) for _ in range(6)))

    assert sorted(each.status_code for each in answers) == [201, *[409] * 5]
    assert {each.json()["code"] for each in answers if each.status_code == 409} == {code}


async def test_one_of_several_courses_is_changed_to_a_name(client: httpx.AsyncClient, world: World) -> None:
    courses = [await world.course() for _ in range(4)]
    headers = world.bearer(await world.user(Role.ADMIN))

    answers = await asyncio.gather(
        *(client.patch(f"/api/v1/courses/{each.id}", json={"externalId": "algebra"}, headers=headers) for each in courses)
    )

    assert sorted(each.status_code for each in answers) == [200, 409, 409, 409]
