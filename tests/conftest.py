"""What all tests share: the two databases, a clock to set, and a server within the test's process."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from headway import schema
from headway.db.database import Database
from headway.http.middleware import RequestMiddleware
from headway.settings import Settings
from tests.app_server import start_app
from tests.databases import (
    KINDS,
    RUN_FOLDER,
    SECRET_KEY,
    PostgresServer,
    Templates,
    exclusive,
    make_run_folder,
    migrated_templates,
    remove_run_folder,
    write_into_memory,
)
from tests.distribution import PartScheduling
from tests.world import FakeClock, World

RUN_FOLDER_KEY = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder that all workers of a run share; workers inherit the environment."""
    write_plain_tracebacks()
    if RUN_FOLDER not in os.environ:
        write_into_memory()
        config.stash[RUN_FOLDER_KEY] = make_run_folder()
        # A run that is terminated stops its PostgreSQL server too.
        signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated"))


def write_plain_tracebacks() -> None:
    """Log errors that tests provoke in plain lines: with all variables, as structlog does by itself, each takes a second."""
    *processors, _ = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*processors, plain])


def pytest_unconfigure(config: pytest.Config) -> None:
    folder = config.stash.get(RUN_FOLDER_KEY, None)
    if folder is not None:
        remove_run_folder(folder)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what takes longest first, so that no process is left with it at the end."""
    items.sort(key=lambda item: "tests/integration/" not in item.nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> PartScheduling | None:
    if config.getvalue("dist") != "load":
        return None
    config.option.loadscopereorder = False
    return PartScheduling(config, log)


@pytest.fixture(scope="session")
def postgres() -> PostgresServer:
    folder = Path(os.environ[RUN_FOLDER])
    with exclusive(folder / "postgres.lock"):
        return PostgresServer(folder / "postgres")


@pytest.fixture(scope="session")
def templates(postgres: PostgresServer) -> Templates:
    """A migrated, empty database of each kind, to be copied for each test."""
    return migrated_templates(postgres, Path(os.environ[RUN_FOLDER]))


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path, templates: Templates) -> Iterator[str]:
    """A migrated, empty database; a test that takes it runs on both kinds."""
    with templates.lend(request.param, tmp_path) as url:
        yield url


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
    async with start_app(settings, clock) as made:
        yield made


@pytest.fixture
async def client(app: RequestMiddleware) -> AsyncIterator[httpx.AsyncClient]:
    asgi: Any = app
    async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url="http://headway.test") as opened:
        yield opened
