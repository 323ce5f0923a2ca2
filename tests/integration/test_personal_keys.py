"""Personal keys of accounts from before there were any: a server makes them before it serves."""

import asyncio

import pytest
from sqlalchemy import delete, func, select

from headway.accounts.model import User
from headway.db.database import WriteTransaction
from headway.db.personal_keys import make_missing, texts_for
from headway.db.tables import personal_keys
from headway.settings import Settings
from tests.app_server import start_app
from tests.world import FakeClock, World

COUNT = select(func.count()).select_from(personal_keys)


async def older_accounts(world: World) -> tuple[User, User]:
    """Make two accounts as they were before there were personal keys."""
    users = await world.user(), await world.user()
    async with world.database.write() as tx:
        await tx.run(delete(personal_keys))
    return users


async def test_a_server_makes_the_missing_keys_before_it_serves(world: World, settings: Settings, clock: FakeClock) -> None:
    await older_accounts(world)

    async with start_app(settings, clock):
        assert await world.rows(COUNT) == [(2,)]

    assert await make_missing(world.database) == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_two_transactions_use_older_accounts_in_opposite_orders(world: World, other: World) -> None:
    first, second = await older_accounts(world)
    assert await make_missing(world.database) == 2
    both_began = asyncio.Barrier(2)

    async def use(tx: WriteTransaction, *users: User) -> None:
        await texts_for(tx, [users[0].id])
        await both_began.wait()
        await texts_for(tx, [users[1].id])

    await asyncio.gather(world.write(use, first, second), other.write(use, second, first))
