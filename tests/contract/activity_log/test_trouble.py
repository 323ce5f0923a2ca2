"""What becomes known when something goes wrong: little to the client, and enough to whoever looks for the mistake."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from headway.telemetry import _add_request_id as add_request_id
from tests.contract.activity_log.scene import SCENE, failure
from tests.world import World

AS_CONFIGURED: list[Any] = [add_request_id]
ENTRY = {"action": "ACT", "target": {"type": "OTHER"}}
ENTRY_PATH = f"{SCENE.prefix}/ffffffffffffffffffffffff"


@pytest.fixture
async def headers(world: World) -> dict[str, str]:
    return world.bearer(await world.user(email="ada@school.test")) | {"X-Request-Id": "page-7"}


@pytest.mark.parametrize(
    ("method", "path", "key"),
    [("POST", SCENE.prefix, None), ("POST", SCENE.prefix, "a key"), ("GET", SCENE.prefix, None), ("GET", ENTRY_PATH, None)],
)
async def test_a_mistake_of_the_server_tells_only_the_id_by_which_it_is_found_in_the_logs(
    client: httpx.AsyncClient, world: World, headers: dict[str, str], method: str, path: str, key: str | None
) -> None:
    headers |= {} if key is None else {"Idempotency-Key": key}
    async with world.database.write() as tx:
        await tx.all(text("DROP TABLE audit_entries"))

    with capture_logs(processors=AS_CONFIGURED) as logged:
        answer = await client.request(method, path, json=ENTRY, headers=headers)

    assert (answer.status_code, answer.headers["X-Request-Id"]) == (500, "page-7")
    assert answer.json() == failure("INTERNAL_ERROR", "Something went wrong on the server.", requestId="page-7")
    (entry,) = [each for each in logged if each["log_level"] == "error"]
    assert {name: entry[name] for name in ("event", "request_id", "method", "path")} == {
        "event": "failed",
        "request_id": "page-7",
        "method": method,
        "path": path,
    }
    assert "audit_entries" in str(entry["exc_info"])


@pytest.mark.parametrize(
    ("content", "more", "told"),
    [
        (b'{"target": {"type": "OTHER"}}', {}, {"code": "VALIDATION_ERROR", "errors": ["action: is required"]}),
        (
            b'{"action": "ACT", "target": {"type": "OTHER"}, "actor": {"name": " ", "email": "private"}}',
            {},
            {"errors": ["actor.name: is required", "actor.email: must be a valid e-mail address"]},
        ),
        (b"{", {}, {"code": "VALIDATION_ERROR", "errors": ["body: is not valid JSON: Input data was truncated"]}),
        (b"{}", {"Authorization": "Bearer nonsense"}, {"code": "UNAUTHENTICATED"}),
        (b"{}", {"Content-Type": "text/plain"}, {"status": 415, "reason": "The body must be application/json."}),
        (b"x" * 1_000_001, {}, {"status": 413}),
    ],
)
async def test_an_activity_that_is_refused_is_logged_with_the_reason_and_without_what_it_held(
    client: httpx.AsyncClient, headers: dict[str, str], content: bytes, more: dict[str, str], told: dict[str, Any]
) -> None:
    with capture_logs(processors=AS_CONFIGURED) as logged:
        answer = await client.post(SCENE.prefix, content=content, headers=headers | more)

    assert answer.status_code >= 400
    (entry,) = logged
    common = {"event": "refused", "log_level": "info", "request_id": "page-7", "method": "POST", "path": SCENE.prefix}
    assert {name: entry.get(name) for name in common | told} == common | told
    assert entry["reason"]
    assert "private" not in str(entry)
    assert "nonsense" not in str(entry)
    assert "requestId" not in answer.json()["error"]


async def test_what_was_refused_is_counted_by_the_field_at_fault(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    await client.post(SCENE.prefix, json={"action": "ACT", "target": {"type": "BOOK"}, "metadata": 5}, headers=headers)

    metrics = (await client.get("/metrics")).text
    assert 'headway_rejections_total{field="target.type",reason="VALIDATION_ERROR"} 1.0' in metrics
    assert 'headway_rejections_total{field="metadata",reason="VALIDATION_ERROR"} 1.0' in metrics
