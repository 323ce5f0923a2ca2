"""A server with people for the activity log's cases; what they log stays in the one log that all of them share."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from headway.accounts.model import User
from headway.http.tokens import Tokens
from headway.identity import Role
from headway.instants import DAY, SECOND
from headway.settings import Settings
from tests.conftest import SECRET_KEY, PostgresServer
from tests.serving import copy_template, serving
from tests.world import NOON, FakeClock, World

Names = dict[str, Any]


class Stage:
    """A server with people; whoever plays on it gets a learner and a classmate of whom the log knows nothing."""

    def __init__(self, client: httpx.AsyncClient, world: World) -> None:
        self.client = client
        self.world = world
        self._names: Names = {}
        self._made = 0

    async def furnish(self) -> None:
        """Make the people whom all cases share."""
        world = self.world
        people = {
            "tutor": await world.user(Role.INSTRUCTOR, email="tutor@school.test"),
            "admin": await world.user(Role.ADMIN, email="admin@school.test"),
            "service": await world.user(Role.SYSTEM),
            "disabled": await world.user(),
        }
        await world.services.accounts.set_disabled(people["disabled"].id, is_disabled=True)
        expired = world.tokens.issue(people["tutor"], lifetime_seconds=-1)
        self._names = {**named(world, people), "expired_token": expired, "now": "2026-01-01T12:00:00.000Z"}

    async def names(self) -> Names:
        """Make the people of one case, and give all names; `unique` differs each time."""
        self._made += 1
        self.world.clock.now = NOON
        people = {
            "learner": await self.world.user(email=f"learner-{self._made}@school.test", external_id=f"outside-{self._made}"),
            "classmate": await self.world.user(email=f"classmate-{self._made}@school.test"),
            "guest": await self.world.user(),
        }
        return {**self._names, **named(self.world, people), "unique": self._made}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgresql"])
async def stage(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    templates: dict[str, str],
    postgres: PostgresServer,
) -> AsyncIterator[Stage]:
    """One server on each database for all tests of a module: making a database for each takes longer than the test."""
    url = copy_template(request.param, tmp_path_factory.mktemp("stage"), templates, postgres)
    settings = Settings(database_url=url, secret_key=SECRET_KEY, postgres_pool_size=4)
    clock = FakeClock()
    async with serving(settings, clock) as (client, world):
        # Cases let days pass, and are not about signing in again.
        world.tokens = Tokens(SECRET_KEY, clock, lifetime_seconds=366 * DAY // SECOND)
        furnished = Stage(client, world)
        await furnished.furnish()
        yield furnished


def named(world: World, people: dict[str, User]) -> Names:
    """Name people as cases do: `learner` is an id, and there are `name_of_learner`, `email_of_learner`, `token_of_learner`."""
    names: Names = {name: str(user.id) for name, user in people.items()}
    for name, user in people.items():
        names |= {
            f"name_of_{name}": user.name,
            f"email_of_{name}": user.email,
            f"outside_id_of_{name}": user.external_id,
            f"token_of_{name}": world.tokens.issue(user),
        }
    return names
