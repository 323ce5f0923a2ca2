"""Pages of another origin load the served files under a strict policy: by a script tag, pinned by a hash, and as modules."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page

from tests.databases import SECRET_KEY, Templates
from tests.processes import HeadwayProcess

RESPONSE = (
    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Security-Policy: {policy}\r\n"
    "Content-Length: {length}\r\nConnection: close\r\n\r\n"
)
SCRIPT = "headway.js"
VIDEO = "headway-video.js"
START_AND_WATCH = """async ([Headway, endpoint]) => {
  const tracker = Headway.init({ endpoint, token: "none", course: 1, unit: 1 });
  tracker.trackVideo(document.body.appendChild(document.createElement("video")));
}"""


@pytest.fixture(scope="module")
def server(templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeadwayProcess]:
    folder = tmp_path_factory.mktemp("served")
    with HeadwayProcess(templates.copy("sqlite", folder), folder, SECRET_KEY) as started:
        yield started


@pytest.fixture(scope="module")
def integrity(server: HeadwayProcess) -> Any:
    return httpx.get(f"{server.url}/sdk/integrity.json").json()


class Visitor:
    """A page of another origin that allows scripts of the server alone, and what it loaded and was refused."""

    def __init__(self, page: Page, server: HeadwayProcess) -> None:
        self.page, self._server = page, server
        self.loaded: list[tuple[str, int]] = []
        self.refused: list[str] = []
        page.on("response", lambda response: self.loaded.append((response.url, response.status)))
        page.on("console", lambda message: self.refused.append(message.text) if message.type == "error" else None)

    async def open(self, tag: str) -> None:
        policy = f"default-src 'none'; script-src {self._server.url}; connect-src {self._server.url}"
        body = f"<!doctype html><body>{tag}"

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(RESPONSE.format(policy=policy, length=len(body)).encode() + body.encode())
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as site:
            await self.page.goto(f"http://127.0.0.1:{site.sockets[0].getsockname()[1]}")

    def sdk(self, name: str) -> str:
        return f"{self._server.url}/sdk/{name}"

    async def watch(self, headway: str) -> None:
        """Start a tracker, track a video with it, and wait until the part for videos is there."""
        async with self.page.expect_response(lambda response: "headway-video" in response.url):
            await self.page.evaluate(f"async endpoint => ({START_AND_WATCH})([{headway}, endpoint])", self._server.url)


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(context: BrowserContext, server: HeadwayProcess) -> AsyncIterator[Visitor]:
    yield Visitor(await context.new_page(), server)


@pytest.mark.parametrize("tag", ["<script src={url}></script>", "<script src={url} crossorigin></script>"])
async def test_a_script_tag_brings_the_tracker_and_videos_when_they_are_wanted(visitor: Visitor, tag: str) -> None:
    url = visitor.sdk(SCRIPT)
    await visitor.open(tag.format(url=url))
    assert [each for each in visitor.loaded if "/sdk/" in each[0]] == [(url, 200)]

    await visitor.watch("Headway")

    assert (visitor.sdk(VIDEO), 200) in visitor.loaded
    assert [text for text in visitor.refused if "Content Security Policy" in text] == []


@pytest.mark.parametrize("is_hashed", [False, True])
async def test_a_page_may_pin_the_file(visitor: Visitor, integrity: Any, *, is_hashed: bool) -> None:
    name = integrity[SCRIPT]["hashed"] if is_hashed else SCRIPT
    await visitor.open(f'<script src="{visitor.sdk(name)}" integrity="{integrity[SCRIPT]["integrity"]}" crossorigin></script>')

    await visitor.watch("Headway")

    assert (visitor.sdk(VIDEO), 200) in visitor.loaded


async def test_another_file_than_the_pinned_one_does_not_run(visitor: Visitor, integrity: Any) -> None:
    other = integrity["headway.mjs"]["integrity"]
    await visitor.open(f'<script src="{visitor.sdk(SCRIPT)}" integrity="{other}" crossorigin></script>')

    assert await visitor.page.evaluate("typeof Headway") == "undefined"
    assert "integrity" in "".join(visitor.refused)


async def test_a_module_brings_the_tracker_too(visitor: Visitor) -> None:
    await visitor.open("")

    await visitor.watch(f"await import('{visitor.sdk('headway.mjs')}')")

    assert (visitor.sdk(VIDEO), 200) in visitor.loaded
