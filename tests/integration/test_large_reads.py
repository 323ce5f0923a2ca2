"""Large reads: they run in a thread with snapshots of their own, take turns, and leave nothing open when they are cancelled."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator

import msgspec
import pytest
from sqlalchemy import text

from headway import schema
from headway.db.database import ReadTransaction
from headway.db.large_reads import LargeReads
from headway.settings import Settings
from tests.app_server import open_server
from tests.world import FakeClock, World


@pytest.fixture
async def large_reads(settings: Settings) -> AsyncIterator[LargeReads]:
    opened = LargeReads(schema.database(settings, for_large_reads=True))
    await opened.open()
    yield opened
    await opened.close()


_user_ids = text("SELECT id FROM users ORDER BY id")


async def test_a_large_read_sees_one_snapshot_from_another_thread(world: World, large_reads: LargeReads) -> None:
    first = await world.user()
    has_read, may_go_on = threading.Event(), threading.Event()

    async def read(tx: ReadTransaction) -> tuple[str, list[int], list[int]]:
        before = [row[0] for row in await tx.all(_user_ids)]
        has_read.set()
        may_go_on.wait(timeout=10)
        return threading.current_thread().name, before, [row[0] for row in await tx.all(_user_ids)]

    reading = asyncio.create_task(large_reads.run(read))
    await asyncio.to_thread(has_read.wait, 10)
    # The loop of the server goes on while the thread is busy.
    second = await world.user()
    may_go_on.set()

    assert await reading == ("large-reads", [first.id], [first.id])
    assert [row[0] for row in await large_reads.run(lambda tx: tx.all(_user_ids))] == [first.id, second.id]


async def test_who_reads_much_does_not_keep_others_from_reading(settings: Settings, large_reads: LargeReads) -> None:
    async def read_long(tx: ReadTransaction) -> None:
        await tx.all(_user_ids)
        await asyncio.sleep(60)

    reading = [asyncio.create_task(large_reads.run(read_long, "staff")) for _ in range(settings.large_reads + 2)]
    async with asyncio.timeout(30):
        assert await large_reads.run(lambda tx: tx.all(_user_ids), "learner") == []

    for task in reading:
        task.cancel()
    await asyncio.gather(*reading, return_exceptions=True)


async def test_an_error_of_a_large_read_is_the_callers(large_reads: LargeReads) -> None:
    async def read(_tx: ReadTransaction) -> None:
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        await large_reads.run(read)


async def test_cancelled_large_reads_leave_no_snapshot_open(world: World, settings: Settings, large_reads: LargeReads) -> None:
    for _ in range(5):
        begun = threading.Event()

        async def read(tx: ReadTransaction, begun: threading.Event = begun) -> None:
            await tx.all(_user_ids)
            begun.set()
            await asyncio.sleep(60)

        # More than there are connections: some wait for their turn when they are cancelled.
        tasks = [asyncio.create_task(large_reads.run(read)) for _ in range(settings.large_reads + 2)]
        await asyncio.to_thread(begun.wait, 10)
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in ended)

    # All connections are free again, and none keeps an old snapshot.
    made = await world.user()
    for found in await asyncio.gather(*(large_reads.run(lambda tx: tx.all(_user_ids)) for _ in range(4))):
        assert [row[0] for row in found] == [made.id]
    if not settings.is_sqlite:
        idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
        assert await world.rows(text(idle)) == [(0,)]


async def test_a_response_that_becomes_too_large_is_refused_with_the_field_to_make_smaller(
    settings: Settings, clock: FakeClock
) -> None:
    small = msgspec.structs.replace(settings, max_response_bytes=2_000)
    async with open_server(small, clock) as (client, world):
        course = await world.course()
        learners = [await world.learner(course) for _ in range(8)]
        headers = world.bearer(await world.find_user(course.owner_id))
        path = f"/user-progress/course/{course.id}/all"

        too_many = await client.get(path, headers=headers)
        few = await client.get(f"{path}?limit=2", headers=headers)
        ids = [each.id for each in learners]
        some = await client.post("/user-progress/bulk", headers=headers, json={"courseId": course.id, "userIds": ids})

    assert (too_many.status_code, few.status_code, some.status_code) == (400, 200, 400)
    assert "limit requests a response of more than 2000 bytes" in too_many.json()["message"]
    assert "userIds requests a response of more than 2000 bytes" in some.json()["message"]
    assert len(few.json()["results"]) == 2


async def test_a_long_transaction_lets_others_run_between_its_statements(world: World) -> None:
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with world.database.write() as tx:
        other = asyncio.create_task(take_turns())
        for _ in range(5):
            time.sleep(0.02)
            await tx.all(_user_ids)
    other.cancel()

    assert turns >= 5
