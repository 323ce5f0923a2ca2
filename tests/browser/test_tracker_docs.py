"""The examples of docs/tracker.md, as somebody would paste them into a page of another origin."""

import asyncio
import json
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page
from sqlalchemy import select

from headway.learning.tables import learner_activity_logs
from headway.web.demo_content import FOLDER
from tests.browser.demo import Demo, open_demo
from tests.databases import Templates

GUIDE = (Path(__file__).parents[2] / "docs" / "tracker.md").read_text()
EXAMPLE = re.compile(r"<!-- tried by tests/browser/test_tracker_docs\.py: (\w+) -->\n```(\w+)\n(.*?)```", re.DOTALL)
EXAMPLES = {name: code for name, _, code in EXAMPLE.findall(GUIDE)}
WAIT_SECONDS = 8.0
SHORT = 'data-headway-beat-seconds="1" data-headway-flush-seconds="0.2" '
_events = learner_activity_logs.c


class Event(NamedTuple):
    """What is looked at of a stored event."""

    type: str
    unit_id: int | None
    is_beat: bool
    metadata: dict[str, Any]
    segments: str | None


class School:
    """A site of another origin than Headway's, with pages for one learner."""

    def __init__(self, url: str, files: dict[str, tuple[str, bytes]], demo: Demo) -> None:
        self.url, self._files, self._demo = url, files, demo
        self.endpoint = demo.url
        self.film_unit, self.network_unit, *_ = (unit.id for unit in demo.course.units)

    def put(self, path: str, content: str | bytes, media_type: str = "text/html; charset=utf-8") -> str:
        """Store a file, and return its address."""
        self._files[path] = (media_type, content.encode() if isinstance(content, str) else content)
        return self.url + path

    async def admit(self, email: str) -> None:
        """Sign a new learner in: what pages report is theirs from now on."""
        self.learner = await self._demo.learner(email)
        self.put("/headway-token", json.dumps({"token": self._demo.token(self.learner)}), "application/json")

    def example(self, name: str, options: str = "") -> str:
        """Return an example with the address and the ids of the test's server, and more options for its tag."""
        return self.filled(EXAMPLES[name]).replace(" async>", f" {options}>")

    def filled(self, code: str) -> str:
        code = code.replace("https://headway.example", self.endpoint)
        for pattern, number in (
            (r'(course(?:="|: ))1\b', self._demo.course.id),
            (r'(unit(?:="|: ))5\b', self.film_unit),
            (r'(unit=")6\b', self.network_unit),
        ):
            code = re.sub(pattern, rf"\g<1>{number}", code)
        return code

    async def events(self) -> list[Event]:
        names = ("activity_type", "unit_id", "start_time", "metadata", "video_segments")
        statement = select(*(_events[name] for name in names)).where(_events.user_id == self.learner.id)
        rows = await self._demo.world.rows(statement)
        return [Event(row[0], row[1], row[2] is not None, json.loads(row[3] or "{}"), row[4]) for row in rows]

    async def has(self, wanted: Callable[[Event], bool]) -> bool:
        """Return whether an event comes to be stored."""
        give_up = time.monotonic() + WAIT_SECONDS
        while not any(wanted(event) for event in await self.events()):
            if time.monotonic() > give_up:
                return False
            await asyncio.sleep(0.1)
        return True


