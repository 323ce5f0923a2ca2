"""Connections of the kind that migrations run on."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Connection, pool
from sqlalchemy.ext.asyncio import create_async_engine

from headway import schema
from headway.db import postgres
from headway.settings import Settings


async def within(settings: Settings, action: Callable[[Connection], Any]) -> Any:
    """Run something on a connection of the kind that migrations run on."""
    if settings.is_sqlite:
        with schema.sqlite_connection(settings.sqlite_path) as connection:
            found = action(connection)
            connection.commit()
            return found
    async with _postgresql_connection(settings) as opened:
        found = await opened.run_sync(action)
        await opened.commit()
        return found


@asynccontextmanager
async def _postgresql_connection(settings: Settings) -> AsyncIterator[Any]:
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: postgres.connect(settings.database_url, timeout_seconds=10),
        poolclass=pool.NullPool,
    )
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()
