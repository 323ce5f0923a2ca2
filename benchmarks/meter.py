"""CPU time and memory of a process and all its descendants."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import psutil

MEMORY_SAMPLE_SECONDS = 0.1
QUIET_SHARE = 0.02
QUIET_CHECK_SECONDS = 0.5
QUIET_LIMIT_SECONDS = 60.0


class ProcessTree:
    """A process with its descendants."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)

    def processes(self) -> list[psutil.Process]:
        return [self._root, *self._root.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """Return user and system time since the root started, including ended descendants.

        The time of a child is added to its parent when the parent waits for it, so no time is lost when a database
        connection closes. If a child starts or ends during the reading, the reading is repeated.
        """
        while True:
            processes = self.processes()
            with contextlib.suppress(psutil.NoSuchProcess):
                seconds = sum(sum(process.cpu_times()[:4]) for process in processes)
                if self.processes() == processes:
                    return seconds

    def wait_until_quiet(self) -> None:
        """Wait until the processes use almost no CPU, for a minute at most."""
        give_up_at = time.monotonic() + QUIET_LIMIT_SECONDS
        while time.monotonic() < give_up_at:
            before = self.cpu_seconds()
            time.sleep(QUIET_CHECK_SECONDS)
            if self.cpu_seconds() - before <= QUIET_SHARE * QUIET_CHECK_SECONDS:
                return


@dataclass(slots=True)
class PeakMemory:
    bytes: int = 0


@contextlib.asynccontextmanager
async def watch_memory(tree: ProcessTree) -> AsyncIterator[PeakMemory]:
    """Sample the resident memory of the current processes ten times a second, and yield the largest sum."""
    peak = PeakMemory()
    processes = tree.processes()

    def sample() -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            peak.bytes = max(peak.bytes, sum(process.memory_info().rss for process in processes))

    async def watch() -> None:
        while True:
            sample()
            await asyncio.sleep(MEMORY_SAMPLE_SECONDS)

    watching = asyncio.create_task(watch())
    try:
        yield peak
        sample()
    finally:
        watching.cancel()
