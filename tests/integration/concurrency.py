"""Many requests at once against real server processes: one on SQLite, two on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx

from headway import schema
from headway.instants import system_clock
from headway.services import make_checks
from headway.settings import Settings
from headway.verify import Verify
from tests.databases import SECRET_KEY
from tests.processes import HeadwayProcess, open_client
from tests.world import FakeClock, World

AT_ONCE = 64

Request = tuple[str, str, dict[str, str], Any]
"""(method, path, headers, body)"""


@contextmanager
def run_servers(settings: Settings, folder: Path, **environment: str) -> Iterator[list[str]]:
    """Run the servers that the database allows, and give their addresses."""
    count = 1 if settings.is_sqlite else 2
    servers = [HeadwayProcess(settings.database_url, folder, SECRET_KEY, **environment) for _ in range(count)]
    try:
        yield [server.start().url for server in servers]
    finally:
        for server in servers:
            if hasattr(server, "process"):
                server.kill()


@asynccontextmanager
async def open_world(settings: Settings, clock: FakeClock | None = None) -> AsyncIterator[World]:
    """Give the use cases of a process of its own; without a clock, by the real time, as servers go."""
    database = schema.database(settings)
    if clock is None:
        clock = FakeClock()
        clock.now = system_clock()
    await database.open()
    try:
        yield World(database, settings, clock)
    finally:
        await database.close()


async def send_all(urls: Sequence[str], requests: Sequence[Request]) -> list[httpx.Response]:
    """Send requests, spread over the servers, many at the same time."""
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with open_client(limits=limits, timeout=60) as client:

        async def send(number: int, method: str, path: str, headers: dict[str, str], body: Any) -> httpx.Response:
            return await client.request(method, urls[number % len(urls)] + path, headers=headers, json=body)

        return await asyncio.gather(*(send(number, *request) for number, request in enumerate(requests)))


async def differences(world: World) -> list[Any]:
    """Give what `headway verify` finds."""
    return list((await Verify(world.database, make_checks()).run()).differences)


async def wait_until(is_true: Callable[..., bool], *arguments: Any, seconds: float = 30) -> None:
    """Wait until something is true, such as that a server has answered often enough to be killed."""
    async with asyncio.timeout(seconds):
        while not is_true(*arguments):
            await asyncio.sleep(0.01)
