"""Staff find learners by name in their lists: by parts of words, in any order, whatever the list is sorted by."""

from typing import Any

import httpx
import pytest

from headway.accounts.model import User
from headway.courses.model import NewAssessment, NewCourse
from headway.identity import Caller, Role
from headway.settings import Settings
from tests.app_server import open_server
from tests.world import FakeClock, World

NAMES = ("Ada Lovelace", "Grace Hopper", "Ådä 100%_Loves", "Katherine Johnson", "Lovisa Adamsson")


async def lists(world: World) -> tuple[User, dict[str, str]]:
    """Enroll the learners, who submit work; return the owner and the key of a learner's name by list."""
    owner = await world.user(Role.INSTRUCTOR)
    new = NewCourse("Course", assessments=(NewAssessment("Task"),))
    course = await world.write(world.services.course_editing.create_for, Caller(owner.id, owner.role), new)
    for name in NAMES:
        learner = await world.write(world.services.accounts.create, role=Role.PARTICIPANT, name=name)
        await world.write(world.services.enrollments.enroll, learner.id, course.id)
        caller = Caller(learner.id, learner.role)
        await world.write(world.services.assessments.submit, caller, course.assessments[0].id, "https://github.com/a/b")
    return owner, {
        f"/user-progress/course/{course.id}/all": "name",
        f"/user-progress/course/{course.id}/all?sortBy=completionDate&status=ENROLLED": "name",
        f"/api/v1/courses/{course.id}/enrollments": "name",
        f"/api/v1/courses/{course.id}/enrollments?status=active": "name",
        f"/api/v1/assessments/{course.assessments[0].id}/submissions": "learnerName",
    }


async def find(client: httpx.AsyncClient, path: str, key: str, headers: dict[str, str], **query: Any) -> tuple[list[str], int]:
    """Walk through a list by cursor; return the names, and how many there are."""
    found: list[str] = []
    while True:
        response = await client.get(httpx.URL(path).copy_merge_params(query), headers=headers)
        assert response.status_code == 200, response.text
        body = response.json()
        found += [row[key] for row in body.get("results", body.get("data"))]
        paging = body.get("pagination") or body.get("metadata")
        if paging["nextCursor"] is None:
            return found, paging["total"]
        query["cursor"] = paging["nextCursor"]


async def test_learners_are_found_by_name(settings: Settings, clock: FakeClock, subtests: pytest.Subtests) -> None:
    async with open_server(settings, clock) as (client, world):
        owner, paths = await lists(world)
        headers = world.bearer(owner)
        for path, key in paths.items():
            for q, expected in (
                ("lov", {"Ada Lovelace", "Ådä 100%_Loves", "Lovisa Adamsson"}),
                ("LOVE ada", {"Ada Lovelace", "Ådä 100%_Loves"}),
                ("hopper grace", {"Grace Hopper"}),
                ("%", set[str]()),
                ("ada%lov", {"Ada Lovelace", "Ådä 100%_Loves", "Lovisa Adamsson"}),
                ("nobody", set[str]()),
                ("!", set[str]()),
            ):
                with subtests.test(f"{path} {q}"):
                    assert await find(client, path, key, headers, q=q, limit=100) == (
                        [name for name in NAMES if name in expected],
                        len(expected),
                    )
                    found, total = await find(client, path, key, headers, q=q, limit=1)
                    assert (sorted(found), total) == (sorted(expected), len(expected))
            too_long = await client.get(httpx.URL(path).copy_merge_params({"q": "a" * 201}), headers=headers)
            assert too_long.status_code == 400


async def test_a_page_by_number_of_those_with_a_name(settings: Settings, clock: FakeClock) -> None:
    async with open_server(settings, clock) as (client, world):
        owner, paths = await lists(world)
        for path, key in paths.items():
            url = httpx.URL(path).copy_merge_params({"q": "lov", "limit": "2", "page": "2"})
            body = (await client.get(url, headers=world.bearer(owner))).json()

            assert [row[key] for row in body.get("results", body.get("data"))] == ["Lovisa Adamsson"]
