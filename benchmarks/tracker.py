"""Measures what the browser tracker costs a page in a real Chromium: its share of the processor's time, and its longest task.

Each scene is played on a page without the tracker and on the same page with it, in turn, so that what Chromium itself does with
a pointer or a video can be told apart. The tracker's own time is the CPU time of calls of functions in its files, by the trace.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from playwright.async_api import Page, async_playwright

from headway import schema
from headway.settings import Settings
from measure import open_workspace, report_progress
from report import TARGET_HEADINGS, Target, add_options, describe_run, format_table, format_target, publish

# The server, the pages and the browser are those of the tests.
sys.path.append(str(Path(__file__).parent.parent))
from tests.browser.chromium import AUTOPLAY, find_chromium, start_chromium
from tests.browser.gate import Gate
from tests.browser.school import School, open_school
from tests.databases import SECRET_KEY

REST_SECONDS = 7
"""Longer than the tracker waits to send what the start of a page gave."""
CATEGORIES = ["devtools.timeline", "v8.execute"]
HEADINGS = ("scene", "page without, % CPU", "page with, % CPU", "tracker's own, % CPU", "its longest task, ms")


class Cost(NamedTuple):
    """Shares are in percent of one processor, over the time of the scene."""

    page_percent: float
    tracker_percent: float
    longest_task_ms: float


async def be_away(_page: Page, seconds: float) -> None:
    await asyncio.sleep(seconds)


async def read(page: Page, seconds: float) -> None:
    """Move the pointer and scroll, ten times a second, as a restless reader does."""
    end = time.monotonic() + seconds
    step = 0
    while time.monotonic() < end:
        step += 1
        await page.mouse.move(50 + step % 50, 60 + step % 20)
        if step % 5 == 0:
            await page.mouse.wheel(0, 40 if step % 200 < 100 else -40)
        await asyncio.sleep(0.1)


async def watch(page: Page, seconds: float) -> None:
    await page.evaluate("document.querySelector('video').play()")
    await asyncio.sleep(seconds)
    await page.evaluate("document.querySelector('video').pause()")


SCENES: dict[str, tuple[Callable[[Page, float], Awaitable[None]], dict[str, Any]]] = {
    "idle": (be_away, {"idleSeconds": 0.1}),
    "reading without a move": (be_away, {}),
    "reading": (read, {}),
    "a video plays": (watch, {}),
}
TARGETS = {"idle": Target(at_most=0.2), "reading without a move": Target(at_most=1), "reading": Target(at_most=1)}
LONGEST_TASK = Target(at_most=5)


async def measure(page: Page, scene: Callable[[Page, float], Awaitable[None]], seconds: float) -> Cost:
    """Play a scene on a page that is open."""
    assert page.context.browser is not None
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable")
    await page.context.browser.start_tracing(page=page, categories=CATEGORIES)
    before, begin = await task_seconds(session), time.monotonic()
    await scene(page, seconds)
    busy, elapsed = await task_seconds(session) - before, time.monotonic() - begin
    trace = json.loads(await page.context.browser.stop_tracing())
    calls = [event["tdur"] / 1000 for event in trace["traceEvents"] if is_of_tracker(event)]
    return Cost(100 * busy / elapsed, sum(calls) / 10 / elapsed, max(calls, default=0.0))


async def task_seconds(session: Any) -> float:
    metrics = (await session.send("Performance.getMetrics"))["metrics"]
    return float(next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration"))


def is_of_tracker(event: dict[str, Any]) -> bool:
    """Return whether an event of a trace is a call of a function in the tracker's files."""
    data = event.get("args", {}).get("data", {})
    return event["name"] in {"FunctionCall", "EvaluateScript"} and "tdur" in event and "/sdk/" in data.get("url", "")


async def play(page: Page, school: School, gate: Gate, scene: str, seconds: float, page_name: str) -> Cost:
    """Open a page for a new learner, let it come to rest, and play a scene."""
    act, options = SCENES[scene]
    token = school.token(await school.learner())
    given = {"endpoint": gate.endpoint, "token": token, "course": school.course.id, "unit": school.unit_ids[4], **options}
    await page.goto(gate.page(page_name, **given))
    await page.bring_to_front()
    await asyncio.sleep(REST_SECONDS)
    return await measure(page, act, seconds)


async def play_all(rounds: int, seconds: float, folder: Path) -> tuple[str, dict[str, list[tuple[Cost, Cost]]]]:
    """Return the browser's version, and the costs of each scene and round, without and with the tracker."""
    settings = Settings(database_url=f"sqlite:///{folder}/headway.db", secret_key=SECRET_KEY)
    await schema.migrate(settings)
    costs: dict[str, list[tuple[Cost, Cost]]] = {scene: [] for scene in SCENES}
    async with (
        async_playwright() as playwright,
        open_school(settings.database_url, folder) as school,
        start_chromium(playwright, find_chromium(), AUTOPLAY) as browser,
    ):
        gate = Gate(school.server.url)
        await gate.start()
        page = await browser.contexts[0].new_page()
        for number in range(rounds):
            for scene, found in costs.items():
                report_progress(f"round {number + 1}: {scene}")
                without = await play(page, school, gate, scene, seconds, "bare.html")
                found.append((without, await play(page, school, gate, scene, seconds, "tracked.html")))
        await page.close()
        await gate.stop()
    return f"Chromium {browser.version}", costs


def main() -> None:
    options = parse_options()
    with open_workspace(options.directory) as workspace:
        run = describe_run(workspace, None)
        version, costs = asyncio.run(play_all(options.rounds, options.seconds, workspace))
    rows: list[list[str]] = []
    targets: list[list[str]] = []
    for scene, found in costs.items():
        shares = [median(cost.page_percent for cost, _ in found), median(cost.page_percent for _, cost in found)]
        own = [cost.tracker_percent for _, cost in found]
        longest = max(cost.longest_task_ms for _, cost in found)
        rows.append([scene, *(f"{share:.2f}" for share in (*shares, median(own))), f"{longest:.2f}"])
        targets.append(format_target(f"{scene}: the tracker's % CPU", own, TARGETS.get(scene, Target())))
    longest = max(cost.longest_task_ms for found in costs.values() for _, cost in found)
    targets.append(format_target("longest task of the tracker, ms", [longest], LONGEST_TASK))
    about = f"{run} {version}. {options.rounds} rounds of {options.seconds:g} seconds."
    publish(options, [about, format_table(HEADINGS, rows), format_table(TARGET_HEADINGS, targets)])


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what the browser tracker costs a page.")
    parser.add_argument("--seconds", type=float, default=20, help="length of each scene")
    parser.add_argument("--rounds", type=int, default=3)
    add_options(parser)
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.rounds = 3, 1
    return options


if __name__ == "__main__":
    main()
