"""The longest stall of the event loop: of the last minute, and measured where nothing else is served."""

import asyncio
import re
import time

from headway.telemetry import LoopStalls, Metrics


def test_the_longest_stall_of_the_last_minute_is_told() -> None:
    stalls = LoopStalls()

    stalls.note(100.2, 0.3)
    stalls.note(100.4, 0.1)
    stalls.note(130.0, 0.2)

    assert stalls.longest(130.0) == 0.3
    assert stalls.longest(160.9) == 0.2
    assert stalls.longest(191.0) == 0.0


async def test_a_handler_that_holds_the_loop_is_seen_and_one_that_waits_is_not() -> None:
    metrics = Metrics()
    watch = asyncio.create_task(metrics.stalls.watch())
    try:
        await asyncio.sleep(0)
        held = time.monotonic()
        time.sleep(0.4)
        await asyncio.sleep(0.06)
        seen = metrics.stalls.longest(time.monotonic())

        assert 0.3 <= seen <= time.monotonic() - held
        metrics.sample()
        told = re.search(rb"^headway_loop_stall_seconds (\S+)$", metrics.page(), re.MULTILINE)
        assert told is not None
        assert float(told[1]) == seen
    finally:
        watch.cancel()
