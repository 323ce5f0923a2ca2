"""A server with people and courses for the course room's cases; its display time zone is that of the contract's sample."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from headway.accounts.model import User
from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree
from headway.http.tokens import Tokens
from headway.identity import Role
from headway.instants import DAY, SECOND
from headway.settings import Settings
from tests.conftest import SECRET_KEY, PostgresServer
from tests.serving import copy_template, serving
from tests.world import NOON, FakeClock, World

Names = dict[str, Any]

MANUAL = Completion(Rule.MANUAL)


class Stage:
    """A server with people and courses; whoever plays on it gets a course, its tutor and learners of their own."""

    def __init__(self, client: httpx.AsyncClient, world: World) -> None:
        self.client = client
        self.world = world
        self._names: Names = {}
        self._made = 0

    async def furnish(self) -> None:
        """Make what all cases share and none of them changes."""
        world = self.world
        courses = {
            "other": await world.course((MANUAL,)),
            "draft": await world.course((MANUAL,), is_published=False),
            "empty": await world.course((MANUAL, MANUAL)),
        }
        people = {f"{name}_tutor": await world.services.accounts.find(course.owner_id) for name, course in courses.items()}
        people |= {
            "outsider": await world.learner(courses["other"]),
            "disabled": await world.learner(courses["other"]),
            "stranger": await world.user(),
            "admin": await world.user(Role.ADMIN),
            "service": await world.user(Role.SYSTEM),
        }
        people |= {name: await world.user() for name in ("ann", "ben", "cem", "dea", "eli")}
        await world.services.accounts.set_disabled(people["disabled"].id, is_disabled=True)
        self._names = _people(world, people)
        for name, course in courses.items():
            self._names |= _parts(name, course)
        expired = world.tokens.issue(people["stranger"], lifetime_seconds=-1)
        self._names |= {"expired_token": expired, "now": "2026-01-01T12:00:00.000Z"}

    async def names(self) -> Names:
        """Make two courses with two learners who have done nothing yet, and give all names; `unique` differs each time."""
        self._made += 1
        self.world.clock.now = NOON
        course = await self.world.course((MANUAL, MANUAL))
        strict = await self.world.course((MANUAL, MANUAL), is_sequential=True)
        people = {"tutor": await self.world.services.accounts.find(course.owner_id)}
        for name in ("learner", "classmate"):
            people[name] = await self.world.learner(course)
            await self.world.services.enrollments.enroll(people[name].id, strict.id)
        own = {**_people(self.world, people), **_parts("course", course), **_parts("strict", strict)}
        return {**self._names, **own, "unique": self._made}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgresql"])
async def stage(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    templates: dict[str, str],
    postgres: PostgresServer,
) -> AsyncIterator[Stage]:
    """One server on each database for all tests of a module: making a database for each takes longer than the test."""
    url = copy_template(request.param, tmp_path_factory.mktemp("stage"), templates, postgres)
    settings = Settings(database_url=url, secret_key=SECRET_KEY, postgres_pool_size=4, display_timezone="Asia/Kolkata")
    clock = FakeClock()
    async with serving(settings, clock) as (client, world):
        # Cases let weeks pass, and are not about signing in again.
        world.tokens = Tokens(SECRET_KEY, clock, lifetime_seconds=366 * DAY // SECOND)
        furnished = Stage(client, world)
        await furnished.furnish()
        yield furnished


def _people(world: World, people: dict[str, User]) -> Names:
    ids = {name: user.id for name, user in people.items()}
    return {**ids, **world.tokens_of(people)}


def _parts(name: str, course: CourseTree) -> Names:
    """Name a course and what is in it: `course`, `course_module`, `course_unit`, `course_last_unit`, …"""
    return {
        name: course.id,
        f"{name}_module": course.modules[0].id,
        f"{name}_unit": course.units[0].id,
        f"{name}_second_unit": course.units[-2].id,
        f"{name}_extra_unit": course.units[-1].id,
    }
