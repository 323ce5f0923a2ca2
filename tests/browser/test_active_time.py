"""Study is stored for the time in which a learner was active on a page, and for no other."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Playwright

from tests.browser.chromium import run_chromium
from tests.browser.gate import Gate, cut_before
from tests.browser.intervals import length
from tests.browser.school import School, assert_once, becomes
from tests.browser.visit import Visit, assert_stored, options_of


async def test_reading_counts(visit: Visit) -> None:
    await visit.open()

    await visit.read(3)

    stored = await assert_stored(visit, await visit.end())
    assert 2 < stored.study < 8
    assert {beat.unit_id for beat in stored.beats} == {visit.school.unit_ids[0]}
    assert {beat.type for beat in stored.beats} == {"unit_view"}


async def test_a_page_of_headways_own_origin_is_tracked_too(visit: Visit) -> None:
    await visit.open(origin=None)

    await visit.read(1.5)

    await assert_stored(visit, await visit.end())
    assert [call for call in visit.gate.calls if call.method == "OPTIONS"] == []


@pytest.mark.usefixtures("tabs")
async def test_a_hidden_tab_does_not_count(visit: Visit) -> None:
    await visit.open()
    await visit.read(1.5)
    await visit.hide()
    await asyncio.sleep(2.5)
    await visit.page.bring_to_front()
    await visit.read(1.5)

    record = await visit.end()

    assert [state.is_attended for state in record.states].count(False) >= 1
    stored = await assert_stored(visit, record)
    assert stored.study < record.now - record.begin - 2


async def test_a_learner_who_does_nothing_is_idle_after_a_while(visit: Visit) -> None:
    await visit.open()
    await visit.read(1)
    await asyncio.sleep(5)

    record = await visit.record()
    await visit.read(1)

    stored = await assert_stored(visit, await visit.end())
    assert stored.study < record.now - record.begin + 1


@pytest.mark.usefixtures("tabs")
async def test_a_frozen_tab_does_not_count(visit: Visit) -> None:
    await visit.open()
    await visit.read(1.5)
    session = await visit.page.context.new_cdp_session(visit.page)
    await visit.hide()
    await session.send("Page.setWebLifecycleState", {"state": "frozen"})
    await asyncio.sleep(2.5)
    await session.send("Page.setWebLifecycleState", {"state": "active"})
    await visit.page.bring_to_front()
    await visit.read(1)

    await assert_stored(visit, await visit.end())


@pytest.mark.usefixtures("tabs")
async def test_a_window_without_the_focus_does_not_count(visit: Visit) -> None:
    context = visit.page.context
    assert context.browser is not None
    session = await context.browser.new_browser_cdp_session()
    async with context.expect_page() as opened:
        await session.send("Target.createTarget", {"url": "about:blank", "newWindow": True, "background": True})
    behind = Visit(await opened.value, visit.school, visit.gate, visit.learner)
    window = await context.new_cdp_session(behind.page)
    await behind.page.goto(visit.gate.page("reader.html", **behind.options()))
    assert await behind.page.evaluate("[document.visibilityState, document.hasFocus()]") == ["visible", False]

    for is_focused in (False, True, False, True):
        await window.send("Emulation.setFocusEmulationEnabled", {"enabled": is_focused})
        await asyncio.sleep(1.5)

    record = await behind.end()
    assert [state.is_attended for state in record.states].count(True) >= 2
    stored = await assert_stored(behind, record)
    assert stored.study < record.now - record.begin - 2


@pytest.mark.usefixtures("tabs")
async def test_a_page_that_comes_back_from_the_cache_goes_on(visit: Visit) -> None:
    await visit.open()
    await visit.read(1.3)
    await visit.page.evaluate("location.href = 'pages.css'")
    await visit.page.wait_for_url("**/pages.css")
    await asyncio.sleep(2)
    await visit.page.evaluate("history.back()")
    await visit.sees("window.tracker")
    await visit.read(1.3)

    record = await visit.end()

    assert len(record.states) > 2, "the page was loaded anew"
    stored = await assert_stored(visit, record)
    assert stored.study < record.now - record.begin - 1.5


@pytest.mark.usefixtures("tabs")
async def test_a_page_that_is_rendered_in_advance_counts_once_it_is_shown(
    playwright: Playwright, chromium_path: Path, school: School, gate: Gate
) -> None:
    learner = await school.learner()
    page = gate.prerenders(gate.page("reader.html", **options_of(school, gate, learner)))

    # Under Playwright's command the browser would render nothing in advance.
    async with run_chromium(chromium_path, page=page) as browser_url:
        await becomes(lambda: is_shown(gate))
        browser = await playwright.chromium.connect_over_cdp(browser_url, no_defaults=True)
        shown = Visit(browser.contexts[0].pages[0], school, gate, learner)
        await shown.read(1)

        record = await shown.end()
        waited = await shown.page.evaluate("performance.getEntriesByType('navigation')[0].activationStart") / 1000
        await browser.close()
    assert waited > 1.5
    stored = await assert_stored(shown, record)
    assert stored.study < record.now - record.begin - 1.4


@pytest.mark.parametrize("hours", [1, -1])
async def test_a_clock_that_jumps_does_not_count(visit: Visit, hours: int) -> None:
    """So it looks to a page when the device has slept, and when somebody has set the clock. Here it is the latter.

    What was made before the server's time was known would be taken for the former.
    """
    await visit.open("clock.html")
    await visit.read(0.5)
    await visit.flushed()
    await visit.read(1)
    await visit.track(1)
    await visit.page.evaluate("hours => setClock(hours * 3_600_000)", hours)
    await visit.track(2)
    await visit.read(1.5)

    await assert_stored(visit, await visit.end(), tracked=[1, 2], tolerance=1.5)


async def test_a_page_that_was_stopped_does_not_count(visit: Visit) -> None:
    """A debugger stops the page as a sleep does whose time the monotonic clock counts: nothing runs for a while."""
    await visit.open(idleSeconds=60)
    session = await visit.page.context.new_cdp_session(visit.page)
    await visit.read(1.2)
    await session.send("Debugger.enable")
    await session.send("Debugger.pause")
    await asyncio.sleep(11)
    await session.send("Debugger.resume")
    await session.send("Debugger.disable")
    await visit.read(1.2)
    record = await visit.record()
    await visit.end()

    stored = await visit.stored()
    assert_once(stored)
    assert stored.study < record.now - record.begin - 9


@pytest.mark.parametrize("ahead", [timedelta(days=1), timedelta(days=-1), timedelta(minutes=3)], ids=str)
async def test_the_clock_of_the_device_may_be_wrong(visit: Visit, ahead: timedelta) -> None:
    await visit.open("clock.html", clockAhead=ahead.total_seconds() * 1000)
    await visit.track(1)
    await visit.read(1.5)

    await assert_stored(visit, await visit.end(), tracked=[1])


async def test_each_unit_gets_its_own_seconds(visit: Visit) -> None:
    first, second = visit.school.unit_ids[:2]
    await visit.open()
    await visit.read(1.3)
    await visit.page.evaluate("unit => tracker.setUnit(unit)", second)
    changed = (await visit.record()).now
    await visit.track(1)
    await visit.read(2)

    record = await visit.end()
    stored = await assert_stored(visit, record, tracked=[1])
    assert max(end for _, end in stored.spans(first)) <= min(start for start, _ in stored.spans(second))
    assert abs(length(stored.spans(first)) - (changed - record.begin)) < 0.4
    assert [event.unit_id for event in stored.events if "n" in event.metadata] == [second]


async def test_nothing_happens_before_the_learner_agrees(visit: Visit) -> None:
    await visit.open(consent=False)
    await visit.read(1.5)
    await visit.track(1)
    assert [call for call in visit.gate.calls if call.method == "POST"] == []
    assert await visit.page.evaluate("indexedDB.databases()") == []

    await visit.page.evaluate("consent = true")
    agreed = (await visit.record()).now
    await visit.read(2)
    await visit.track(2)

    record = await visit.end()
    stored = await visit.stored()
    assert stored.tracked() == [2]
    assert min(start for start, _ in stored.spans()) >= agreed
    assert_once(stored)
    # The learner is asked again every second.
    assert stored.study > record.now - agreed - 1.5


@pytest.mark.usefixtures("tabs")
async def test_a_tracker_that_is_stopped_does_nothing_more(visit: Visit) -> None:
    await visit.open()
    await visit.read(1.2)
    record = await visit.end()
    requests = len(visit.gate.calls)

    await visit.track(1)
    await visit.hide()
    await visit.page.bring_to_front()
    await visit.read(1)

    assert len(visit.gate.calls) == requests
    await assert_stored(visit, record)


async def test_forgetting_leaves_nothing_behind(visit: Visit) -> None:
    await visit.open()
    await visit.read(1)
    await visit.flushed()
    before = await visit.stored()
    visit.gate.fail_all(cut_before)
    await visit.track(1)
    await visit.page.evaluate("tracker.stop({ forget: true })")
    visit.gate.heal()

    assert await visit.pending() == 0
    requests = len(visit.gate.calls)
    await visit.read(1)
    assert len(visit.gate.calls) == requests
    assert (await visit.stored()).tracked() == []
    assert before.study <= (await visit.stored()).study


async def is_shown(gate: Gate) -> bool:
    """Return whether a tracker has sent something."""
    return bool(gate.calls_of())
