"""What strangers and broken clients send: nothing of it is a fault of the server, is kept, or is repeated at length."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
from structlog.testing import capture_logs

from headway.http.middleware import RequestMiddleware
from headway.http.openapi import operations_of
from headway.identity import Role
from headway.settings import Settings
from headway.telemetry import _bound
from tests.app_server import litestar_of
from tests.world import World

LONG = "x" * 20_000
"""Longer than any text that may be sent, and shorter than an event may be."""
STRANGE_FIELDS = ",".join(f'"stranger{i}":"\\u0000"' for i in range(2_000))
BOUND: list[Any] = [_bound]
DEEP = "[" * 20_000 + "]" * 20_000


class Target(NamedTuple):
    """A route that takes a body."""

    method: str
    path: str
    fields: tuple[str, ...]


def targets(app: RequestMiddleware) -> list[Target]:
    return [
        Target(operation.route.method, re.sub(r"{\w+}", "1", route.path_format), operation.route.body.__struct_encode_fields__)
        for route in litestar_of(app).routes
        for operation in operations_of(route)
        if operation.route.body is not None
    ]


def hostile_bodies(fields: tuple[str, ...]) -> Iterator[bytes]:
    yield f"{{{STRANGE_FIELDS}}}".encode()
    yield b'{"stranger": "\\u0000", "other": 1e999, "third": "\xff", "\xfe": 1}'
    yield b'{"\\ud800": 1, "x": "\\ud800"}'
    yield f'{{"stranger": {DEEP}}}'.encode()
    yield json.dumps({LONG: {LONG: LONG}}).encode()
    for value in (
        f'"{LONG}"',
        f'{{"{LONG}": 1e999}}',
        f'["{LONG}", 1]',
        "9" * 5_000,
        "1e999",
        '"\\u0000"',
        '{"a":"\xff"}',
        DEEP,
    ):
        for field in fields:
            yield f'{{"{field}": {value}, "stranger": "\\u0000"}}'.encode("latin-1")
        yield f"{{{','.join(f'{json.dumps(field)}: {value}' for field in fields)}}}".encode("latin-1")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    limits = {
        name: 1_000_000 for name in settings.__struct_fields__ if name.startswith(("tutorial_", "failed_", "registrations_"))
    }
    return msgspec.structs.replace(settings, **limits)


@pytest.fixture
async def headers(world: World) -> dict[str, str]:
    return world.bearer(await world.user(Role.ADMIN)) | {"Content-Type": "application/json"}


async def rejected_fields(client: httpx.AsyncClient) -> set[str]:
    return set(re.findall(r'headway_rejections_total{field="([^"]*)"', (await client.get("/metrics")).text))


async def test_no_body_is_a_fault_of_the_server_or_is_kept_or_repeated(
    app: RequestMiddleware, client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    declared = {"", "other", "body", *(field for target in targets(app) for field in target.fields)}
    for target in targets(app):
        for body in hostile_bodies(target.fields):
            with capture_logs(processors=BOUND) as logged:
                answer = await client.request(target.method, target.path, content=body, headers=headers)
            told = f"{target.method} {target.path} {body[:100]!r}: {answer.status_code} {answer.text[:300]}"

            assert answer.status_code < 500, told
            assert len(answer.content) < 10_000, told
            assert sum(len(str(entry)) for entry in logged) < 10_000, told
            assert "stranger" not in answer.text + str(logged), told

    seen = {re.split(r"[.\[]", field)[0] for field in await rejected_fields(client)}
    assert seen <= declared | {re.sub(r"(?<=[a-z])[A-Z]", lambda match: f"_{match[0].lower()}", name) for name in declared}


async def test_a_batch_of_hostile_items_is_answered_item_by_item_and_logged_in_few_words(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    items = [
        f'{{"activity_type": "{LONG[:1000]}", "course_id": "x", "event_id": "\\u0000", "stranger{i}": "\\u0000"}}'
        for i in range(500)
    ]
    with capture_logs(processors=BOUND) as logged:
        answer = await client.post("/api/courses/activity/batch", content=f'{{"events": [{",".join(items)}]}}', headers=headers)

    assert answer.status_code == 400
    assert [len(result["errors"]) for result in answer.json()["data"]["results"]] == [2] * 500
    assert sum(len(str(entry)) for entry in logged) < 10_000
    assert "stranger" not in answer.text + str(logged)
    assert await rejected_fields(client) == {"activity_type", "course_id"}
