"""The collector groups the writes of concurrent requests into one transaction and answers each request after its commit.

There is no timer. While one group commits the next one gathers, so groups grow with the load, and a single request is
written at once. Items of different partitions are never in one group, and their groups are written at the same time.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

import structlog

from headway.errors import Overloaded, Unavailable
from headway.telemetry import CollectorMeters

Item = TypeVar("Item")
Result = TypeVar("Result")

log = structlog.get_logger(__name__)


class _Waiting(NamedTuple, Generic[Item, Result]):
    item: Item
    weight: int
    answer: "asyncio.Future[Result]"


class CollectorLimits(NamedTuple):
    """How much a collector holds, by weight: waiting, and in a group unless a single item is heavier."""

    capacity: int
    group_weight: int


class Collector(Generic[Item, Result]):
    """A bounded queue of items for each partition, each with one writer.

    `write` writes a group, all of it or nothing, and returns a result for each item in order. `weigh` returns the weight of
    an item, `partition_of` its partition. `is_in_transaction` tells whether the calling task is inside a write transaction of
    the database that `write` writes to.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        weigh: Callable[[Item], int],
        limits: CollectorLimits,
        *,
        is_in_transaction: Callable[[], bool],
        meters: CollectorMeters,
        partition_of: Callable[[Item], int] = lambda _item: 0,
    ) -> None:
        self._write = write
        self._weigh = weigh
        self._limits = limits
        self._is_in_transaction = is_in_transaction
        self._meters = meters
        self._partition_of = partition_of
        self._queues: dict[int, deque[_Waiting[Item, Result]]] = {}
        """What waits, by partition."""
        self._weight = 0
        self._writers: dict[int, asyncio.Task[None]] = {}
        self._is_closing = False

    async def submit(self, item: Item) -> Result:
        """Return the result of an item after the commit of its group.

        Raises Overloaded if the queue is full, Unavailable once it is closing, what `write` raised, and RuntimeError inside
        a write transaction: the group could wait for that transaction, which waits for the group.
        """
        self._require_room(self._weigh(item))
        return await self._take_in(item)

    async def submit_all(self, items: Sequence[Item]) -> list[Result]:
        """Return the results of items that come together, after the commit of the last group that has one of them.

        Raises as `submit`: Overloaded takes none of them. When another error is raised, the groups of some may be committed.
        """
        self._require_room(sum(self._weigh(item) for item in items))
        return await asyncio.gather(*(self._take_in(item) for item in items))

    def _require_room(self, weight: int) -> None:
        if self._is_in_transaction():
            raise RuntimeError("A task inside a write transaction cannot wait for the collector; write with `tx` instead.")
        if self._is_closing:
            raise Unavailable("The server is stopping.")
        if self._weight and self._weight + weight > self._limits.capacity:
            raise Overloaded("Too much is waiting to be written.", retry_after_seconds=1)

    def _take_in(self, item: Item) -> "asyncio.Future[Result]":
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        partition, weight = self._partition_of(item), self._weigh(item)
        self._queues.setdefault(partition, deque()).append(_Waiting(item, weight, answer))
        self._weight += weight
        if partition not in self._writers:
            self._writers[partition] = asyncio.create_task(self._write_all(partition), name="collector")
        return answer

    async def close(self) -> None:
        """Refuse new items and write those that wait."""
        self._is_closing = True
        while self._writers:
            await asyncio.wait(self._writers.values())

    async def _write_all(self, partition: int) -> None:
        """Write what waits in a partition, until nothing does."""
        queue, group = self._queues[partition], list[_Waiting[Item, Result]]()
        try:
            while queue:
                group = self._take(queue)
                if not group:
                    break
                self._meters.group_size.observe(len(group))
                await self._settle(group)
        finally:
            # However a writer ends, no request is left waiting, and the next item starts a new writer.
            del self._writers[partition], self._queues[partition]
            self._weight -= sum(waiting.weight for waiting in queue)
            unanswered = [waiting for waiting in (*group, *queue) if not waiting.answer.done()]
            if unanswered:
                self._fail(unanswered, Unavailable("The write was interrupted."))

    def _take(self, queue: deque[_Waiting[Item, Result]]) -> list[_Waiting[Item, Result]]:
        """Take the next group out of a queue, without the items that nobody waits for any more."""
        group: list[_Waiting[Item, Result]] = []
        weight = 0
        while queue and (not group or weight + queue[0].weight <= self._limits.group_weight):
            waiting = queue.popleft()
            self._weight -= waiting.weight
            if not waiting.answer.cancelled():
                group.append(waiting)
                weight += waiting.weight
        return group

    async def _settle(self, group: Sequence[_Waiting[Item, Result]]) -> None:
        """Write a group; if an item fails, halve the group until that item is alone."""
        started = time.perf_counter()
        try:
            results = await self._write([waiting.item for waiting in group])
            answers = list(zip(group, results, strict=True))
        except Unavailable as error:
            self._fail(group, error)
        except Exception as error:
            if len(group) == 1:
                self._fail(group, error)
                return
            log.exception("A group could not be written and is split.", reports=len(group))
            middle = len(group) // 2
            await self._settle(group[:middle])
            await self._settle(group[middle:])
        else:
            self._meters.write_seconds.observe(time.perf_counter() - started)
            for waiting, result in answers:
                if not waiting.answer.done():
                    waiting.answer.set_result(result)

    def sample(self) -> None:
        """Set the meters to the weight that waits and to the capacity."""
        self._meters.capacity.set(self._limits.capacity)
        self._meters.waiting.set(self._weight)

    @staticmethod
    def _fail(group: Iterable[_Waiting[Item, Result]], error: Exception) -> None:
        for waiting in group:
            if not waiting.answer.done():
                waiting.answer.set_exception(error)
