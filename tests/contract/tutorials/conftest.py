"""A server for the tutorials' cases, with limits so high that only those cases meet them that are about limits."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
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
ANY_NUMBER = 10_000
UNLIMITED = {f"tutorial_{what}_per_minute": ANY_NUMBER for what in ("reads", "chapters", "quizzes", "completions", "resets")}


class Stage:
    """A server with people; whoever plays on it gets learners of their own."""

    def __init__(self, client: httpx.AsyncClient, world: World) -> None:
        self.client = client
        self.world = world
        self._names: Names = {}
        self._made = 0

    async def furnish(self) -> None:
        """Make the people whom all cases share.

        `reference` is whom the contract's document names, `lookalike` is named like the id of the tutor.
        """
        people = {
            "admin": await self.world.user(Role.ADMIN),
            "service": await self.world.user(Role.SYSTEM),
            "tutor": await self.world.user(Role.INSTRUCTOR),
            "reference": await self.world.user(external_id="user-123"),
        }
        people["lookalike"] = await self.world.user(external_id=str(people["tutor"].id))
        expired = self.world.tokens.issue(people["tutor"], lifetime_seconds=-1)
        self._names = {**_names(self.world, people), "expired_token": expired, "now": "2026-01-01T12:00:00.000Z"}

    async def names(self) -> Names:
        """Make two learners who have done nothing yet, one with an external id, and give all names: ids are texts."""
        self._made += 1
        self.world.clock.now = NOON
        learner = await self.world.user(external_id=f"learner|{self._made}")
        own = _names(self.world, {"learner": learner, "classmate": await self.world.user()})
        return {**self._names, **own, "unique": self._made}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgresql"])
async def stage(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    templates: dict[str, str],
    postgres: PostgresServer,
) -> AsyncIterator[Stage]:
    """One server on each database for all tests of a module."""
    url = copy_template(request.param, tmp_path_factory.mktemp("stage"), templates, postgres)
    settings = Settings(database_url=url, secret_key=SECRET_KEY, postgres_pool_size=4)
    clock = FakeClock()
    async with serving(msgspec.structs.replace(settings, **UNLIMITED), clock) as (client, world):
        # Cases let hours pass, and are not about signing in again.
        world.tokens = Tokens(SECRET_KEY, clock, lifetime_seconds=DAY // SECOND)
        furnished = Stage(client, world)
        await furnished.furnish()
        yield furnished


def _names(world: World, people: dict[str, User]) -> Names:
    """Name people as the contract does, their ids as `id_of_…`, and their tokens."""
    called = {name: user.external_id or str(user.id) for name, user in people.items()}
    ids = {f"id_of_{name}": str(user.id) for name, user in people.items()}
    return {**called, **ids, **world.tokens_of(people)}
