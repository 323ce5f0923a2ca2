"""Pages in a real Chromium: signed in as somebody, on a phone or a desktop, and watched for errors."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, Request, Response

from headway import schema
from headway.accounts.model import User
from headway.instants import system_clock
from headway.settings import Settings
from tests.databases import SECRET_KEY, Templates
from tests.processes import HeadwayProcess
from tests.world import FakeClock, World

AXE = Path(__file__).parents[3] / "sdk" / "node_modules" / "axe-core" / "axe.min.js"
SIZES = {"phone": (390, 844), "desktop": (1280, 800)}


class AppPage:
    """A page in a window, and what went wrong in it."""

    def __init__(self, page: Page, url: str, shots: Path) -> None:
        self.page, self.url, self._shots = page, url, shots
        self.errors: list[str] = []
        """Errors of the console and of scripts, failed requests, and requests to other servers."""
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.errors.append(f"script: {error}"))
        page.on("request", self._see)
        page.on("response", self._answered)

    def _hear(self, message: ConsoleMessage) -> None:
        # Chromium reports the status of refused forms, which tests expect.
        if message.type == "error" and "the server responded with a status of 4" not in message.text:
            self.errors.append(f"console: {message.text}")

    def _see(self, request: Request) -> None:
        if not request.url.startswith((self.url, "ws://127.0.0.1", "data:", "blob:")):
            self.errors.append(f"request to {request.url}")

    def _answered(self, response: Response) -> None:
        if response.status >= 500:
            self.errors.append(f"{response.status} for {response.url}")

    async def open(self, path: str) -> None:
        """Open a path and wait until the page is at rest."""
        await self.page.goto(f"{self.url}{path}", wait_until="load")

    async def faults(self, name: str) -> list[str]:
        """Return the errors of the page as it is, what axe-core finds, light and dark, and whether it scrolls sideways.

        Takes a picture of both, to be looked at.
        """
        await self.shoot(f"{name}-light")
        violations = await self.violations()
        await self.page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        await self.shoot(f"{name}-dark")
        # Nothing but colours differs, and the other rules take most of the time.
        violations += await self.violations("color-contrast", "link-in-text-block")
        await self.page.emulate_media(color_scheme="light", reduced_motion="no-preference")
        return [*violations, *await self.layout_faults()]

    async def layout_faults(self) -> list[str]:
        """Return the errors of the page as it is, and whether it scrolls sideways."""
        is_wide = await self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        return [*(["it scrolls sideways"] if is_wide else []), *self.errors]

    async def violations(self, *rules: str) -> list[str]:
        """Return what axe-core finds: WCAG 2.2 A and AA and best practices, or some rules of these alone."""
        await self.page.evaluate(AXE.read_text())
        options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
        found = await self.page.evaluate("options => axe.run(document, options)", options)
        return [
            f"{each['id']}: {node['html'][:200]} {node['failureSummary']}"
            for each in found["violations"]
            for node in each["nodes"]
        ]

    async def shoot(self, name: str) -> None:
        """Take a picture of the whole page."""
        await self.page.screenshot(path=self._shots / f"{name}.png", full_page=True)


class App:
    """A server, and the use cases beside it."""

    def __init__(self, server: HeadwayProcess, world: World) -> None:
        self.server, self.world = server, world

    def now(self) -> int:
        """Set the clock of the use cases to the time of the server; return it."""
        self.world.clock.now = system_clock()
        return self.world.clock.now


@asynccontextmanager
async def open_app(database_url: str, folder: Path, **environment: str) -> AsyncIterator[App]:
    """Serve a migrated, empty database; `environment` holds further settings of the server."""
    settings = Settings(database_url=database_url, secret_key=SECRET_KEY)
    database = schema.database(settings)
    await database.open()
    world = World(database, settings, FakeClock())
    with HeadwayProcess(database_url, folder, SECRET_KEY, **environment) as server:
        opened = App(server, world)
        opened.now()
        yield opened
    await database.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def app(templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    """A server that the tests of the process share; each makes users and courses of its own."""
    folder = tmp_path_factory.mktemp("app")
    async with open_app(templates.copy("sqlite", folder), folder) as opened:
        yield opened


OpenPage = Callable[..., Awaitable[AppPage]]


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser, app: App, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OpenPage]:
    """Open a window for a user, who is signed in, or for nobody: `await open_page(user, "phone")`."""
    shots = tmp_path_factory.getbasetemp() / "shots"
    shots.mkdir(exist_ok=True)
    async with AsyncExitStack() as opened:

        async def open_window(user: User | None, size: str = "desktop", **options: Any) -> AppPage:
            width, height = SIZES[size]
            context = await browser.new_context(viewport={"width": width, "height": height}, locale="en-GB", **options)
            opened.push_async_callback(context.close)
            if user is not None:
                app.now()
                token = app.world.services.tokens.issue(await app.world.find_user(user.id))
                await context.add_cookies([{"name": "headway-access", "value": token, "url": app.server.url, "httpOnly": True}])
            return AppPage(await context.new_page(), app.server.url, shots)

        yield open_window
