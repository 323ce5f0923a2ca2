"""The people and courses of the learner contract's cases, made once on each database and copied for those who need them."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from headway import schema
from headway.accounts.model import User
from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree, NewAssessment
from headway.identity import Role
from headway.instants import DAY, SECOND
from headway.settings import Settings
from tests.conftest import SECRET_KEY, PostgresServer
from tests.serving import copy_template, serving
from tests.world import NOON, FakeClock, World

Names = dict[str, Any]

MANUAL = Completion(Rule.MANUAL)
TASKS = (
    NewAssessment("Essay", "Five pages.", max_grade=50),
    NewAssessment("Late", due_at=NOON - DAY),
)


class Stage:
    """A server with people and courses, and new learners for whoever plays on it."""

    def __init__(self, client: httpx.AsyncClient, world: World, names: Names) -> None:
        self.client = client
        self.world = world
        self._names = names
        self._made = 0

    async def names(self) -> Names:
        """Make a learner and a classmate who have done nothing yet, and give all names; `unique` differs each time."""
        self._made += 1
        people = {name: await self.world.user(email=f"{name}-{self._made}@school.test") for name in ("learner", "classmate")}
        for user in people.values():
            await self.world.services.enrollments.enroll(user.id, int(self._names["course"]))
        return {**self._names, **_named(self.world, people), "unique": str(self._made)}


@pytest.fixture(scope="session")
def furnished(
    templates: dict[str, str], postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, str], Names]:
    """Templates of both databases with the same content, and what is in them by name."""
    file = tmp_path_factory.mktemp("learner") / "headway.db"
    shutil.copy(templates["sqlite"].removeprefix("sqlite:///"), file)
    postgres.sql(f"CREATE DATABASE headway_learner TEMPLATE {templates['postgresql']}")
    names = [asyncio.run(_furnish(url)) for url in (f"sqlite:///{file}", postgres.url("headway_learner"))]
    assert names[0] == names[1]
    return {"sqlite": str(file), "postgresql": "headway_learner"}, names[0]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgresql"])
async def stage(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    furnished: tuple[dict[str, str], Names],
    postgres: PostgresServer,
) -> AsyncIterator[Stage]:
    """One server on each database for all tests of a module: making a database for each takes longer than the test."""
    url = copy_template(request.param, tmp_path_factory.mktemp("stage"), furnished[0], postgres)
    settings = Settings(
        database_url=url,
        secret_key=SECRET_KEY,
        postgres_pool_size=4,
        # All requests come from one client, in no time.
        registrations_per_client=10_000,
        failed_sign_ins_per_client=10_000,
    )
    clock = FakeClock()
    async with serving(settings, clock) as (client, world):
        yield Stage(client, world, furnished[1])


async def _furnish(url: str) -> Names:
    settings = Settings(database_url=url, secret_key=SECRET_KEY)
    database = schema.database(settings)
    await database.open()
    try:
        return await _people_and_courses(World(database, settings, FakeClock()))
    finally:
        await database.close()


async def _people_and_courses(world: World) -> Names:
    courses = {
        "course": await world.course((MANUAL, MANUAL), subject="physics", level="beginner", assessments=TASKS),
        "other": await world.course((MANUAL,), subject="music", level="expert", assessments=TASKS),
        "draft": await world.course((MANUAL,), is_published=False, assessments=TASKS),
        "closed": await world.course((MANUAL,), enroll_until=NOON),
        "early": await world.course((MANUAL,), enroll_from=NOON + SECOND),
        "over": await world.course((MANUAL,), ends_at=NOON),
        "open": await world.course((MANUAL,), enroll_from=NOON, enroll_until=NOON + SECOND, ends_at=NOON + SECOND),
        "full": await world.course((MANUAL,), capacity=1),
        "strict": await world.course((MANUAL,), is_sequential=True),
    }
    courses["advanced"] = await world.course((MANUAL,), prerequisites=(courses["course"].id,))
    people = {
        "tutor": await world.services.accounts.find(courses["course"].owner_id),
        "other_tutor": await world.services.accounts.find(courses["other"].owner_id),
        "draft_tutor": await world.services.accounts.find(courses["draft"].owner_id),
        "outsider": await world.learner(courses["other"]),
        "seated": await world.learner(courses["full"]),
        "disabled": await world.learner(courses["course"]),
        "stranger": await world.user(),
        "admin": await world.user(Role.ADMIN),
        "service": await world.user(Role.SYSTEM),
    }
    await world.services.accounts.set_disabled(people["disabled"].id, is_disabled=True)
    names = _named(world, people)
    for name, course in courses.items():
        names |= _parts(name, course)
    world.clock.now = NOON - 7200 * SECOND
    return {**names, "expired_token": world.tokens.issue(people["stranger"]), "now": "2026-01-01T12:00:00.000Z"}


def _named(world: World, people: dict[str, User]) -> Names:
    ids = {name: str(user.id) for name, user in people.items()}
    called = {f"name_of_{name}": user.name for name, user in people.items()}
    return {**ids, **called, **{f"token_of_{name}": world.tokens.issue(user) for name, user in people.items()}}


def _parts(name: str, course: CourseTree) -> Names:
    """Name a course and what is in it: `course`, `course_module`, `course_second_module`, `course_unit`, `course_task`, …"""
    ids = {
        name: course.id,
        f"{name}_module": course.modules[0].id,
        f"{name}_second_module": course.modules[1].id,
        f"{name}_unit": course.units[0].id,
        f"{name}_last_unit": course.units[-1].id,
    }
    tasks = [("task", 0), ("late_task", 1)] if course.assessments else []
    ids |= {f"{name}_{word}": course.assessments[i].id for word, i in tasks}
    return {word: str(number) for word, number in ids.items()}
