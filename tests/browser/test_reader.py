"""`/demo/reader` in a real browser: what is read and watched there is what the panel says the server knows."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect
from sqlalchemy import select

from headway.learning.tables import learner_activity_logs
from headway.web.reader import LEARNER_EMAIL, PASSWORD
from tests.browser.demo import TOKEN_SECONDS, Demo, open_demo
from tests.databases import Templates

WAIT_MS = 20_000
STATE = "[document.querySelector('#state').dataset.state, document.querySelectorAll('td[data-verdict]').length]"
TAG = "document.querySelector('#tracker').content.firstElementChild"
QUICK = f"Object.assign({TAG}.dataset, {{headwayBeatSeconds: 1, headwayFlushSeconds: 0.3}})"
EVENTS = select(learner_activity_logs)
VIDEO = "document.querySelector('video')"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def demo(templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    async with open_demo(templates, folder, HEADWAY_ACCESS_TOKEN_SECONDS=str(TOKEN_SECONDS)) as opened:
        await opened.learner()
        yield opened


class Reader:
    """The page, and what its panel says."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.faults: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda message: self.faults.append(message.text) if message.type == "error" else None)

    async def sign_in(self, password: str = PASSWORD) -> None:
        """Sign in, and let the tracker report more often than for people."""
        await self.page.evaluate(QUICK)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Sign in").click()
        if password == PASSWORD:
            await self.is_live()

    async def is_live(self) -> None:
        await expect(self.page.locator("#state")).to_have_text("Live", timeout=WAIT_MS)

    async def read(self, *, times: int = 4) -> None:
        for turn in range(times):
            await self.page.mouse.move(200 + turn, 300)
            await self.page.mouse.wheel(0, 150)
            await self.page.wait_for_timeout(250)

    async def shows(self, unit: int, fact: str, pattern: str) -> None:
        """Wait until a fact of a unit, counted from 0, is shown as a pattern."""
        shown = self.page.locator(".unit-state").nth(unit).locator(f"[data-fact={fact}]")
        await expect(shown).to_have_text(re.compile(pattern), timeout=WAIT_MS)

    async def verdict(self, verdict: str, *, at_least: int = 1) -> None:
        cell = self.page.locator(f"td[data-verdict={verdict}]")
        await expect(cell.nth(at_least - 1)).to_be_attached(timeout=WAIT_MS)


@pytest_asyncio.fixture(loop_scope="session")
async def reader(desktop: BrowserContext, demo: Demo) -> AsyncIterator[Reader]:
    opened = Reader(await desktop.new_page())
    await opened.page.set_viewport_size({"width": 1280, "height": 800})
    await opened.page.goto(f"{demo.url}/demo/reader")
    yield opened
    assert opened.faults == []


async def test_what_is_read_is_what_the_server_knows(reader: Reader) -> None:
    await reader.sign_in()
    await reader.read()

    await reader.verdict("accepted")
    await reader.shows(0, "study", r"0:0[1-9]")
    await reader.shows(0, "scroll", r"[1-9]\d? %")
    await expect(reader.page.locator("#calculation")).to_have_text(re.compile(r" / 5 = "))


async def test_the_part_in_view_is_read_and_its_end_completes_it(reader: Reader) -> None:
    await reader.sign_in()
    await reader.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    await reader.read()

    second = reader.page.locator(".unit-state").nth(1)
    await expect(second).to_have_attribute("data-is-now", "", timeout=WAIT_MS)
    await expect(second.locator(".missing")).to_have_text("Complete.", timeout=WAIT_MS)
    await expect(reader.page.locator("#told")).to_have_text("When the network goes is complete.")


async def test_watched_and_reached_are_told_apart(reader: Reader) -> None:
    await reader.sign_in()
    await reader.page.evaluate(f"{VIDEO}.scrollIntoView({{block: 'center'}})")
    await reader.page.evaluate(f"{VIDEO}.play()")
    await reader.page.wait_for_timeout(1500)
    await reader.page.evaluate(f"{VIDEO}.currentTime = 60")
    await reader.page.wait_for_timeout(1500)
    await reader.page.evaluate(f"{VIDEO}.pause()")

    await reader.shows(0, "watched", r"^[2-8] %")
    await reader.shows(0, "reached", r"^(79|8\d) %")
    strip = reader.page.locator(".strip").first
    assert await strip.locator("g rect").count() == 2
    await expect(strip).to_have_attribute("aria-label", re.compile(r"^Watched: 0:00 to 0:0\d, 1:00 to 1:0\d$"))


