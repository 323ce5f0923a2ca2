"""A sender: delivers what waits in an outbox, as a task of each server process.

It claims what is due, sends it beside one another, and stores what became of it. A process that is killed leaves its claims,
which end by themselves: what it claimed is sent again, by any process.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import structlog

from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.errors import Unavailable
from headway.instants import SECOND, Clock, Instant

_POLL_SECONDS = 1.0
_MEASURED_EVERY = 10 * SECOND
CLAIM_MARGIN = 15 * SECOND
"""How long a claim outlasts the longest attempt: for storing what became of it, and for clocks that differ."""
Parcel = TypeVar("Parcel")

log = structlog.get_logger(__name__)


class Sender(ABC, Generic[Parcel]):
    """Sends until it is cancelled; then what is under way gets a moment to end. `name` says in the log what is sent."""

    name: str
    at_once: int
    """How much of one queue a process sends beside one another."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.finish_within_seconds = 2.0
        self._news = asyncio.Event()
        self._sending: dict[asyncio.Task[None], Parcel] = {}
        self._settled: list[Parcel] = []
        self._measured_at: Instant | None = None

    def wake(self) -> None:
        """Look for what is due at once."""
        self._news.set()

    async def run(self) -> None:
        """Send for ever. It looks for what is due when something was written or has ended, and once a second."""
        self._listen(self.wake)
        try:
            while True:
                self._news.clear()
                try:
                    await self.look()
                except Unavailable:
                    # What is not stored yet is kept; requests log the outage.
                    pass
                except Exception:
                    log.exception("An outbox cannot be sent now; it is tried again.", outbox=self.name)
                await self._wait()
        finally:
            await self._finish()

    async def look(self) -> None:
        """Store what has ended, claim what is due, and begin to send it. Raises Unavailable."""
        now = self._clock()
        async with self._database.read() as tx:
            waiting = await self._find_queues(tx, now)
            if self._measured_at is None or not 0 <= now - self._measured_at < _MEASURED_EVERY:
                self._measured_at = now
                await self._measure(tx, now)
        under_way = Counter(self._queue_of(each) for each in self._sending.values())
        with_room = {each: self.at_once - under_way[each] for each in waiting if under_way[each] < self.at_once}
        if not with_room and not self._settled:
            return
        settled = list(self._settled)
        begun = await self._store_and_claim(settled, with_room, now)
        del self._settled[: len(settled)]
        for parcel in begun:
            task = asyncio.create_task(self._send_and_settle(parcel))
            self._sending[task] = parcel
            task.add_done_callback(self._forget)
        if begun or settled:
            # There may be more of them.
            self.wake()

    async def drain(self) -> None:
        """Send all that is due, and store what became of it; for tests and commands."""
        while True:
            self._news.clear()
            await self.look()
            if self._sending:
                await asyncio.wait(self._sending)
            elif not self._news.is_set() and not self._settled:
                return

    @abstractmethod
    def _listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` after each commit that wrote to the outbox."""

    @abstractmethod
    def _queue_of(self, parcel: Parcel) -> int:
        """Return the queue of a parcel."""

    @abstractmethod
    async def _find_queues(self, tx: ReadTransaction, now: Instant) -> Sequence[int]:
        """Return the queues in which something is due."""

    @abstractmethod
    async def _measure(self, tx: ReadTransaction, now: Instant) -> None:
        """Set the metrics of what waits."""

    @abstractmethod
    async def _claim(self, tx: WriteTransaction, queue: int, room: int, now: Instant) -> Sequence[Parcel]:
        """Claim up to `room` parcels of a queue."""

    @abstractmethod
    async def _send(self, parcel: Parcel) -> None:
        """Make one attempt, and note in the parcel what came of it."""

    @abstractmethod
    async def _store(self, tx: WriteTransaction, settled: Sequence[Parcel], now: Instant) -> None:
        """Store what came of attempts."""

    @abstractmethod
    async def _release(self, tx: WriteTransaction, claimed: Sequence[Parcel], now: Instant) -> None:
        """End the claims of parcels of which no attempt has ended."""

    @abstractmethod
    async def _close(self) -> None:
        """Close connections."""

    async def _store_and_claim(self, settled: Sequence[Parcel], with_room: Mapping[int, int], now: Instant) -> list[Parcel]:
        begun: list[Parcel] = []
        async with self._database.write() as tx:
            await self._store(tx, settled, now)
            for queue, room in with_room.items():
                begun += await self._claim(tx, queue, room, now)
        return begun

    async def _send_and_settle(self, parcel: Parcel) -> None:
        await self._send(parcel)
        self._settled.append(parcel)

    def _forget(self, task: asyncio.Task[None]) -> None:
        del self._sending[task]
        if not task.cancelled() and task.exception() is not None:
            # The claim ends by itself.
            log.error("Something of an outbox could not be sent.", outbox=self.name, exc_info=task.exception())
        self.wake()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_POLL_SECONDS):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _finish(self) -> None:
        """Wait for what is under way, store what became of it, and end the claims of the rest."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=self.finish_within_seconds)
        rest = dict(self._sending)
        for task in rest:
            task.cancel()
        now = self._clock()
        try:
            if self._settled or rest:
                async with self._database.write() as tx:
                    await self._store(tx, self._settled, now)
                    await self._release(tx, list(rest.values()), now)
        except Unavailable:
            pass
        await self._close()
