"""Tabs that close, crash and share a queue, and learners who share a computer."""

import asyncio
from contextlib import suppress

import pytest
from playwright.async_api import Error

from headway.accounts.model import User
from tests.browser.gate import Gate, cut_before, cut_those_with
from tests.browser.school import TOLERANCE_SECONDS, School, assert_study, becomes
from tests.browser.visit import IDLE_SECONDS, Visit, assert_stored

ON_BOTH = pytest.mark.parametrize("school", ["sqlite", "postgresql"], indirect=True)


async def another(visit: Visit, learner: User | None = None) -> Visit:
    """Open one more tab in the same browser, of the same learner unless another one is named."""
    return Visit(await visit.page.context.new_page(), visit.school, visit.gate, learner or visit.learner)


async def test_what_was_done_before_a_tab_closes_is_stored(visit: Visit) -> None:
    await visit.open()
    await visit.read(0.5)
    await visit.flushed()
    await visit.read(1.5)
    await visit.track(1, 2, 3)

    record, seconds = await visit.leave(visit.close)

    await becomes(lambda: are_tracked(visit, 3))
    await assert_stored(visit, record, tracked=[1, 2, 3], tolerance=TOLERANCE_SECONDS + seconds)


async def test_what_a_short_visit_could_not_send_is_sent_by_the_next(visit: Visit) -> None:
    visit.gate.fail_all(cut_before)
    await visit.open()
    await visit.track(1)
    await visit.read(0.5)
    first, seconds = await visit.leave(lambda: visit.page.goto("about:blank"))
    assert visit.gate.sent() == []
    visit.gate.heal()

    await visit.open()
    await visit.track(2)

    await assert_stored(visit, first, await visit.end(), tracked=[1, 2], tolerance=TOLERANCE_SECONDS + seconds)


async def test_going_to_another_page_loses_nothing(visit: Visit) -> None:
    await visit.open()
    await visit.read(0.5)
    await visit.flushed()
    await visit.track(1)

    first, seconds = await visit.leave(lambda: visit.open(origin="elsewhere"))
    await visit.track(2)
    await visit.read(1)

    await assert_stored(visit, first, await visit.end(), tracked=[1, 2], tolerance=TOLERANCE_SECONDS + seconds)


async def test_the_next_visit_sends_what_a_crashed_tab_left(visit: Visit) -> None:
    await visit.open()
    await visit.read(1)
    visit.gate.fail_all(cut_before)
    await visit.read(2)
    await visit.track(1, 2)
    session = await visit.page.context.new_cdp_session(visit.page)
    record = await visit.record()
    async with visit.page.expect_event("crash"):
        with suppress(Error, TimeoutError):
            await asyncio.wait_for(session.send("Page.crash"), 1)
    visit.gate.heal()

    next_visit = await another(visit)
    await next_visit.open()
    await next_visit.track(3)

    # The beat that was open is lost, which is a second at most.
    await assert_stored(visit, record, await next_visit.end(), tracked=[1, 2, 3], tolerance=TOLERANCE_SECONDS + 1)


@ON_BOTH
@pytest.mark.parametrize("count", [2, 8])
async def test_tabs_of_one_unit_count_once(visit: Visit, count: int) -> None:
    tabs = [visit, *[await another(visit) for _ in range(count - 1)]]
    for number, tab in enumerate(tabs):
        await tab.open()
        await tab.track(10 * number, 10 * number + 1)
    for tab in tabs[:2] * 2:
        await tab.page.bring_to_front()
        await tab.read(0.7)
    await asyncio.gather(*(tab.track(10 * number + 2) for number, tab in enumerate(tabs)))

    records = [await tab.end() for tab in tabs]

    tracked = sorted(10 * number + each for number in range(count) for each in range(3))
    await assert_stored(visit, *records, tracked=tracked, tabs=count)


async def test_eight_tabs_that_close_at_once_lose_nothing(visit: Visit) -> None:
    tabs = [visit, *[await another(visit) for _ in range(7)]]
    for number, tab in enumerate(tabs):
        await tab.open()
        await tab.track(100 + number)
        await tab.flushed()
    await asyncio.gather(*(tab.track(number) for number, tab in enumerate(tabs)))

    await asyncio.gather(*(tab.close() for tab in tabs))

    await becomes(lambda: are_tracked(visit, 16))
    assert (await visit.stored()).tracked() == [*range(8), *range(100, 108)]


async def test_what_one_learner_left_is_never_sent_for_the_next(visit: Visit) -> None:
    await visit.open()
    await visit.read(1)
    await visit.flushed()
    visit.gate.fail_all(cut_those_with(visit.gate.calls_of()[-1].headers["authorization"]))
    await visit.track(1)
    await visit.read(1)
    calls = len(visit.gate.calls_of())
    await visit.close()
    await becomes(lambda: is_sent(visit, calls + 1))
    left = {item["event_id"] for item in visit.gate.sent()} - {event.event_id for event in (await visit.stored()).events}

    next_visit = await another(visit, await visit.school.learner())
    await next_visit.open()
    await next_visit.track(2)
    record = await next_visit.end()

    (problem,) = (await next_visit.told())["error"]
    assert left <= {report["event_id"] for report in problem["dropped"]}
    assert (await visit.stored()).tracked() == []
    stored = await next_visit.stored()
    assert stored.tracked() == [2]
    assert_study(stored, IDLE_SECONDS, record)
    assert_own_tokens(visit.gate, visit.school, visit.learner, next_visit.learner)


async def test_another_learner_may_go_on_in_the_same_page(visit: Visit) -> None:
    await visit.open()
    await visit.read(1)
    await visit.track(1)
    next_learner = await visit.school.learner()

    await visit.page.evaluate("token => tracker.identify({ token })", visit.school.token(next_learner))
    await visit.track(2)
    await visit.read(1)
    record = await visit.end()

    first, second = await visit.stored(), await visit.school.stored(next_learner)
    assert (first.tracked(), second.tracked()) == ([1], [2])
    assert abs(first.study + second.study - (record.now - record.begin)) < 1
    assert max(end for _, end in first.spans()) <= min(start for start, _ in second.spans())
    assert (await visit.told())["error"] == []
    assert_own_tokens(visit.gate, visit.school, visit.learner, next_learner)


async def is_sent(visit: Visit, times: int) -> bool:
    return len(visit.gate.calls_of()) >= times


async def are_tracked(visit: Visit, count: int) -> bool:
    return len((await visit.stored()).tracked()) >= count


def assert_own_tokens(gate: Gate, school: School, *learners: User) -> None:
    """Assert that no report was ever sent with the tokens of two learners."""
    senders: dict[str, str] = {}
    tokens = [gate_token for call in gate.calls_of() for gate_token in [call.headers["authorization"]]]
    assert len(set(tokens)) == len(learners)
    for call in gate.calls_of():
        for item in call.items:
            assert senders.setdefault(item["event_id"], call.headers["authorization"]) == call.headers["authorization"]