@contextmanager
def serve_files(files: dict[str, tuple[str, bytes]]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            media_type, content = files.get(self.path, ("text/plain", b""))
            self.send_response(200 if self.path in files else 404)
            for name, value in (("Content-Type", media_type), ("Content-Length", str(len(content)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[School]:
    files: dict[str, tuple[str, bytes]] = {}
    with serve_files(files) as url:
        async with open_demo(templates, tmp_path_factory.mktemp("demo"), HEADWAY_ALLOWED_ORIGINS=url) as demo:
            made = School(url, files, demo)
            made.put("/film.webm", (FOLDER / "film.webm").read_bytes(), "video/webm")
            yield made


@pytest_asyncio.fixture(loop_scope="session")
async def school(site: School, request: pytest.FixtureRequest) -> School:
    await site.admit(f"{request.node.name.replace('[', '-').rstrip(']')}@school.example")
    return site


@pytest_asyncio.fixture(loop_scope="session")
async def page(desktop: BrowserContext) -> AsyncIterator[Page]:
    opened = await desktop.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    yield opened
    assert [fault for fault in faults if "favicon" not in fault] == []


def document(*parts: str) -> str:
    return f'<!doctype html><title>A page</title><link rel="icon" href="data:,">{"".join(parts)}'


def module(code: str) -> str:
    return f'<script type="module">\n{code}</script>'


def is_beat_in(unit_id: int) -> Callable[[Event], bool]:
    return lambda event: event.is_beat and event.unit_id == unit_id


async def read(page: Page, *, seconds: float = 1.5) -> None:
    for turn in range(int(seconds * 4)):
        await page.mouse.move(100 + turn, 100)
        await page.wait_for_timeout(250)


async def test_a_tag_alone_records_study(page: Page, school: School) -> None:
    await page.goto(school.put("/tag", document(school.example("tag", SHORT))))
    await read(page)

    assert await school.has(is_beat_in(school.film_unit))


async def test_a_policy_without_unsafe_sources_is_enough(page: Page, school: School) -> None:
    (policy,) = re.findall(r"^Content-Security-Policy: (.*)$", school.filled(GUIDE), re.MULTILINE)
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}; default-src \'self\'">'
    policy_allows = policy.replace("connect-src", "connect-src 'self'")
    await page.goto(school.put("/policy", document(meta.replace(policy, policy_allows), school.example("tag", SHORT))))
    await read(page)

    assert await school.has(is_beat_in(school.film_unit))


async def test_the_module_is_started_by_a_script(page: Page, school: School) -> None:
    code = school.example("module") + "await new Promise((resolve) => setTimeout(resolve, 1000));\nawait tracker.flush();\n"
    await page.goto(school.put("/module", document(module(code))))
    await read(page)

    assert await school.has(is_beat_in(school.film_unit))


async def test_elements_declare_units_videos_and_clicks(page: Page, school: School) -> None:
    tag = school.example("tag", SHORT).replace(f'data-headway-unit="{school.film_unit}" ', "")
    await page.goto(school.put("/attributes", document(tag, school.example("attributes"))))
    await page.get_by_role("link", name="The sheet").click(modifiers=["Alt"])  # reported, and not followed
    await page.locator("video").evaluate("video => video.play()")
    await page.wait_for_timeout(1500)
    await page.locator("video").evaluate("video => video.pause()")

    address = f"{school.url}/sheet.pdf"
    assert await school.has(lambda event: event.type == "resource_download" and event.metadata.get("url") == address)
    assert await school.has(
        lambda event: event.type == "video_progress" and event.unit_id == school.network_unit and bool(event.segments)
    )


async def test_the_calls_of_the_api_do_what_they_say(page: Page, school: School) -> None:
    await page.goto(school.put("/api", document(module(school.example("module") + school.example("api")))))

    assert await school.has(lambda event: event.type == "quiz_submit" and event.metadata == {"score": 8, "max_score": 10})
    assert await school.has(lambda event: event.type == "unit_complete" and event.unit_id == school.film_unit)
    await page.wait_for_function("document.title.endsWith(' %')")


async def test_nothing_is_recorded_without_consent_or_after_it(page: Page, school: School) -> None:
    start = (
        school.example("module").split("\n\n")[0]
        + f"""
const endpoint = "{school.endpoint}";
const getToken = async () => (await (await fetch("/headway-token")).json()).token;
"""
    )
    buttons = '<button id="agree">Agree</button><button id="withdraw">Withdraw</button>'
    await page.goto(school.put("/consent", document(buttons, module(start + school.example("consent")))))
    await read(page)
    assert await school.events() == []
    assert await page.evaluate("indexedDB.databases()") == []

    await page.get_by_role("button", name="Agree").click()
    await read(page)
    await page.get_by_role("button", name="Withdraw").click()
    await page.wait_for_timeout(500)
    stored = await school.events()
    await read(page)
    assert await school.events() == stored


async def test_a_pinned_script_runs_by_its_hash(page: Page, school: School) -> None:
    (tag,) = re.findall(r"^<script[^>]* integrity=.*?</script>", school.filled(GUIDE), re.MULTILINE | re.DOTALL)
    await page.goto(school.put("/pinned", document(tag)))
    await page.wait_for_function("window.Headway?.tracker")

    other = await page.context.new_page()
    await other.goto(school.put("/altered", document(tag.replace("sha384-", "sha384-A", 1))))
    assert await other.evaluate("window.Headway") is None
