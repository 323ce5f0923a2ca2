"""Servers within the process of the tests."""

import asyncio
import gc
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from litestar import Litestar

from headway import schema
from headway.app import create_app
from headway.http.middleware import RequestMiddleware
from headway.settings import Settings
from tests.world import FakeClock, World

COLLECTED_AFTER = 20
"""After so many servers of a process what they left is collected."""
_ended = itertools.count(1)


def litestar_of(app: RequestMiddleware) -> Litestar:
    """Return the router of a server, which middleware encloses."""
    inner: Any = app
    while not isinstance(inner, Litestar):
        inner = inner.app
    return inner


@asynccontextmanager
async def start_app(settings: Settings, clock: FakeClock) -> AsyncIterator[RequestMiddleware]:
    """Start a server; it starts and stops within one task, as a real one does."""
    made = create_app(settings, clock)
    is_started, stop = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with litestar_of(made).lifespan():
            is_started.set()
            await stop.wait()

    life = asyncio.create_task(live())
    await asyncio.wait([life, asyncio.create_task(is_started.wait())], return_when=asyncio.FIRST_COMPLETED)
    yield made
    stop.set()
    await life
    if next(_ended) % COLLECTED_AFTER == 0:
        # A server has Python look for garbage rarely, and leaves some 20 MB of it.
        gc.collect()


@asynccontextmanager
async def open_server(settings: Settings, clock: FakeClock) -> AsyncIterator[tuple[httpx.AsyncClient, World]]:
    """Start a server; give a client of it, and the use cases beside it."""
    async with start_app(settings, clock) as made:
        asgi: Any = made
        database = schema.database(settings)
        await database.open()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url="http://headway.test") as client:
            yield client, World(database, settings, clock)
        await database.close()
