"""HEAD and OPTIONS of every route, the methods that a 405 names, and ids in paths that contain slashes."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from litestar.routes import HTTPRoute

from headway.http.middleware import RequestMiddleware
from headway.http.openapi import operations_of
from headway.identity import Role
from headway.settings import Settings
from tests.app_server import litestar_of, start_app
from tests.world import FakeClock, World

OURS, ELSEWHERE = "https://learn.example", "https://elsewhere.example"
ONLY_ONCE = {"date", "x-request-id", "ratelimit"}
"""Headers that differ from one request to the next."""


@pytest.fixture
async def headers(world: World) -> dict[str, str]:
    return world.bearer(await world.user(Role.ADMIN))


@pytest.fixture
async def page_client(settings: Settings, clock: FakeClock) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that pages of another origin may call."""
    async with start_app(msgspec.structs.replace(settings, allowed_origins=OURS), clock) as made:
        asgi: Any = made
        async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url="http://headway.test") as client:
            yield client


def methods_by_path(app: RequestMiddleware) -> dict[str, set[str]]:
    """Return the methods of every path as its routes are declared."""
    found: dict[str, set[str]] = {}
    for route in litestar_of(app).routes:
        declared = {operation.route.method for operation in operations_of(route)}
        if isinstance(route, HTTPRoute):
            declared |= route.methods - {"OPTIONS"}
        path = re.sub(r"{\w+}", "1", route.path_format)
        found.setdefault(path, set()).update(declared or {"GET"})
    return found


def allowed(methods: set[str]) -> str:
    return ", ".join(sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))


async def test_options_names_the_methods_of_every_path_to_everybody(
    app: RequestMiddleware, client: httpx.AsyncClient, page_client: httpx.AsyncClient
) -> None:
    paths = methods_by_path(app)
    assert len(paths) > 40
    for path, methods in paths.items():
        for each in (client, page_client):
            for more in ({}, {"Origin": OURS}, {"Origin": ELSEWHERE}):
                answer = await each.options(path, headers=more)

                assert (answer.status_code, answer.headers["Allow"], answer.content) == (204, allowed(methods), b""), path
                assert answer.headers["X-Request-Id"]
                is_ours = each is page_client and more.get("Origin") == OURS
                assert answer.headers.get("Access-Control-Allow-Origin") == (OURS if is_ours else None)


async def test_a_preflight_names_the_methods_too(app: RequestMiddleware, page_client: httpx.AsyncClient) -> None:
    for path, methods in methods_by_path(app).items():
        asked = {"Access-Control-Request-Method": min(methods)}
        answer = await page_client.options(path, headers={"Origin": OURS, **asked})
        refused = await page_client.options(path, headers={"Origin": ELSEWHERE, **asked})

        assert (answer.status_code, answer.headers["Allow"]) == (204, allowed(methods))
        assert answer.headers["Access-Control-Allow-Origin"] == OURS
        assert refused.status_code == 400


async def test_options_of_an_unknown_path_is_not_found(client: httpx.AsyncClient) -> None:
    for path in ("/nothing", "/api/v1/nothing", "/user-progress/1/2/3/4", "/v1/tutorials/progress/a/b/c"):
        assert (await client.options(path)).status_code == 404


async def test_a_method_that_a_path_has_not_is_answered_with_those_that_it_has(
    app: RequestMiddleware, client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    for path, methods in methods_by_path(app).items():
        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"} - methods:
            if method == "HEAD" and "GET" in methods:
                continue
            answer = await client.request(method, path, headers=headers)
            assert (answer.status_code, answer.headers["Allow"]) == (405, allowed(methods)), f"{method} {path}"


async def test_head_is_get_without_a_body(app: RequestMiddleware, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    def kept(answer: httpx.Response) -> dict[str, str]:
        return {name: value for name, value in answer.headers.items() if name not in ONLY_ONCE}

    # Errors repeat the id, and its length would differ.
    headers |= {"X-Request-Id": "the-same", "Accept-Encoding": "identity"}
    for path in (path for path, methods in methods_by_path(app).items() if "GET" in methods and path != "/metrics"):
        read, head = await client.get(path, headers=headers), await client.head(path, headers=headers)

        assert (head.status_code, kept(head), head.content) == (read.status_code, kept(read), b""), path
        # An export of everything is sent part by part: its length is not known before.
        is_streamed = path.endswith("/export")
        assert is_streamed or int(head.headers["Content-Length"]) == len(read.content), path
        # Pages lead who is not signed in elsewhere.
        assert read.content or read.status_code == 303


async def test_head_of_what_is_known_is_not_modified(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    etag = (await client.head("/api/v1/learner/me", headers=headers)).headers["ETag"]

    answer = await client.head("/api/v1/learner/me", headers={**headers, "If-None-Match": etag})

    assert (answer.status_code, answer.headers["ETag"], answer.content) == (304, etag, b"")


async def test_head_and_options_are_counted_by_their_route(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    await client.head("/api/v1/learner/me", headers=headers)
    await client.head("/api/v1/courses/no-id")
    await client.options("/api/v1/courses/5")
    await client.options("/api/courses/activity/track")

    page = (await client.get("/metrics")).text
    for endpoint, status in (
        ("/api/v1/learner/me", 200),
        ("/api/v1/courses/{course_id}", 404),
        ("/api/v1/courses/{course_id}", 204),
        ("/api/courses/activity/track", 204),
    ):
        assert f'api_requests_total{{endpoint="{endpoint}",status="{status}"}} 1.0' in page


async def test_a_path_of_web_sockets_asks_for_an_upgrade(client: httpx.AsyncClient) -> None:
    answer = await client.get("/ws")

    assert (answer.status_code, answer.headers["Upgrade"], answer.json()["code"]) == (426, "websocket", "UPGRADE_REQUIRED")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/courses/{id}%2F", 404),
        ("/api/v1/courses/%2F{id}", 404),
        ("/api/v1/courses/{id}%2Fenrollments", 404),
        ("/user-progress/course/{id}%2F/all", 400),
        ("/user-progress/course%2F{id}/all", 400),
        ("/api/v1/activities/%2F", 400),
        ("/api%2Fv1/courses/{id}", 404),
        ("/api/v1/courses/{id}", 200),
        ("/api/v1/cour%73es/{id}", 200),
        ("/%61pi/v1/courses/{id}/", 200),
    ],
)
async def test_a_slash_within_a_part_of_a_path_is_part_of_an_id(
    client: httpx.AsyncClient, world: World, headers: dict[str, str], path: str, status: int
) -> None:
    course = await world.course()

    assert (await client.get(path.format(id=course.id), headers=headers)).status_code == status
