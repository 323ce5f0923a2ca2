"""Browsers that store nothing, or too little."""

from tests.browser.gate import cut_before
from tests.browser.visit import Visit, assert_stored


async def test_a_page_that_may_not_store_anything_is_tracked_too(visit: Visit) -> None:
    await visit.open(sandboxed=True)
    assert await visit.page.evaluate("origin") == "null"
    visit.gate.fail_next(cut_before)
    await visit.track(1)
    await visit.read(1.5)

    await assert_stored(visit, await visit.end(), tracked=[1])


async def test_a_full_disk_costs_nothing_while_the_page_is_open(visit: Visit) -> None:
    await visit.open()
    session = await visit.page.context.new_cdp_session(visit.page)
    await session.send("Storage.overrideQuotaForOrigin", {"origin": await visit.page.evaluate("origin"), "quotaSize": 1})
    visit.gate.fail_next(cut_before)
    await visit.track(1)
    await visit.read(1.5)
    await visit.track(2)

    await assert_stored(visit, await visit.end(), tracked=[1, 2])
