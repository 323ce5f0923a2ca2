"""Cancelled requests: whatever they were at, the connection that they used is left as if they had not been."""

import asyncio
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, text, update

from headway.accounts import store as users
from headway.accounts.model import User
from headway.accounts.tables import users as users_table
from headway.db.sqlite import in_thread
from headway.settings import Settings
from tests.world import World

_count = select(func.count()).select_from(users_table)


async def read(world: World) -> None:
    async with world.database.read() as tx:
        await tx.one(_count)
        await asyncio.sleep(0)
        await tx.one(_count)


async def write(world: World, user: User) -> None:
    async with world.database.write() as tx:
        await users.find(tx, user.id)
        await tx.run(update(users_table).values(name="Half"))
        await asyncio.sleep(0)
        await tx.run(update(users_table).values(name="Whole"))


@pytest.mark.parametrize("seed", range(3))
async def test_tasks_cancelled_at_any_moment_leave_no_transaction_behind(world: World, settings: Settings, seed: int) -> None:
    user = await world.user()
    chance = random.Random(seed)
    for _round in range(60):
        tasks = [asyncio.create_task(read(world)) for _ in range(3)]
        tasks += [asyncio.create_task(write(world, user)) for _ in range(2)]
        await asyncio.sleep(chance.random() * 0.003)
        for task in tasks:
            task.cancel()
            if chance.random() < 0.3:
                await asyncio.sleep(0)
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # So many at once that every connection is used, and none may still be within a transaction that only reads.
        await asyncio.gather(*(write(world, user) for _ in range(6)))

    assert (await world.find_user(user.id)).name == "Whole"
    if not settings.is_sqlite:
        idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
        # Its own transaction is active, not idle.
        assert await world.rows(text(idle)) == [(0,)]


async def test_what_is_to_be_done_after_a_commit_is_done_though_the_commit_is_cancelled(world: World) -> None:
    user, told = await world.user(), list[str]()

    async def rename(name: str) -> None:
        async with world.database.write() as tx:
            await tx.run(update(users_table).values(name=name))
            tx.after_commit(lambda: told.append(name))

    for number in range(60):
        task = asyncio.create_task(rename(str(number)))
        await asyncio.sleep(0.0002 * (number % 15))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        stored = (await world.find_user(user.id)).name
        assert stored != str(number) or told[-1] == stored


async def test_a_write_does_not_wait_for_the_threads_that_decode_bodies(world: World) -> None:
    user, may_end = await world.user(), threading.Event()
    # More than the event loop has threads.
    busy = [asyncio.create_task(asyncio.to_thread(may_end.wait, 30)) for _ in range(40)]
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(30):
            await write(world, user)
    finally:
        may_end.set()
        await asyncio.gather(*busy)
    assert (await world.find_user(user.id)).name == "Whole"


async def test_who_is_cancelled_again_and_again_waits_for_the_end_of_what_runs_in_a_thread() -> None:
    has_ended = threading.Event()

    def commit() -> None:
        time.sleep(0.05)
        has_ended.set()

    with ThreadPoolExecutor(1) as thread:
        task = asyncio.create_task(in_thread(commit, thread))
        for _ in range(3):
            await asyncio.sleep(0.005)
            task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task
        assert has_ended.is_set()


async def test_a_failure_in_a_thread_is_raised() -> None:
    with ThreadPoolExecutor(1) as thread, pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 / 0, thread)
