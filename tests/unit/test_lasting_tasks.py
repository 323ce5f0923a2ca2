"""What the server does again and again goes on whatever happens, and ends with the server."""

import asyncio
from collections.abc import Iterator

from structlog.testing import capture_logs

from headway.app import repeat, run_beside
from headway.errors import Unavailable


class Pauses:
    """Pauses that last no time, counted; after some of them no more is done."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.count = 0
        self.have_ended = asyncio.Event()

    async def __call__(self) -> None:
        self.count += 1
        if self.count == self._most:
            self.have_ended.set()
            await asyncio.Event().wait()


async def test_a_failure_is_logged_and_what_failed_is_done_again_after_a_pause() -> None:
    failures: Iterator[Exception] = iter([LookupError("lost"), Unavailable("The database does not answer.")])
    done: list[int] = []
    pauses = Pauses(3)

    async def act() -> None:
        if (failure := next(failures, None)) is not None:
            raise failure
        done.append(pauses.count)

    with capture_logs() as logged:
        async with run_beside([repeat("count", act, pauses)]), asyncio.timeout(30):
            await pauses.have_ended.wait()

    assert done == [2]
    assert [each["task"] for each in logged if each["log_level"] == "error"] == ["count"]


async def test_what_does_not_wait_is_repeated_too() -> None:
    done: list[int] = []
    pauses = Pauses(3)
    async with run_beside([repeat("count", lambda: done.append(pauses.count), pauses)]), asyncio.timeout(30):
        await pauses.have_ended.wait()
    assert done == [0, 1, 2]


async def test_tasks_have_ended_when_what_they_use_is_closed() -> None:
    has_begun, is_closed, seen = asyncio.Event(), asyncio.Event(), list[bool]()

    async def act() -> None:
        has_begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            # As a transaction that is rolled back.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            seen.append(is_closed.is_set())

    async with run_beside([repeat("use", act, Pauses(1))]), asyncio.timeout(30):
        await has_begun.wait()
    is_closed.set()
    await asyncio.sleep(0)

    assert seen == [False]
