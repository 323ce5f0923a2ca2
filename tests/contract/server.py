"""The server against which the cases of one contract are run, and how a case is run against it."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

import httpx

from headway.http.authentication import Tokens
from headway.instants import DAY, SECOND, from_datetime
from headway.settings import Settings
from tests.app_server import open_server
from tests.contract.case_files import PLACEHOLDERS, Case, Step, encode, fill
from tests.contract.scene import Names, Scene
from tests.databases import SECRET_KEY
from tests.world import NOON, FakeClock, World

ROOTS = ("/api/", "/v1/")
"""Paths of requests that begin so are those of any contract; others follow the prefix of the case's own."""


class Exchange(NamedTuple):
    """The parts of a response that a case looks at, as they have to be and as they are."""

    expected: dict[str, Any]
    actual: dict[str, Any]


class CaseServer:
    """A server with the people and courses of a contract's cases; each case gets a learner and a classmate of its own."""

    def __init__(self, scene: Scene, client: httpx.AsyncClient, world: World) -> None:
        self.scene = scene
        self.client = client
        self.world = world
        self._shared: Names = {}
        self._case_count = 0

    async def prepare(self) -> None:
        """Make what all cases share."""
        visitor = await self.world.user()
        expired = self.world.tokens.issue(visitor, lifetime_seconds=-1)
        shared = await self.scene.make_shared(self.world)
        self._shared = {**shared, "expired_token": expired, "now": "2026-01-01T12:00:00.000Z"}

    async def new_names(self) -> Names:
        """Return all names for one case, with people who have done nothing yet; `unique` differs each time."""
        self._case_count += 1
        self.world.clock.now = NOON
        own = await self.scene.make_own(self.world, self._shared, self._case_count)
        return {**self._shared, **own, "unique": self._case_count}

    async def run(self, case: Case) -> AsyncIterator[Exchange]:
        """Send the requests of a case one by one; stop where a response is not as expected."""
        shared = {**await self.new_names(), "value": None}
        for step in case.setup:
            async for exchange in self._run_step(step, shared):
                yield exchange
        for index, value in enumerate(case.each):
            names = {**shared, "index": index}
            for step in case.steps:
                names |= _name_parts("value", fill(value, {**names, **PLACEHOLDERS}))
                async for exchange in self._run_step(step, names):
                    yield exchange

    async def _run_step(self, step: Step, names: Names) -> AsyncIterator[Exchange]:
        """Send a request; what its step keeps of the response is added to the names."""
        request = fill(step.request, names)
        if "at" in request:
            self.world.clock.now = from_datetime(datetime.fromisoformat(request["at"]))
        response = await self._send(request, names)
        yield self._compare(response, step.response, names)
        names |= {name: find(response, path) for name, path in step.response.get("keep", {}).items()}

    async def _send(self, request: dict[str, Any], names: Names) -> httpx.Response:
        caller = request.get("as", "learner")
        headers: dict[str, str | None] = {"Content-Type": "application/json"}
        if caller != "nobody":
            headers["Authorization"] = f"Bearer {names['token_of_' + caller]}"
        headers |= request.get("headers", {})
        return await self.client.request(
            request.get("method", "POST"),
            self._url(request.get("path", "")),
            content=encode(request["json"]) if "json" in request else request.get("body"),
            headers={name: each for name, each in headers.items() if each is not None},
        )

    def _url(self, path: str) -> str:
        if path.startswith(ROOTS):
            return path
        return self.scene.prefix + ("" if not path or path[0] in "/?" else "/") + path

    def _compare(self, response: httpx.Response, step_response: dict[str, Any], names: Names) -> Exchange:
        request_id = response.headers.get("X-Request-Id")
        assert request_id, "every response carries an X-Request-Id"
        expected = fill(self._expand(step_response, names), {**names, **PLACEHOLDERS, "request_id": request_id})
        headers = {"content-type": "application/json", **expected.get("headers", {})}
        is_json = response.headers.get("content-type") in {"application/json", "application/problem+json"}
        content = response.json() if is_json and response.content else response.text or None
        places = expected.get("has", {})
        shown = repr(names["value"])[:100]
        return Exchange(
            {
                "value": shown,
                "status": expected["status"],
                "body": expected.get("body", content),
                "has": places,
                "headers": headers,
            },
            {
                "value": shown,
                "status": response.status_code,
                "body": content,
                "has": {path: _find_or_describe(response, path) for path in places},
                "headers": {name: response.headers.get(name) for name in headers},
            },
        )

    def _expand(self, response: Mapping[str, Any], names: Names) -> Mapping[str, Any]:
        if response["status"] in {204, 304}:
            return {**response, "body": None, "headers": {"content-type": None, **response.get("headers", {})}}
        if "error" in response or "invalid" in response:
            error, invalid = (fill(response.get(part), names) for part in ("error", "invalid"))
            return {**response, "body": self.scene.failure(error, invalid)}
        return self.scene.expand(response, names)


@asynccontextmanager
async def open_case_server(scene: Scene, database_url: str) -> AsyncIterator[CaseServer]:
    """Start a server for the cases of a contract."""
    settings = Settings(database_url=database_url, secret_key=SECRET_KEY, postgres_pool_size=4, **scene.settings)
    clock = FakeClock()
    async with open_server(settings, clock) as (client, world):
        # Cases let weeks pass, and are not about signing in again.
        world.tokens = Tokens(SECRET_KEY, clock, lifetime_seconds=366 * DAY // SECOND)
        server = CaseServer(scene, client, world)
        await server.prepare()
        yield server


def find(response: httpx.Response, path: str) -> Any:
    """Return what is at a path of the body, such as `data.0.id`, or a header's text for `header.NAME`."""
    if path.startswith("header."):
        return response.headers[path.removeprefix("header.")]
    value = response.json()
    for part in path.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def _find_or_describe(response: httpx.Response, path: str) -> Any:
    """Return what is at a path, or a note that nothing is, which equals nothing that is expected."""
    try:
        return find(response, path)
    except (LookupError, TypeError, ValueError) as error:
        return error


def _name_parts(name: str, value: Any) -> Names:
    """Name a value, and what is in it where it is a list: `value_0`, `value_0_1`, …"""
    names = {name: value}
    for index, part in enumerate(value if isinstance(value, list) else []):
        names |= _name_parts(f"{name}_{index}", part)
    return names


async def described_routes(client: httpx.AsyncClient, tag: str) -> set[tuple[str, str]]:
    """Return the routes of a contract, by method and path, as the OpenAPI document has them under the contract's tag."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    return {
        (method.upper(), path)
        for path, operations in paths.items()
        for method, described in operations.items()
        if tag in described["tags"]
    }


def succeeds(route: tuple[str, str], prefix: str, case: Case) -> bool:
    """Return whether a case has a step, written out in full, that asks a route and expects a success."""
    method, path = route
    pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", path.removeprefix(prefix).removeprefix("/")))
    return any(
        isinstance(step.request, dict)
        and isinstance(asked := step.request.get("path", ""), str)
        and step.request.get("method", "POST") == method
        and pattern.fullmatch(asked.partition("?")[0].removeprefix("/"))
        and step.response["status"] < 300
        for step in [*case.setup, *case.steps]
    )
