"""A tracker leaves the page alone when there is nothing to see, and does little when there is."""

import asyncio
import time

import pytest

from tests.browser.visit import Visit, assert_stored

QUIET_SECONDS = 1.6
"""Longer than any time of the trackers in these tests: beats, flushes, ticks."""


async def runs(visit: Visit) -> dict[str, int]:
    """Return how often the browser ran what the tracker asked it to, by kind."""
    found: dict[str, int] = await visit.page.evaluate("runs")
    return found


async def settle(visit: Visit) -> dict[str, int]:
    """Wait until nothing has run for a while, and return what ran until then."""
    give_up = time.monotonic() + 30
    before, now = {"nothing": 0}, await runs(visit)
    while before != now:
        assert time.monotonic() < give_up, f"it goes on: {now}"
        await asyncio.sleep(QUIET_SECONDS)
        before, now = now, await runs(visit)
    return now


async def test_a_page_that_nobody_uses_does_nothing(visit: Visit) -> None:
    await visit.open("quiet.html")
    await visit.read(0.5)
    await visit.flushed()

    settled = await settle(visit)
    await asyncio.sleep(QUIET_SECONDS)

    assert await runs(visit) == settled
    assert settled.keys() >= {"setInterval", "addEventListener", "fetch"}
    # It is not asleep for good.
    await visit.read(1)
    await assert_stored(visit, await visit.end())


@pytest.mark.usefixtures("tabs")
async def test_a_hidden_page_does_nothing(visit: Visit) -> None:
    await visit.open("quiet.html", idleSeconds=60)
    await visit.read(0.5)
    await visit.flushed()
    await visit.hide()

    settled = await settle(visit)
    await asyncio.sleep(QUIET_SECONDS)

    assert await runs(visit) == settled


async def test_a_page_that_is_read_does_something_once_a_second(visit: Visit) -> None:
    await visit.open("quiet.html")
    await visit.read(0.5)
    before, begin = await runs(visit), time.monotonic()

    for step in range(60):
        await visit.page.mouse.move(50 + step, 60)
        await visit.page.mouse.wheel(0, 10)
    await visit.read(1.5)

    after, seconds = await runs(visit), time.monotonic() - begin
    ran = {name: after[name] - before.get(name, 0) for name in after}
    assert ran["addEventListener"] >= 60
    assert "requestAnimationFrame" not in ran
    assert ran["setInterval"] <= seconds + 1
    # A flush every half second, with its time limit.
    assert ran.get("setTimeout", 0) + ran["fetch"] <= 6 * seconds + 6
    await assert_stored(visit, await visit.end())
