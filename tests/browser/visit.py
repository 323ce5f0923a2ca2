"""A page in Chromium with a tracker at work: what a test does in it, and what it says."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from playwright.async_api import Error, Page

from headway.accounts.model import User
from tests.browser.gate import Gate
from tests.browser.record import Record, to_record
from tests.browser.school import TOLERANCE_SECONDS, WAIT_SECONDS, School, Stored, assert_once, assert_study, becomes

IDLE_SECONDS = 3.0
SHORT = {"beatSeconds": 1, "idleSeconds": IDLE_SECONDS, "flushSeconds": 0.5}

_PENDING = """async () => {
  if (origin === "null") return 0;
  if (!(await indexedDB.databases()).some(({ name }) => name === "headway")) return 0;
  const database = await new Promise((done, fail) => {
    const opening = indexedDB.open("headway");
    opening.onsuccess = () => done(opening.result);
    opening.onerror = () => fail(opening.error);
  });
  let pending = 0;
  for (const name of database.objectStoreNames) {
    const reading = database.transaction(name).objectStore(name).getAll();
    pending += await new Promise((done) => (reading.onsuccess = () => done(reading.result.flat().length)));
  }
  database.close();
  return pending;
}"""


def options_of(school: School, gate: Gate, learner: User, **given: Any) -> dict[str, Any]:
    """Return the options of a tracker of a learner, with short times."""
    base = {"endpoint": gate.endpoint, "course": school.course.id, "unit": school.unit_ids[0], **SHORT}
    if "tokens" not in given:
        base["token"] = school.token(learner)
    return {**base, **given}


class Visit:
    """One page of one learner."""

    def __init__(self, page: Page, school: School, gate: Gate, learner: User) -> None:
        self.page, self.school, self.gate, self.learner = page, school, gate, learner

    def options(self, **given: Any) -> dict[str, Any]:
        """Return the options of a tracker of this learner."""
        return options_of(self.school, self.gate, self.learner, **given)

    async def open(
        self, name: str = "reader.html", *, origin: str | None = "learn", sandboxed: bool = False, **given: Any
    ) -> "Visit":
        """Go to a page that starts a tracker, in front of the others."""
        await self.page.bring_to_front()
        await self.page.goto(self.gate.page(name, origin=origin, sandboxed=sandboxed, **self.options(**given)))
        return self

    async def record(self) -> Record:
        record = to_record(await self.page.evaluate("readRecord()"))
        assert record.faults == ()
        return record

    async def told(self) -> dict[str, list[Any]]:
        """Return what the page was told by `on("error")` and `on("rejected")`."""
        told: dict[str, list[Any]] = await self.page.evaluate("told")
        return told

    async def active_seconds(self) -> float:
        return sum(end - start for start, end in (await self.record()).active(IDLE_SECONDS))

    async def read(self, seconds: float) -> None:
        """Move the pointer over the page until the learner was active for so long from now on, as the page sees it."""
        begin = await self.active_seconds()
        give_up = time.monotonic() + WAIT_SECONDS + seconds
        step = 0
        while await self.active_seconds() < begin + seconds:
            assert time.monotonic() < give_up, "the page was not active"
            step += 1
            await self.page.mouse.move(50 + step % 2, 60)
            await asyncio.sleep(0.1)

    async def sees(self, expression: str) -> None:
        """Wait until something is true in the page. Playwright's own way needs `eval`, which the pages forbid."""

        async def is_true() -> bool:
            with suppress(Error):  # it is on its way from one page to another
                return bool(await self.page.evaluate(expression))
            return False

        await becomes(is_true)

    async def leave(self, go: Callable[[], Awaitable[object]]) -> tuple[Record, float]:
        """Leave the page by a call. Return its record of before, and for how many seconds more it may have been there."""
        record, begin = await self.record(), time.monotonic()
        await go()
        return record, time.monotonic() - begin

    async def close(self) -> None:
        """Close the tab as a learner does."""
        async with self.page.expect_event("close"):
            await self.page.close(run_before_unload=True)

    async def hide(self) -> None:
        """Open another tab in front, and wait until this one knows."""
        other = await self.page.context.new_page()
        await other.bring_to_front()
        await self.sees("document.visibilityState === 'hidden'")

    async def track(self, *numbers: int) -> None:
        """Track events that are told apart by a number."""
        for number in numbers:
            await self.page.evaluate("n => tracker.track('link_click', { metadata: { n } })", number)

    async def pending(self) -> int:
        """Return how many reports the browser keeps for the tracker."""
        count: int = await self.page.evaluate(_PENDING)
        return count

    async def flushed(self) -> None:
        """Have everything sent, and wait until the server has it."""

        async def is_sent() -> bool:
            await self.page.evaluate("tracker.flush()")
            calls = self.gate.calls_of()
            return bool(calls) and calls[-1].status == 200 and await self.pending() == 0

        await becomes(is_sent)

    async def end(self) -> Record:
        """Have everything sent, and stop the tracker. Return the page's record of that moment."""
        await self.flushed()
        record = await self.record()
        await self.page.evaluate("tracker.stop()")

        async def is_empty() -> bool:
            """Other tabs may be about to send what they added."""
            return await self.pending() == 0

        await becomes(is_empty)
        return record

    async def stored(self) -> Stored:
        return await self.school.stored(self.learner)


async def assert_stored(
    visit: Visit, *records: Record, tracked: Sequence[int] = (), tabs: int = 1, tolerance: float = TOLERANCE_SECONDS
) -> Stored:
    """Assert that the database holds what the pages did, once: when they were active, what they tracked, and nothing else."""
    await becomes(lambda: is_all_stored(visit))
    stored = await visit.stored()
    assert_once(stored, tabs=tabs)
    assert_study(stored, IDLE_SECONDS, *records, tolerance=tolerance)
    assert stored.tracked() == list(tracked)
    return stored


async def is_all_stored(visit: Visit) -> bool:
    """Return whether the database holds what was sent, and nothing else."""
    return {event.event_id for event in (await visit.stored()).events} == {item["event_id"] for item in visit.gate.sent()}
