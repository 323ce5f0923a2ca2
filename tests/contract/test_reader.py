"""`/demo/reader`: a page of the demo, which a server without it does not have."""

import re
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest

from headway.cli.courses import load_course
from headway.identity import Role
from headway.importers import oulad
from headway.settings import Settings
from headway.web import reader
from headway.web.demo_content import FOLDER
from tests.app_server import open_server
from tests.world import FakeClock, World

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

FILM = "/demo/film.webm"
MODULES = sorted(FOLDER.glob("*.js"))


@pytest.fixture
async def bare(settings: Settings, clock: FakeClock) -> AsyncIterator[tuple[httpx.AsyncClient, World]]:
    """A server that serves the demo's pages, without the course of the demo."""
    async with open_server(msgspec.structs.replace(settings, demo=True), clock) as both:
        yield both


@pytest.fixture
async def demo(bare: tuple[httpx.AsyncClient, World]) -> httpx.AsyncClient:
    client, world = bare
    await world.user(Role.INSTRUCTOR, email=oulad.OWNER_EMAIL)
    async with world.database.write() as tx:
        await load_course(reader.COURSE_FILE, world.services, tx)
    return client


def policy(page: httpx.Response) -> dict[str, str]:
    return dict(part.split(" ", 1) for part in page.headers["Content-Security-Policy"].split("; "))


@pytest.mark.parametrize("path", ["/demo", "/demo/reader", "/demo/reader.js", FILM])
async def test_a_server_that_is_no_demo_has_no_page_of_it(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_without_its_course_the_page_is_not_found(bare: tuple[httpx.AsyncClient, World]) -> None:
    assert (await bare[0].get("/demo/reader")).status_code == 404


async def test_the_page_names_the_course_and_its_units(demo: httpx.AsyncClient) -> None:
    page = await demo.get("/demo/reader")

    courses = (await demo.get("/api/v1/courses", params={"q": "How Headway works"})).json()["data"]
    course = (await demo.get(f"/api/v1/courses/{courses[0]['id']}")).json()["data"]
    units = [unit["id"] for unit in course["modules"][0]["units"]]
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert re.findall(r'data-headway-course="(\d+)"', page.text) == [course["id"]]
    assert re.findall(r'data-headway-unit="(\d+)"', page.text) == units
    assert f'value="{reader.LEARNER_EMAIL}"' in page.text
    assert "$" not in page.text


async def test_the_page_runs_under_a_policy_without_exceptions(demo: httpx.AsyncClient) -> None:
    page = await demo.get("/demo/reader")

    rules = policy(page)
    assert (rules["default-src"], rules["form-action"], rules["frame-ancestors"]) == ("'none'",) * 3
    assert {rules[f"{kind}-src"] for kind in ("script", "style", "img", "media", "connect")} == {"'self'"}
    assert not re.search(r"<script(?![^>]* src=)|<style|\s(?:on\w+|style)=", page.text)
    # `no-store` would keep the page out of the back/forward cache.
    assert page.headers["Cache-Control"] == "no-cache"


async def test_everything_that_the_page_loads_is_served_here(demo: httpx.AsyncClient) -> None:
    page = await demo.get("/demo/reader")
    names = {name for name in re.findall(r'(?:src|href|poster)="/demo/([^"]+)"', page.text) if name != "reader"}
    names |= {name for path in MODULES for name in re.findall(r'from "\./([^"]+)"', path.read_text())}

    kinds = {name: (await demo.get(f"/demo/{name}")).headers["Content-Type"] for name in names}

    assert kinds == {
        "film.vtt": "text/vtt; charset=utf-8",
        "film.webm": "video/webm",
        "film-poster.webp": "image/webp",
        "icon.svg": "image/svg+xml",
        "reader.css": "text/css; charset=utf-8",
        **{f"{name}.js": "text/javascript; charset=utf-8" for name in ("live", "panel", "reader", "session", "wire")},
    }


async def test_an_asset_that_has_not_changed_is_not_sent_again(demo: httpx.AsyncClient) -> None:
    first = await demo.get("/demo/reader.css")
    again = await demo.get("/demo/reader.css", headers={"If-None-Match": first.headers["ETag"]})
    asked = await demo.head("/demo/reader.css")

    assert (first.status_code, first.headers["Cache-Control"]) == (200, "no-cache")
    assert (again.status_code, again.content) == (304, b"")
    assert (asked.status_code, asked.content) == (200, b"")


class TestRanges:
    """Players seek by ranges; Safari plays nothing without them."""

    @pytest.mark.parametrize(
        ("asked", "part"),
        [("0-1", slice(0, 2)), ("100-", slice(100, None)), ("-50", slice(-50, None)), ("9-99999999", slice(9, None))],
    )
    async def test_a_part_is_sent(self, demo: httpx.AsyncClient, asked: str, part: slice) -> None:
        whole = (await demo.get(FILM)).content
        answer = await demo.get(FILM, headers={"Range": f"bytes={asked}"})

        first, last, _ = part.indices(len(whole))
        assert (answer.status_code, answer.content) == (206, whole[part])
        assert answer.headers["Content-Range"] == f"bytes {first}-{last - 1}/{len(whole)}"

    @pytest.mark.parametrize("asked", ["99999999-", "5-4", "-0"])
    async def test_a_part_that_is_not_there_is_refused(self, demo: httpx.AsyncClient, asked: str) -> None:
        answer = await demo.get(FILM, headers={"Range": f"bytes={asked}"})

        assert (answer.status_code, answer.content) == (416, b"")
        assert answer.headers["Content-Range"] == f"bytes */{len((await demo.get(FILM)).content)}"

    @pytest.mark.parametrize(
        "headers",
        [
            {"Range": "lines=1-2"},
            {"Range": "bytes=-"},
            {"Range": "bytes=0-1,4-5"},
            {"Range": "bytes=0-1", "If-Range": '"old"'},
            {"Range": f"bytes=0-{'9' * 5000}"},
        ],
    )
    async def test_what_cannot_be_served_in_parts_is_sent_whole(self, demo: httpx.AsyncClient, headers: dict[str, str]) -> None:
        answer = await demo.get(FILM, headers=headers)

        assert (answer.status_code, answer.headers["Accept-Ranges"]) == (200, "bytes")
        assert len(answer.content) == int(answer.headers["Content-Length"])
