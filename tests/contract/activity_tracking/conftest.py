"""The people and courses that the case files name, made once on each database and copied for those who need them."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from headway import schema
from headway.accounts.model import User
from headway.enrollments import store as enrollments
from headway.enrollments.status import EnrollmentStatus
from headway.identity import Role
from headway.instants import SECOND
from headway.settings import Settings
from tests.conftest import SECRET_KEY, PostgresServer
from tests.serving import copy_template, serving
from tests.world import NOON, FakeClock, World

Names = dict[str, Any]


@pytest.fixture(scope="session")
def furnished(
    templates: dict[str, str], postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, str], Names]:
    """Templates of both databases with the same content, and what is in them by name."""
    file = tmp_path_factory.mktemp("furnished") / "headway.db"
    shutil.copy(templates["sqlite"].removeprefix("sqlite:///"), file)
    postgres.sql(f"CREATE DATABASE headway_furnished TEMPLATE {templates['postgresql']}")
    names = [asyncio.run(_furnish(url)) for url in (f"sqlite:///{file}", postgres.url("headway_furnished"))]
    assert names[0] == names[1]
    return {"sqlite": str(file), "postgresql": "headway_furnished"}, names[0]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(
    request: pytest.FixtureRequest, tmp_path: Path, furnished: tuple[dict[str, str], Names], postgres: PostgresServer
) -> str:
    """A database with people and courses, and no activity yet."""
    return copy_template(request.param, tmp_path, furnished[0], postgres)


@pytest.fixture
def names(furnished: tuple[dict[str, str], Names]) -> Names:
    """What case files call by name: ids, and the tokens of people."""
    return furnished[1]


class CaseServer:
    """A server that many cases are played against, each by a learner and a classmate of its own."""

    def __init__(self, client: httpx.AsyncClient, world: World, names: Names) -> None:
        self.client = client
        self._world = world
        self._names = names

    async def names(self) -> Names:
        """Make a learner and a classmate who have done nothing yet, and give all names."""
        made = {name: await self._world.user() for name in ("learner", "classmate")}
        for user in made.values():
            await self._world.services.enrollments.enroll(user.id, self._names["course"])
        ids = {name: user.id for name, user in made.items()}
        return {**self._names, **ids, **_tokens(self._world, made)}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgresql"])
async def case_server(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    furnished: tuple[dict[str, str], Names],
    postgres: PostgresServer,
) -> AsyncIterator[CaseServer]:
    """One server on each database for all cases of a module: making a database for each takes longer than playing it."""
    url = copy_template(request.param, tmp_path_factory.mktemp("cases"), furnished[0], postgres)
    settings, clock = Settings(database_url=url, secret_key=SECRET_KEY, postgres_pool_size=4), FakeClock()
    async with serving(settings, clock) as (client, world):
        yield CaseServer(client, world, furnished[1])


async def _furnish(url: str) -> Names:
    settings = Settings(database_url=url, secret_key=SECRET_KEY)
    database = schema.database(settings)
    await database.open()
    try:
        return await _people_and_courses(World(database, settings, FakeClock()))
    finally:
        await database.close()


async def _people_and_courses(world: World) -> Names:
    course, other = await world.course(), await world.course()
    people = {"learner": await world.learner(course), "classmate": await world.learner(course)}
    for name in ("dropped", "expired", "disabled"):
        people[name] = await world.learner(course)
    for name, role in (("stranger", Role.PARTICIPANT), ("admin", Role.ADMIN), ("service", Role.SYSTEM)):
        people[name] = await world.user(role)
    await world.services.enrollments.leave(people["dropped"].id, course.id)
    await _expire(world, people["expired"].id, course.id)
    await world.services.accounts.set_disabled(people["disabled"].id, is_disabled=True)
    tokens = _tokens(world, people)
    world.clock.now = NOON - 7200 * SECOND
    return {
        **tokens,
        "expired_token": world.tokens.issue(people["learner"]),
        "learner": people["learner"].id,
        "classmate": people["classmate"].id,
        "course": course.id,
        "module": course.modules[0].id,
        "second_module": course.modules[1].id,
        "unit": course.units[0].id,
        "quiz": course.units[5].id,
        "extra_unit": course.units[6].id,
        "other_course": other.id,
        "other_module": other.modules[0].id,
        "other_unit": other.units[0].id,
    }


def _tokens(world: World, people: dict[str, User]) -> Names:
    return {f"token_of_{name}": world.tokens.issue(user) for name, user in people.items()}


async def _expire(world: World, user_id: int, course_id: int) -> None:
    async with world.database.write() as tx:
        (enrollment,) = (await enrollments.lock(tx, [(user_id, course_id)])).values()
        enrollment.status = EnrollmentStatus.EXPIRED
        await enrollments.set_status(tx, [enrollment], NOON)
