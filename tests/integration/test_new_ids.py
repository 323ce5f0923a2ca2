"""Ids from a sequence are unused, whoever takes them, and whatever becomes of the transaction, the connection or the server."""

import asyncio
from contextlib import suppress

import asyncpg
import pytest

from headway import schema
from headway.db.database import Database
from headway.errors import Unavailable
from headway.learning.tables import unit_progress
from headway.settings import Settings

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
END_ALL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
)


async def take(database: Database, count: int = 7) -> list[int]:
    async with database.write() as tx:
        return await tx.new_ids(unit_progress, count)


async def take_in_another_process(settings: Settings, count: int = 7) -> list[int]:
    other = schema.database(settings)
    await other.open()
    ids = await take(other, count)
    await other.close()
    return ids


@pytest.mark.parametrize("count", [0, 1, 999, 1_000, 1_001, 2_500])
async def test_as_many_ids_are_taken_as_were_asked_for(database: Database, count: int) -> None:
    ids = [*await take(database, count), *await take(database, count)]

    assert len(set(ids)) == 2 * count


async def test_concurrent_transactions_take_different_ids(database: Database) -> None:
    taken = await asyncio.gather(*(take(database, 400) for _ in range(12)))

    assert len({number for ids in taken for number in ids}) == 12 * 400


async def test_ids_of_a_transaction_that_was_rolled_back_are_not_those_of_two_others(
    database: Database, settings: Settings
) -> None:
    with suppress(ValueError):
        async with database.write() as tx:
            await tx.new_ids(unit_progress, 7)
            raise ValueError

    ids = [*await take(database), *await take_in_another_process(settings), *await take(database)]

    assert len(set(ids)) == 21


@ON_POSTGRESQL
async def test_after_a_server_lost_what_it_gave_out_no_two_processes_take_the_same_ids(
    database: Database, settings: Settings
) -> None:
    await take(database)
    control = await asyncpg.connect(settings.database_url)
    # As a crash before the sequence was on the disk would, or a standby that lags behind.
    await control.execute("ALTER SEQUENCE ids_of_unit_progress RESTART")
    await control.execute(END_ALL)
    await control.close()

    with suppress(Unavailable):
        await take(database)
    ids = [*await take_in_another_process(settings, 100), *await take(database)]

    assert len(set(ids)) == 107
