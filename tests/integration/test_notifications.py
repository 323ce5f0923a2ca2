"""Notifications arrive as they were sent, whatever is in them and however the server is configured, or nothing is written."""

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest
from sqlalchemy import select, update

from headway import schema
from headway.accounts.tables import users
from headway.db.database import Database, WriteTransaction
from headway.errors import Unavailable
from headway.settings import Settings
from tests.world import World

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
LARGEST = 7_999
PAYLOADS = {
    "quotes": "''' \"'; DROP TABLE feed; --",
    "a quote after a backslash": "\\'; DROP TABLE feed; --",
    "a backslash at the end": "\\",
    "lines": "\n one\r\n two\t\n",
    "parameters": "$1 $$ $a$ %s %(x)s :x {0} ; COMMIT; --",
    "JSON": '{"title":"\\u00e9 \\n \\\\ \\" \'"}',
    "the largest": "\\'" * (LARGEST // 2) + "x",
    "the largest of wide characters": "é" * (LARGEST // 2) + "x",
}


@pytest.fixture
async def received(database: Database) -> list[str | None]:
    """What a server process has heard, from the time that it listens."""
    heard: list[str | None] = []
    database.listen(heard.append)
    if database.dialect.name == "postgresql":
        await wait_for(heard, 1)
        heard.clear()
    return heard


async def wait_for(heard: Sequence[str | None], count: int) -> None:
    async with asyncio.timeout(30):
        while len(heard) < count:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
async def test_a_payload_arrives_as_it_was_sent(world: World, received: list[str | None], payload: str) -> None:
    async with world.database.write() as tx:
        await tx.notify([payload, "next"])

    await wait_for(received, 2)
    assert received == [payload, "next"]


@ON_POSTGRESQL
@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
async def test_so_it_does_where_the_server_takes_backslashes_for_escapes(
    settings: Settings, received: list[str | None], payload: str
) -> None:
    control = await asyncpg.connect(settings.database_url)
    name = await control.fetchval("SELECT current_database()")
    await control.execute(f"ALTER DATABASE {name} SET standard_conforming_strings = off")
    await control.close()
    sender = schema.database(settings)
    await sender.open()
    async with sender.write() as tx:
        await tx.notify([payload, "next"])
    await sender.close()

    await wait_for(received, 2)
    assert received == [payload, "next"]


async def test_notifications_of_a_transaction_arrive_in_the_order_in_which_they_were_sent(
    world: World, received: list[str | None]
) -> None:
    async with world.database.write() as tx:
        await tx.notify(["1", "2"])
        await tx.notify(["3"])

    await wait_for(received, 3)
    assert received == ["1", "2", "3"]


async def rename_and_notify(tx: WriteTransaction, payload: str) -> None:
    await tx.run(update(users).values(name="Renamed"))
    await tx.notify(["good", payload])


@ON_POSTGRESQL
@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        ("x" * (LARGEST + 1), asyncpg.InvalidParameterValueError),
        ("NUL\0'; COMMIT; --", Unavailable),
        ("\ud800", UnicodeEncodeError),
    ],
    ids=["larger", "NUL", "surrogate"],
)
async def test_with_a_payload_that_cannot_be_sent_nothing_is_written_or_sent(
    world: World, received: list[str | None], payload: str, fault: type[Exception]
) -> None:
    await world.user()

    with pytest.raises(fault):
        await world.write(rename_and_notify, payload)
    assert {row[0] for row in await world.rows(select(users.c.name))} == {"PARTICIPANT 1"}

    await world.write(rename_and_notify, "the next")
    await wait_for(received, 2)
    assert received == ["good", "the next"]
