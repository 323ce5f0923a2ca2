"""The browser of the tests behaves as a learner's does."""

import asyncio
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from playwright.async_api import BrowserContext, Page, Playwright

from tests.browser.chromium import start_chromium
from tests.browser.conftest import OpenDesktop

STATE = "[document.visibilityState, document.hasFocus()]"
VISIBLE_AND_FOCUSED = ["visible", True]


async def wait_for(page: Page, state: list[object]) -> None:
    await page.wait_for_function(f"wanted => JSON.stringify({STATE}) === JSON.stringify(wanted)", arg=state, polling=20)


async def test_each_test_has_storage_of_its_own(context: BrowserContext, desktop: BrowserContext) -> None:
    for each in (context, desktop):
        assert await each.cookies() == []
        assert await each.storage_state() == {"cookies": [], "origins": []}
        await each.add_cookies([{"name": "left", "value": "1", "url": "http://headway.test"}])


async def test_pages_of_a_context_do_not_disturb_each_other(context: BrowserContext) -> None:
    pages = [await context.new_page(), await context.new_page()]

    assert [await page.evaluate(STATE) for page in pages] == [VISIBLE_AND_FOCUSED] * 2


@pytest.mark.usefixtures("tabs")
async def test_a_tab_of_a_desktop_hides_the_one_before(desktop: BrowserContext) -> None:
    first = await desktop.new_page()
    await first.bring_to_front()
    await wait_for(first, VISIBLE_AND_FOCUSED)

    second = await desktop.new_page()
    await second.bring_to_front()

    await wait_for(first, ["hidden", False])
    assert [await page.evaluate(STATE) for page in (first, second)] == [["hidden", False], VISIBLE_AND_FOCUSED]


async def test_media_play_without_a_click_unless_told_otherwise(desktop: BrowserContext, open_desktop: OpenDesktop) -> None:
    assert await state_of_audio(desktop) == "running"
    assert await state_of_audio(await open_desktop()) == "suspended"


async def state_of_audio(context: BrowserContext) -> str:
    """Return whether a page may play by itself. It finds out in a script of its own: what tests evaluate counts as a click."""
    page = await context.new_page()
    await page.goto("data:text/html,<script>document.title = new AudioContext().state</script>")
    return await page.title()


async def test_a_chromium_that_does_not_start_is_told_at_once(playwright: Playwright) -> None:
    with pytest.raises(RuntimeError, match="ended with 1"):
        async with asyncio.timeout(30), start_chromium(playwright, Path("/bin/false")):
            pass


KILLED = """
import asyncio, os
from playwright.async_api import async_playwright
from tests.browser.chromium import find_chromium, start_chromium

async def main():
    async with async_playwright() as playwright, start_chromium(playwright, find_chromium()) as browser:
        process = await (await browser.new_browser_cdp_session()).send("SystemInfo.getProcessInfo")
        print(next(each["id"] for each in process["processInfo"] if each["type"] == "browser"), flush=True)
        os.kill(os.getpid(), 9)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Other systems do not end the children of a killed process.")
@pytest.mark.usefixtures("chromium_path")
async def test_a_chromium_does_not_outlive_tests_that_are_killed() -> None:
    root = Path(__file__).parents[2]
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-c", KILLED, cwd=root, stdout=subprocess.PIPE
    )
    output, _ = await killed.communicate()

    assert killed.returncode == -9
    async with asyncio.timeout(30):
        while is_running(int(output)):
            await asyncio.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
