"""The people and courses of activity tracking, made once on each kind of database and copied for each test."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway import schema
from headway.settings import Settings
from tests.contract.activity_tracking.scene import SCENE
from tests.contract.scene import Names
from tests.databases import KINDS, SECRET_KEY, Templates
from tests.world import FakeClock, World


@pytest.fixture(scope="session")
def furnished(templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> tuple[Templates, Names]:
    """Templates of both databases with the same content, and what is in them by name."""
    furnished = templates.derive(tmp_path_factory.mktemp("furnished"))
    names = [asyncio.run(_furnish(furnished.url(kind))) for kind in KINDS]
    assert names[0] == names[1]
    return furnished, names[0]


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path, furnished: tuple[Templates, Names]) -> Iterator[str]:
    """A database with people and courses, and no activity yet."""
    with furnished[0].lend(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def names(furnished: tuple[Templates, Names]) -> Names:
    """The ids and tokens by the names of the case files."""
    return furnished[1]


async def _furnish(url: str) -> Names:
    settings = Settings(database_url=url, secret_key=SECRET_KEY)
    database = schema.database(settings)
    await database.open()
    try:
        return await SCENE.make_shared(World(database, settings, FakeClock()))
    finally:
        await database.close()
