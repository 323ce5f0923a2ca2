"""The collector groups the writes of concurrent requests into one transaction and answers each request after its commit.

There is no timer. While one group commits the next one gathers, so groups grow with the load, and a single request is
written at once. A database that gains from a second writer gets a second group as soon as that is worth a transaction: the
server prepares one group while the database works on the other.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar, cast

import structlog

from headway.errors import Overloaded, Unavailable
from headway.telemetry import CollectorMeters

Item = TypeVar("Item")
Result = TypeVar("Result")

log = structlog.get_logger(__name__)

_WORTH_ANOTHER_WRITER = 16
"""A second writer starts only when this many items wait: a transaction costs as much as several items."""


class _Waiting(NamedTuple, Generic[Item, Result]):
    item: Item
    weight: int
    answer: "asyncio.Future[Result]"


class CollectorLimits(NamedTuple):
    """How much a collector holds, by weight: waiting, and in a group unless a single item is heavier; how many groups it
    writes at the same time.
    """

    capacity: int
    group_weight: int
    writers: int = 1


class Collector(Generic[Item, Result]):
    """A bounded queue of items with a few writers.

    `write` writes a group, all of it or nothing, and returns a result for each item in order. `weigh` returns the weight of
    an item. `is_in_transaction` tells whether the calling task is inside a write transaction of the database that `write`
    writes to.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        weigh: Callable[[Item], int],
        limits: CollectorLimits,
        *,
        is_in_transaction: Callable[[], bool],
        meters: CollectorMeters,
    ) -> None:
        self._write = write
        self._weigh = weigh
        self._limits = limits
        self._is_in_transaction = is_in_transaction
        self._meters = meters
        self._queue: deque[_Waiting[Item, Result]] = deque()
        self._weight = 0
        self._writers: set[asyncio.Task[None]] = set()
        self._is_closing = False

    async def submit(self, item: Item) -> Result:
        """Return the result of an item after the commit of its group.

        Raises Overloaded if the queue is full, Unavailable once it is closing, what `write` raised, and RuntimeError inside
        a write transaction: the group could wait for that transaction, which waits for the group.
        """
        if self._is_in_transaction():
            raise RuntimeError("A task inside a write transaction cannot wait for the collector; write with `tx` instead.")
        if self._is_closing:
            raise Unavailable("The server is stopping.")
        weight = self._weigh(item)
        if self._queue and self._weight + weight > self._limits.capacity:
            raise Overloaded("Too much is waiting to be written.", retry_after_seconds=1)
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(item, weight, answer))
        self._weight += weight
        if not self._writers or (len(self._writers) < self._limits.writers and len(self._queue) >= _WORTH_ANOTHER_WRITER):
            self._writers.add(asyncio.create_task(self._write_all(), name="collector"))
        return await answer

    async def close(self) -> None:
        """Refuse new items and write those that wait."""
        self._is_closing = True
        while self._writers:
            await asyncio.wait(self._writers)

    async def _write_all(self) -> None:
        group: list[_Waiting[Item, Result]] = []
        try:
            while self._queue:
                group = self._take()
                if not group:
                    break
                self._meters.group_size.observe(len(group))
                await self._settle(group)
        finally:
            # However a writer ends, no request is left waiting, and the next item starts a new writer.
            self._writers.discard(cast("asyncio.Task[None]", asyncio.current_task()))
            unanswered = [waiting for waiting in group if not waiting.answer.done()]
            if not self._writers:
                unanswered += self._queue
                self._queue.clear()
                self._weight = 0
            if unanswered:
                self._fail(unanswered, Unavailable("The write was interrupted."))

    def _take(self) -> list[_Waiting[Item, Result]]:
        """Take the next group out of the queue, without the items that nobody waits for any more."""
        group: list[_Waiting[Item, Result]] = []
        weight = 0
        while self._queue and (not group or weight + self._queue[0].weight <= self._limits.group_weight):
            waiting = self._queue.popleft()
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