async def test_reports_wait_while_the_network_is_cut_and_arrive_afterwards(reader: Reader) -> None:
    await reader.sign_in()
    await reader.verdict("accepted")
    await reader.page.evaluate("document.querySelector('#cut').dataset.seconds = 8")
    await reader.page.get_by_role("button", name="Cut the network").click()
    await expect(reader.page.locator("#state")).to_have_text(re.compile("Offline for"))
    await reader.read(times=4)
    before = await reader.page.locator("td[data-verdict]").count()  # what was under way may have been answered
    await reader.page.mouse.move(300, 300)
    await expect(reader.page.locator("#waiting")).to_have_text(re.compile("^[1-9]"), timeout=WAIT_MS)
    assert await reader.page.evaluate(STATE) == ["cut", before]

    await reader.is_live()
    await reader.verdict("accepted", at_least=before + 1)
    await expect(reader.page.locator("#waiting")).to_have_text(re.compile("^0 wait"), timeout=WAIT_MS)
    await expect(reader.page.locator("#told")).to_have_text("The network is back.")


async def test_a_batch_that_is_sent_again_changes_nothing(reader: Reader, demo: Demo) -> None:
    await reader.sign_in()
    await reader.verdict("accepted")
    stored = set(await demo.world.rows(EVENTS))
    await reader.page.get_by_role("button", name="Send the last batch again").click()

    await reader.verdict("duplicate")
    assert stored
    assert stored <= set(await demo.world.rows(EVENTS))


async def test_the_session_goes_on_in_a_reloaded_page_and_with_new_tokens(reader: Reader) -> None:
    await reader.sign_in()
    await reader.page.reload()
    await reader.is_live()
    async with reader.page.expect_response("**/auth/refresh") as renewed:
        await reader.read()
    assert (await renewed.value).ok
    await reader.verdict("accepted")

    await reader.page.get_by_role("button", name="Sign out").click()
    await expect(reader.page.get_by_label("E-mail address")).to_be_visible(timeout=WAIT_MS)
    await expect(reader.page.get_by_label("E-mail address")).to_have_value(LEARNER_EMAIL)
    assert await reader.page.evaluate("localStorage.length") == 0


async def test_a_second_tab_reads_in_the_same_session_until_one_signs_out(reader: Reader) -> None:
    await reader.sign_in()
    async with reader.page.expect_popup() as opened:
        await reader.page.get_by_role("link", name="Open a second tab").click()
    second = Reader(await opened.value)
    await second.is_live()
    await second.read()
    await second.verdict("accepted")

    await second.page.get_by_role("button", name="Sign out").click()
    await expect(reader.page.get_by_label("E-mail address")).to_be_visible(timeout=WAIT_MS)
    assert second.faults == []


async def test_a_wrong_password_is_told_beside_the_form(reader: Reader) -> None:
    await reader.sign_in("Wrong-Password-1")

    await expect(reader.page.get_by_role("alert")).to_be_visible()
    await expect(reader.page.get_by_label("Password")).to_be_focused()
    assert len(reader.faults) == 1  # Chromium logs the 401
    reader.faults.clear()


@pytest.mark.parametrize("width", [320, 390, 1280])
async def test_the_page_fits_and_the_panel_is_at_hand(reader: Reader, width: int) -> None:
    await reader.page.set_viewport_size({"width": width, "height": 800})
    await reader.sign_in()
    await expect(reader.page.locator("#state")).to_be_in_viewport()

    assert await reader.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    if width < 1000:
        await reader.page.locator("#panel summary").press("Enter")
    await expect(reader.page.get_by_role("heading", name="What the server knows")).to_be_visible()

    await reader.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    panel, bar = [await reader.page.locator(place).bounding_box() for place in ("#panel", ".bar")]
    assert panel
    assert bar
    assert panel["y"] >= bar["height"]
