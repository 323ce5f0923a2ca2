"""The collector: what waits is written together, each item gets its own answer, and nobody waits for ever."""

import asyncio
from collections.abc import Sequence

import pytest

from headway.collector import Collector, CollectorLimits
from headway.errors import Overloaded, Unavailable
from headway.telemetry import Metrics

Number = Collector[int, str]


class Storage:
    """Stands for what groups are written to: holds a write until it is let go, and fails as it is told."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.stored: list[int] = []
        self.bad: set[int] = set()
        self.is_in_transaction = False
        self.fault: BaseException | None = None
        self.begun = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def write(self, items: Sequence[int]) -> list[str]:
        self.groups.append(list(items))
        self.begun.set()
        await self.open.wait()
        if self.fault is not None:
            raise self.fault
        if self.bad.intersection(items):
            raise ValueError(f"cannot write {sorted(self.bad.intersection(items))}")
        self.stored += items
        return [f"wrote {item}" for item in items]


def collector(
    storage: Storage, *, capacity: int = 1000, group_weight: int = 100, weight: int = 1, partitions: int = 1
) -> Number:
    return Collector(
        storage.write,
        lambda _item: weight,
        CollectorLimits(capacity, group_weight),
        is_in_transaction=lambda: storage.is_in_transaction,
        meters=Metrics().ingest,
        partition_of=lambda item: item % partitions,
    )


async def submit_behind_one(made: Number, storage: Storage, items: Sequence[int]) -> list[asyncio.Task[str]]:
    """Have item 0 written, and the others come while that is under way."""
    storage.open.clear()
    storage.begun.clear()
    first = asyncio.create_task(made.submit(0))
    await storage.begun.wait()
    tasks = [first, *(asyncio.create_task(made.submit(item)) for item in items)]
    await asyncio.sleep(0)
    return tasks


async def outcomes(tasks: Sequence[asyncio.Task[str]]) -> list[str | BaseException]:
    async with asyncio.timeout(60):
        return await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_task_inside_a_write_transaction_is_refused_at_once() -> None:
    storage = Storage()
    storage.is_in_transaction = True

    with pytest.raises(RuntimeError, match="inside a write transaction"):
        await collector(storage).submit(7)
    assert storage.groups == []


async def test_an_item_that_finds_nobody_waiting_is_written_at_once() -> None:
    storage = Storage()

    assert await collector(storage).submit(7) == "wrote 7"
    assert storage.groups == [[7]]


async def test_what_comes_while_a_group_is_written_makes_up_the_next_group() -> None:
    storage = Storage()
    made = collector(storage)
    tasks = await submit_behind_one(made, storage, [1, 2, 3])

    storage.open.set()

    assert await outcomes(tasks) == ["wrote 0", "wrote 1", "wrote 2", "wrote 3"]
    assert storage.groups == [[0], [1, 2, 3]]


async def test_nobody_is_answered_before_its_group_is_written() -> None:
    storage = Storage()
    tasks = await submit_behind_one(collector(storage), storage, [1])

    assert not any(task.done() for task in tasks)
    storage.open.set()
    await outcomes(tasks)


async def test_a_group_is_no_heavier_than_it_may_be() -> None:
    storage = Storage()
    tasks = await submit_behind_one(collector(storage, group_weight=6, weight=3), storage, [1, 2, 3, 4, 5])

    storage.open.set()
    await outcomes(tasks)

    assert storage.groups == [[0], [1, 2], [3, 4], [5]]


async def test_partitions_are_written_at_the_same_time_and_never_in_one_group() -> None:
    storage = Storage()
    made = collector(storage, partitions=2)
    tasks = await submit_behind_one(made, storage, range(1, 8))
    await asyncio.sleep(0)
    assert storage.groups == [[0], [1, 3, 5, 7]], "each partition has a group under way"

    storage.open.set()

    assert await outcomes(tasks) == [f"wrote {i}" for i in range(8)]
    assert storage.groups == [[0], [1, 3, 5, 7], [2, 4, 6]]


async def test_a_partition_whose_writer_fails_does_not_fail_another() -> None:
    storage = Storage()
    storage.bad = {2}
    tasks = await submit_behind_one(collector(storage, partitions=2), storage, [1, 2, 3])

    storage.open.set()
    results = await outcomes(tasks)

    assert [isinstance(result, ValueError) for result in results] == [False, False, True, False]


async def test_the_capacity_is_that_of_all_partitions() -> None:
    storage = Storage()
    made = collector(storage, capacity=2, partitions=3)
    tasks = await submit_behind_one(made, storage, [3, 6])

    with pytest.raises(Overloaded):
        await made.submit(1)
    storage.open.set()

    assert await outcomes(tasks) == ["wrote 0", "wrote 3", "wrote 6"]
    assert await made.submit(1) == "wrote 1"


async def test_closing_waits_for_all_writers() -> None:
    storage = Storage()
    made = collector(storage, partitions=2)
    tasks = await submit_behind_one(made, storage, range(1, 40))
    closing = asyncio.create_task(made.close())
    await asyncio.sleep(0)
    assert not closing.done()

    storage.open.set()
    await closing

    assert sorted(storage.stored) == list(range(40))
    assert len(await outcomes(tasks)) == 40


async def test_an_item_heavier_than_a_group_is_written_by_itself() -> None:
    storage = Storage()
    tasks = await submit_behind_one(collector(storage, group_weight=2, weight=3), storage, [1, 2])

    storage.open.set()

    assert await outcomes(tasks) == ["wrote 0", "wrote 1", "wrote 2"]
    assert storage.groups == [[0], [1], [2]]


async def test_an_item_beyond_the_capacity_is_refused_and_never_written() -> None:
    storage = Storage()
    made = collector(storage, capacity=6, weight=3)
    tasks = await submit_behind_one(made, storage, [1, 2])

    with pytest.raises(Overloaded) as raised:
        await made.submit(3)
    storage.open.set()

    assert raised.value.retry_after_seconds > 0
    assert await outcomes(tasks) == ["wrote 0", "wrote 1", "wrote 2"]
    assert storage.stored == [0, 1, 2]


async def test_an_item_larger_than_the_capacity_is_taken_where_nothing_waits() -> None:
    storage = Storage()

    assert await collector(storage, capacity=2, weight=3).submit(7) == "wrote 7"


async def test_there_is_room_again_once_what_waited_is_written() -> None:
    storage = Storage()
    made = collector(storage, capacity=1)
    for _round in range(3):
        tasks = await submit_behind_one(made, storage, [1])
        with pytest.raises(Overloaded):
            await made.submit(2)
        storage.open.set()

        assert await outcomes(tasks) == ["wrote 0", "wrote 1"]


@pytest.mark.parametrize("bad", [{1}, {4}, {8}, {2, 3}, {1, 8}, {1, 2, 3, 4, 5, 6, 7, 8}])
async def test_in_a_group_that_fails_only_the_bad_items_fail(bad: set[int]) -> None:
    storage = Storage()
    storage.bad = bad
    tasks = await submit_behind_one(collector(storage), storage, range(1, 9))

    storage.open.set()
    results = await outcomes(tasks)

    assert {item for item, result in enumerate(results) if isinstance(result, ValueError)} == bad
    assert [result for result in results if isinstance(result, str)] == [f"wrote {n}" for n in range(9) if n not in bad]
    assert sorted(storage.stored) == [n for n in range(9) if n not in bad]


async def test_a_group_with_a_bad_item_is_halved_and_not_written_one_by_one() -> None:
    storage = Storage()
    storage.bad = {1}
    tasks = await submit_behind_one(collector(storage), storage, range(1, 9))

    storage.open.set()
    await outcomes(tasks)

    assert storage.groups[1:] == [[1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4], [1, 2], [1], [2], [3, 4], [5, 6, 7, 8]]


async def test_in_an_outage_all_of_a_group_fail_at_once_and_it_is_not_split() -> None:
    storage = Storage()
    tasks = await submit_behind_one(collector(storage), storage, [1, 2, 3])

    storage.fault = Unavailable("The database does not answer.")
    storage.open.set()
    results = await outcomes(tasks)

    assert [type(result) for result in results] == [Unavailable] * 4
    assert storage.groups == [[0], [1, 2, 3]]


async def test_after_an_outage_it_writes_again() -> None:
    storage = Storage()
    made = collector(storage)
    storage.fault = Unavailable("The database does not answer.")
    with pytest.raises(Unavailable):
        await made.submit(1)

    storage.fault = None

    assert await made.submit(2) == "wrote 2"


async def test_what_nobody_waits_for_any_more_is_not_written() -> None:
    storage = Storage()
    made = collector(storage, capacity=10)
    first, *later = await submit_behind_one(made, storage, [1, 2, 3])
    later[1].cancel()
    await asyncio.sleep(0)
    storage.open.set()

    assert [await first, await later[0], await later[2]] == ["wrote 0", "wrote 1", "wrote 3"]
    assert storage.stored == [0, 1, 3]
    later = [asyncio.create_task(made.submit(item)) for item in range(4, 14)]
    assert len(await asyncio.gather(*later)) == 10
