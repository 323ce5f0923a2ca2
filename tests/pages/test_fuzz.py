"""Hostile paths, queries and forms at every page: each is answered with a page, none with a failure."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest

from headway.settings import Settings
from headway.web.page_routes import PageEndpoint, PageRoute
from tests.app_server import litestar_of, open_server
from tests.contract.rates import WITHOUT_RATE_LIMITS
from tests.contract.rights.conftest import School
from tests.databases import SECRET_KEY
from tests.pages.visitor import ORIGIN
from tests.world import FakeClock

_PARAMETER = re.compile(r"{(\w+)}")
IDS = {
    "course_id": "course",
    "user_id": "learner_id",
    "unit_id": "unit",
    "assessment_id": "assessment",
    "submission_id": "submission",
}
VALUES = (
    *("%FF", "%ED%A0%80", "x%00y", "%0d%0aSet-Cookie:a=b", "%zz", "-1", "1e309", "9223372036854775808", "NaN", "null,1"),
    *("9999-12-31", "0001-01-01", quote("\u20ac\U0001f600" * 200)),
)
"""Encoded as in a URL; not UTF-8, and numbers and dates at the ends of what there is, among them."""


class Fuzz:
    """Sends hostile values to the pages of one server."""

    def __init__(self, school: School) -> None:
        self.school = school
        self.faults: list[tuple[int, str, str]] = []

    async def send(self, role: str, route: PageRoute, path: str, name: str, value: str) -> None:
        """Send a value as a parameter of the path, or as a field of the query or the form; note a failure."""
        ids = {part: self.school.ids.get(IDS.get(part, ""), "1") for part in _PARAMETER.findall(path)}
        given = {name: value} | {each: "1" for each in _fields(route.form) if each != name}
        pairs = "&".join(f"{each}={text}" for each, text in given.items()) if name not in ids else ""
        url = _PARAMETER.sub(lambda match: (ids | {name: value})[match[1]], path)
        user = await self.school.world.find_user(self.school.people[role].id)
        headers = {"Cookie": f"headway-access={self.school.world.services.tokens.issue(user)}", "Origin": ORIGIN}
        if route.method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        elif pairs:
            url = f"{url}?{pairs}"
        target = httpx.URL(ORIGIN).copy_with(raw_path=url.encode())
        answer = await self.school.client.request(
            route.method, target, content=pairs if route.method == "POST" else None, headers=headers
        )
        is_page = answer.status_code in {200, 303} or answer.headers["content-type"].startswith("text/html")
        if answer.status_code >= 500 or not is_page or "a" in answer.cookies:
            self.faults.append((answer.status_code, f"{route.method} {url[:100]}", pairs[:100]))


@pytest.fixture
async def fuzz(database_url: str) -> AsyncIterator[Fuzz]:
    settings = Settings(database_url=database_url, secret_key=SECRET_KEY, postgres_pool_size=4, **WITHOUT_RATE_LIMITS)  # type: ignore[arg-type]
    async with open_server(settings, FakeClock()) as (client, world):
        made = Fuzz(School(world, client))
        await made.school.build()
        yield made


def declared(client: httpx.AsyncClient, method: str) -> Iterator[tuple[str, PageRoute]]:
    """Yield every page or form with its path."""
    transport: Any = client._transport
    for each in litestar_of(transport.app).routes:
        for handler in getattr(each, "route_handlers", []):
            endpoint = handler.opt.get("endpoint")
            if isinstance(endpoint, PageEndpoint) and endpoint.route.method == method:
                yield each.path_format, endpoint.route


def _fields(kind: type[msgspec.Struct] | None) -> list[str]:
    return [] if kind is None else [each.encode_name for each in msgspec.structs.fields(kind)]


async def test_no_parameter_makes_a_page_fail(fuzz: Fuzz) -> None:
    sent = 0
    for path, route in declared(fuzz.school.client, "GET"):
        for name in [*_PARAMETER.findall(path), *_fields(route.query)]:
            for value in VALUES:
                await fuzz.send("admin", route, path, name, value)
                sent += 1

    assert sent > 1_000
    assert fuzz.faults == []


async def test_no_field_makes_a_form_fail(fuzz: Fuzz) -> None:
    """A refused form is shown again with what was typed, whatever it was."""
    sent = 0
    for path, route in declared(fuzz.school.client, "POST"):
        # The answers to a quiz are thirty fields of a kind.
        for name in [*_PARAMETER.findall(path), *_fields(route.form)[:12]]:
            for value in VALUES[:6]:
                await fuzz.send("tutor" if "/courses/" in path else "admin", route, path, name, value)
                sent += 1

    assert sent > 500
    assert fuzz.faults == []
