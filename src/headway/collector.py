"""The collector: everything that waits is written together, and then each request gets its answer.

There is no timer. While one group is being committed the next one gathers, so groups grow with the load, and a request that
finds nobody waiting is written at once. Where the database can take a second group meanwhile, it gets one as soon as that
is of a size worth a transaction: the server then prepares one group while the database works on the other.
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
"""So many items wait before a group of them is begun beside another: a transaction costs as much as several items."""


class _Waiting(NamedTuple, Generic[Item, Result]):
    item: Item
    weight: int
    answer: "asyncio.Future[Result]"


class Collector(Generic[Item, Result]):
    """A bounded queue of items with a few writers.

    `write` gets a group and gives a result for each item, in order; it must write all of the group or nothing. `weigh` says
    how much room an item takes; no more than `capacity` waits, and no group is heavier than `group_weight` unless a
    single item is. Up to `writers` groups are written at the same time.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        weigh: Callable[[Item], int],
        *,
        capacity: int,
        group_weight: int,
        writers: int,
        meters: CollectorMeters,
    ) -> None:
        self._write = write
        self._weigh = weigh
        self._capacity = capacity
        self._group_weight = group_weight
        self._meters = meters
        self._queue: deque[_Waiting[Item, Result]] = deque()
        self._weight = 0
        self._most_writers = writers
        self._writers: set[asyncio.Task[None]] = set()
        self._is_closing = False

    async def submit(self, item: Item) -> Result:
        """Wait for a place in a group and its commit. Raises Overloaded if there is no room, or what `write` raised."""
        if self._is_closing:
            raise Unavailable("The server is stopping.")
        weight = self._weigh(item)
        if self._queue and self._weight + weight > self._capacity:
            raise Overloaded("Too much is waiting to be written.", retry_after_seconds=1)
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(item, weight, answer))
        self._weight += weight
        if not self._writers or (len(self._writers) < self._most_writers and len(self._queue) >= _WORTH_ANOTHER_WRITER):
            self._writers.add(asyncio.create_task(self._write_all(), name="collector"))
        return await answer

    async def close(self) -> None:
        """Take nothing more and write what is waiting."""
        self._is_closing = True
        while self._writers:
            await asyncio.wait(self._writers)

    async def _write_all(self) -> None:
        group: list[_Waiting[Item, Result]] = []
        try:
            while self._queue:
                group = self._take()
                self._meters.group_size.observe(len(group))
                await self._settle(group)
        finally:
            # However a writer ends, nobody is left waiting, and the next item gets a new one.
            self._writers.discard(cast("asyncio.Task[None]", asyncio.current_task()))
            self._fail(group, Unavailable("The write was interrupted."))
            if not self._writers:
                self._fail(self._queue, Unavailable("The write was interrupted."))
                self._queue.clear()
                self._weight = 0

    def _take(self) -> list[_Waiting[Item, Result]]:
        group = [self._queue.popleft()]
        weight = group[0].weight
        while self._queue and weight + self._queue[0].weight <= self._group_weight:
            group.append(self._queue.popleft())
            weight += group[-1].weight
        self._weight -= weight
        return group

    async def _settle(self, group: Sequence[_Waiting[Item, Result]]) -> None:
        """Write a group; if something in it cannot be written, halve it until that item stands alone."""
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
        """Tell the meters how much is waiting, and how much may."""
        self._meters.capacity.set(self._capacity)
        self._meters.waiting.set(self._weight)

    @staticmethod
    def _fail(group: Iterable[_Waiting[Item, Result]], error: Exception) -> None:
        for waiting in group:
            if not waiting.answer.done():
                waiting.answer.set_exception(error)
