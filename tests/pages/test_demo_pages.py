"""The pages of the demo: whoever signs in finds pages, and every link on them leads somewhere."""

import re
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
import pytest_asyncio

from headway.importers import oulad
from headway.importers.demo import DemoImport
from headway.settings import Settings
from headway.web import reader
from tests.app_server import open_server
from tests.pages.visitor import Visitor
from tests.world import FakeClock, World

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
_OF_EACH = 2
"""How many pages of each shape are opened."""
_LINK = re.compile(r'href="(/(?:app|demo|docs)[^"#]*)')


@pytest_asyncio.fixture
async def demo(settings: Settings, clock: FakeClock) -> AsyncIterator[tuple[httpx.AsyncClient, World]]:
    async with open_server(msgspec.structs.replace(settings, demo=True), clock) as both:
        await DemoImport(both[1].services).run(lambda _: None)
        yield both


@pytest.mark.parametrize("email", [oulad.OWNER_EMAIL, reader.LEARNER_EMAIL, reader.ADMIN_EMAIL])
async def test_every_link_of_the_demo_leads_to_a_page(demo: tuple[httpx.AsyncClient, World], email: str) -> None:
    visitor = Visitor(*demo)
    home = await visitor.submit("/app/sign-in", {"email": email, "password": reader.PASSWORD})
    assert (home.status, home.path == "/app/sign-in") == (200, False)
    waiting, known, opened = [home.path], {home.path}, Counter[str]()
    statuses: dict[str, int] = {}

    while waiting:
        path = waiting.pop(0)
        shape = re.sub(r"\d+", "*", path.partition("?")[0])
        if opened[shape] < _OF_EACH:
            opened[shape] += 1
            shown = await visitor.open(path)
            statuses[path] = shown.status
            links = [link.replace("&amp;", "&") for link in _LINK.findall(shown.html)]
            if email == reader.ADMIN_EMAIL:
                # Who belongs to no course has nobody to write to.
                links = [link for link in links if not link.startswith("/app/messages/")]
            waiting += [link for link in dict.fromkeys(links) if link not in known and "/static/" not in link]
            known |= set(links)

    assert {path: status for path, status in statuses.items() if status != 200} == {}
    assert len(opened) >= 8, opened
