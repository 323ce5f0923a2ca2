"""Large reads: what grows with data is read and rendered on an event loop of its own, in a thread.

The thread has its own connections. Python switches between threads every half millisecond, so a read that takes a second of
processor time delays the requests on the server's loop by a few milliseconds. One thread serves all: more would take turns
with the server's loop more often than it runs.
"""

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from headway.db.database import Database, ReadTransaction

Result = TypeVar("Result")

_SWITCH_SECONDS = 0.0005
"""How long the server's loop waits for the thread to let it run, some ten times in a request: a tenth of Python's default."""


class LargeReads:
    """Runs reads in the thread, as many at once as its database has connections, but one for each caller.

    So whoever reads long lists again and again delays nobody's short ones.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.known_keys = database.known_keys
        self._turns = WeakValueDictionary[Hashable, asyncio.Lock]()
        self.on_disclosed = database.on_disclosed
        """Stores what a read shows to whom, on the caller's loop, before its result is returned."""
        self.running = 0
        """How many reads run now; those that wait for their turn are not among them."""

    async def open(self) -> None:
        """Start the thread and connect. Raises Unavailable if the database cannot be reached."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="large-reads", daemon=True)
        self._thread.start()
        await self._call(self._database.open())

    async def run(self, read: Callable[[ReadTransaction], Awaitable[Result]], caller: Hashable = None) -> Result:
        """Return the result of `read` in a snapshot, after the earlier reads of the same caller, if one is given.

        A cancelled caller cancels the read at its next `await`.

        `read` must not touch what belongs to the caller's event loop. Raises Unavailable while the database cannot be reached.
        """
        result, disclosed = await self._call(self._read(read, caller))
        if disclosed:
            await self.on_disclosed(disclosed)
        return result

    async def close(self) -> None:
        """Cancel what is being read, disconnect and end the thread."""
        await self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)
        self._loop.close()

    async def _read(
        self, read: Callable[[ReadTransaction], Awaitable[Result]], caller: Hashable
    ) -> tuple[Result, Sequence[Any]]:
        # Only the thread's loop runs this. A lock is forgotten with the last read that holds or awaits it.
        turn = asyncio.Lock() if caller is None else self._turns.setdefault(caller, asyncio.Lock())
        async with turn, self._database.read() as tx:
            self.running += 1
            try:
                return await read(tx), tx.disclosed
            finally:
                self.running -= 1

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._database.close()

    async def _call(self, work: Coroutine[Any, Any, Result]) -> Result:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))
