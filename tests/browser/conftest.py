"""A real Chromium for each process of the tests.

Tests and async fixtures of this folder run on one event loop, which is that of the browser: `loop_scope="session"`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeAlias

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Playwright, async_playwright

from tests.browser.chromium import AUTOPLAY, CACHE, NoChromiumError, find_chromium, start_chromium
from tests.browser.gate import Gate
from tests.browser.school import School, open_school
from tests.browser.visit import Visit
from tests.databases import Templates

OpenDesktop: TypeAlias = Callable[..., Awaitable[BrowserContext]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    on_one_loop = pytest.mark.asyncio(loop_scope="session")
    for item in items:
        if Path(__file__).parent in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(on_one_loop, append=False)


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    try:
        return find_chromium()
    except NoChromiumError as error:
        pytest.skip(f"NOT TESTED IN A BROWSER: {error}")


@pytest.fixture
def tabs(chromium_path: Path) -> None:
    """Skip the test where the tabs of a window do not hide each other, and the back button has no cache."""
    if chromium_path.is_relative_to(CACHE):
        pytest.skip("This Chromium has neither tabs nor a back/forward cache: it is the headless shell.")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    async with async_playwright() as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(playwright: Playwright, chromium_path: Path) -> AsyncIterator[Browser]:
    """A Chromium that all tests of the process share. Media play without a click."""
    async with start_chromium(playwright, chromium_path, AUTOPLAY) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A profile of the test's own, whose pages believe that they are always visible and have the focus."""
    made = await browser.new_context()
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_desktop(playwright: Playwright, chromium_path: Path) -> AsyncIterator[OpenDesktop]:
    """Start a Chromium of the test's own: its tabs hide each other, and the one in front has the focus. Takes flags."""
    async with AsyncExitStack() as opened:

        async def start(*flags: str) -> BrowserContext:
            started = await opened.enter_async_context(start_chromium(playwright, chromium_path, *flags))
            return started.contexts[0]

        yield start


@pytest_asyncio.fixture(loop_scope="session")
async def desktop(open_desktop: OpenDesktop) -> BrowserContext:
    """A Chromium of the test's own, in which media play without a click."""
    return await open_desktop(AUTOPLAY)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def school(
    request: pytest.FixtureRequest, templates: Templates, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[School]:
    """A server with a course that the tests of the process share; it is on SQLite unless a test names another database."""
    folder = tmp_path_factory.mktemp("school")
    async with open_school(templates.copy(getattr(request, "param", "sqlite"), folder), folder) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def gate(school: School) -> AsyncIterator[Gate]:
    made = Gate(school.server.url)
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def visit(desktop: BrowserContext, school: School, gate: Gate) -> Visit:
    """A tab of a new learner in a browser of their own, which is not on a page yet."""
    return Visit(await desktop.new_page(), school, gate, await school.learner())
