"""A real server with the demo's page and its course, and a learner who can sign in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from headway import schema
from headway.accounts.model import User
from headway.cli.courses import load_course
from headway.courses.model import CourseTree
from headway.db.database import Database
from headway.identity import Role
from headway.importers import oulad
from headway.instants import system_clock
from headway.services import make_checks
from headway.settings import Settings
from headway.verify import Verify
from headway.web import reader
from tests.databases import SECRET_KEY, Templates
from tests.processes import HeadwayProcess
from tests.world import FakeClock, World

TOKEN_SECONDS = 34
"""The page renews a token 30 seconds before it expires: while a test runs it does."""


@dataclass(frozen=True)
class Demo:
    """The server, its course, and who may read it."""

    url: str
    world: World
    course: CourseTree

    async def learner(self, email: str = reader.LEARNER_EMAIL) -> User:
        """Make a learner of the course who signs in with the password of the demo."""
        self.world.clock.now = system_clock()
        learner = await self.world.user(email=email)
        await self.world.set_password(learner.id, reader.PASSWORD)
        async with self.world.database.write() as tx:
            await self.world.services.enrollments.enroll_as_operator(tx, learner.id, self.course.id)
        # With the password the version of the account's tokens has changed.
        return await self.world.find_user(learner.id)

    def token(self, learner: User) -> str:
        self.world.clock.now = system_clock()
        return self.world.tokens.issue(learner)


@asynccontextmanager
async def open_demo(templates: Templates, folder: Path, **environment: str) -> AsyncIterator[Demo]:
    """Start a server; at the end, what it has stored agrees."""
    settings = Settings(database_url=templates.copy("sqlite", folder), secret_key=SECRET_KEY)
    clock = FakeClock()
    clock.now = system_clock()
    database = schema.database(settings)
    await database.open()
    world = World(database, settings, clock)
    course = await _load(world)
    with HeadwayProcess(settings.database_url, folder, SECRET_KEY, HEADWAY_DEMO="true", **environment) as server:
        yield Demo(server.url, world, course)
        differences = await _differences(database)
    await database.close()
    assert differences == []


async def _load(world: World) -> CourseTree:
    await world.user(Role.INSTRUCTOR, email=oulad.OWNER_EMAIL)
    async with world.database.write() as tx:
        return await load_course(reader.COURSE_FILE, world.services, tx)


async def _differences(database: Database) -> list[object]:
    return list((await Verify(database, make_checks()).run()).differences)
