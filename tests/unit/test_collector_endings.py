"""How the collector ends: it drains, outlives waiters who go away, and a writer that dies leaves nobody hanging."""

import asyncio
from collections.abc import Sequence

import pytest

from headway.collector import Collector, CollectorLimits
from headway.errors import Unavailable
from headway.telemetry import Metrics
from tests.unit.test_collector import Storage, collector, outcomes, submit_behind_one


def writer_task() -> asyncio.Task[None]:
    (found,) = [task for task in asyncio.all_tasks() if task.get_name() == "collector"]
    return found


async def test_closing_writes_what_is_waiting() -> None:
    storage = Storage()
    made = collector(storage)
    tasks = await submit_behind_one(made, storage, [1, 2])

    closing = asyncio.create_task(made.close())
    await asyncio.sleep(0)
    storage.open.set()
    async with asyncio.timeout(30):
        await closing

    assert storage.stored == [0, 1, 2]
    assert await outcomes(tasks) == ["wrote 0", "wrote 1", "wrote 2"]


async def test_closing_waits_for_the_write_that_is_under_way() -> None:
    storage = Storage()
    made = collector(storage)
    await submit_behind_one(made, storage, [])

    closing = asyncio.create_task(made.close())
    done, _ = await asyncio.wait([closing], timeout=0.01)

    assert not done
    storage.open.set()
    await closing


async def test_nothing_is_taken_once_it_is_closing() -> None:
    storage = Storage()
    made = collector(storage)
    await made.close()

    with pytest.raises(Unavailable, match="stopping"):
        await made.submit(1)
    assert storage.groups == []


async def test_a_waiter_who_gives_up_costs_the_others_nothing() -> None:
    storage = Storage()
    made = collector(storage)
    tasks = await submit_behind_one(made, storage, [1, 2, 3])

    tasks[2].cancel()
    await asyncio.sleep(0)
    storage.open.set()
    results = await outcomes(tasks)

    assert isinstance(results[2], asyncio.CancelledError)
    assert [results[0], results[1], results[3]] == ["wrote 0", "wrote 1", "wrote 3"]


@pytest.mark.parametrize("fault", [Unavailable("down"), ValueError("bad")], ids=repr)
async def test_a_waiter_who_gives_up_while_its_group_fails_costs_the_others_nothing(fault: Exception) -> None:
    storage = Storage()
    made = collector(storage)
    tasks = await submit_behind_one(made, storage, [1, 2])

    tasks[0].cancel()
    await asyncio.sleep(0)
    storage.fault = fault
    storage.open.set()

    assert [type(result) for result in (await outcomes(tasks))[1:]] == [type(fault)] * 2
    storage.fault = None
    assert await made.submit(4) == "wrote 4"


async def test_a_waiter_who_gives_up_while_being_written_does_not_stop_the_write() -> None:
    storage = Storage()
    made = collector(storage)
    tasks = await submit_behind_one(made, storage, [1])

    tasks[0].cancel()
    await asyncio.sleep(0)
    storage.open.set()
    await outcomes(tasks)

    assert storage.stored == [0, 1]


async def test_a_writer_that_is_cancelled_leaves_nobody_hanging() -> None:
    storage = Storage()
    tasks = await submit_behind_one(collector(storage), storage, [1, 2])

    writer_task().cancel()

    assert [type(result) for result in await outcomes(tasks)] == [Unavailable] * 3


async def test_a_writer_that_was_cancelled_is_replaced() -> None:
    storage = Storage()
    made = collector(storage)
    tasks = await submit_behind_one(made, storage, [1])
    writer_task().cancel()
    await outcomes(tasks)

    storage.open.set()
    async with asyncio.timeout(30):
        assert await made.submit(2) == "wrote 2"


async def test_a_writer_that_gives_too_few_results_leaves_nobody_hanging() -> None:
    async def write(items: Sequence[int]) -> list[str]:
        return [f"wrote {item}" for item in items[:-1]]

    made: Collector[int, str] = Collector(
        write, lambda _item: 1, CollectorLimits(10, 10), is_in_transaction=lambda: False, meters=Metrics().ingest
    )
    tasks = [asyncio.create_task(made.submit(item)) for item in range(3)]

    assert all(isinstance(result, Exception) for result in await outcomes(tasks))
