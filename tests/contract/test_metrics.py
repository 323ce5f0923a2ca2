"""What operators can count, whichever contract is asked: every answer by its route, refusals, the database, the cache."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from headway import schema
from headway.errors import FieldError, Unavailable
from headway.settings import Settings
from headway.telemetry import Metrics
from tests.app_server import open_server
from tests.world import FakeClock, World

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

Sample = tuple[str, tuple[tuple[str, str], ...]]


async def read_samples(client: httpx.AsyncClient) -> dict[Sample, float]:
    """Give every sample of the page by its name and labels."""
    page = (await client.get("/metrics")).text
    lines = re.findall(r"^(\w+)(?:{(.*)})? (\S+)$", page, re.MULTILINE)
    return {(name, tuple(sorted(re.findall(r'(\w+)="([^"]*)"', labels)))): float(value) for name, labels, value in lines}


def sample(name: str, **labels: str) -> Sample:
    return name, tuple(sorted(labels.items()))


def requests(endpoint: str, status: int) -> Sample:
    return sample("api_requests_total", endpoint=endpoint, status=str(status))


@pytest.fixture
async def server(settings: Settings, clock: FakeClock) -> AsyncIterator[tuple[httpx.AsyncClient, World]]:
    async with open_server(msgspec.structs.replace(settings, failed_sign_ins_per_client=1), clock) as both:
        yield both


LOGIN = "/api/v1/learner/auth/login"
ASKED: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("POST", "/api/courses/activity/track", {}, 401, "/api/courses/activity/track"),
    ("GET", "/api/courses/activity/track", {}, 405, "/api/courses/activity/track"),
    ("POST", "/api/courses/activity/nothing", {}, 404, "unmatched"),
    ("GET", "/user-progress/1/2", {}, 401, "/user-progress/{course_id}/{user_id}"),
    ("DELETE", "/user-progress/1/2", {}, 405, "/user-progress/{course_id}/{user_id}"),
    ("GET", "/user-progress/1/2/3/4", {}, 404, "unmatched"),
    ("GET", "/api/v1/learner/me/progress", {}, 401, "/api/v1/learner/me/progress"),
    ("PUT", "/api/v1/courses/7", {}, 405, "/api/v1/courses/{course_id}"),
    ("GET", "/api/v1/courses/7", {}, 404, "/api/v1/courses/{course_id}"),
    ("POST", LOGIN, {"content": b"x" * 1_000_001}, 413, LOGIN),
    ("POST", LOGIN, {"content": b"x", "headers": {"Content-Type": "text/plain"}}, 415, LOGIN),
    ("DELETE", "/livez", {}, 405, "/livez"),
    ("GET", "/nothing", {}, 404, "unmatched"),
]


@ON_SQLITE
async def test_every_answer_is_counted_by_its_route(server: tuple[httpx.AsyncClient, World]) -> None:
    client, _world = server
    for method, path, more, status, endpoint in ASKED:
        before = await read_samples(client)
        assert (await client.request(method, path, **more)).status_code == status, path
        after = await read_samples(client)

        key, timed = requests(endpoint, status), sample("api_request_duration_seconds_count", endpoint=endpoint)
        assert after.get(key, 0) - before.get(key, 0) == 1, (path, endpoint)
        assert after[timed] - before.get(timed, 0) == 1


@ON_SQLITE
async def test_refusals_are_counted_by_their_code_and_the_field_at_fault(server: tuple[httpx.AsyncClient, World]) -> None:
    client, world = server
    headers = world.bearer(await world.user())
    wrong = {"email": "nobody@example.org", "password": "Nobody-Knows-1"}
    await client.post("/api/v1/learner/auth/register", json={"name": "A", "email": "no address", "password": "Ada-1815!"})
    for _ in range(2):
        await client.post("/api/v1/learner/auth/login", json=wrong)
    await client.get("/user-progress/999/999", headers=headers)
    await client.post("/user-progress/update", headers=headers, content=b"x" * 1_000_001)
    await client.get("/api/v1/learner/me")

    refused = {key[1]: value for key, value in (await read_samples(client)).items() if key[0] == "headway_rejections_total"}

    assert {(dict(labels)["reason"], dict(labels)["field"]) for labels in refused} >= {
        ("VALIDATION_ERROR", "email"),
        ("INVALID_CREDENTIALS", ""),
        ("RATE_LIMITED", ""),
        ("BODY_TOO_LARGE", ""),
        ("UNAUTHENTICATED", ""),
    }


def test_places_in_lists_do_not_become_labels() -> None:
    metrics = Metrics()
    metrics.fields = {"modules[].units[].title"}
    metrics.reject("VALIDATION_ERROR", [FieldError(f"modules[{m}].units[{m}].title", "is required") for m in range(50)])

    assert metrics.page().count(b"headway_rejections_total{") == 1
    assert b'field="modules[].units[].title",reason="VALIDATION_ERROR"} 50.0' in metrics.page()


async def test_transactions_are_timed_by_kind(server: tuple[httpx.AsyncClient, World]) -> None:
    client, _world = server
    before = await read_samples(client)
    account = {"name": "Ada", "email": "ada@example.org", "password": "Difference-Engine-1"}
    assert (await client.post("/api/v1/learner/auth/register", json=account)).status_code == 201
    await client.get("/api/v1/courses")
    after = await read_samples(client)

    for kind in ("read", "write"):
        key = sample("headway_transaction_seconds_count", kind=kind)
        assert after[key] > before.get(key, 0)
        assert after[sample("headway_transactions_failed_total", kind=kind)] == 0


@ON_POSTGRESQL
async def test_the_connections_of_the_pool_are_told(settings: Settings, clock: FakeClock) -> None:
    async with open_server(settings, clock) as (client, _world):
        await client.get("/api/v1/courses")
        told = await read_samples(client)

    assert told[sample("headway_pool_connections", state="idle")] >= 1
    assert told[sample("headway_pool_connections", state="in_use")] >= 0


async def test_a_transaction_that_finds_no_database_is_counted(settings: Settings) -> None:
    metrics = Metrics()
    measured = schema.database(settings, metrics)
    await measured.open()
    with pytest.raises(Unavailable):
        async with measured.write():
            raise Unavailable("The database does not answer.")
    with pytest.raises(ZeroDivisionError):
        async with measured.read():
            raise ZeroDivisionError
    await measured.close()

    page = metrics.page().decode()
    assert 'headway_transactions_failed_total{kind="write"} 1.0' in page
    assert 'headway_transactions_failed_total{kind="read"} 0.0' in page
    assert 'headway_transaction_seconds_count{kind="read"} 1.0' in page


def test_the_duration_has_buckets_at_the_targets() -> None:
    metrics = Metrics()
    metrics.request_seconds.labels("/x").observe(0.2)

    page = metrics.page().decode()
    assert 'api_request_duration_seconds_bucket{endpoint="/x",le="0.2"} 1.0' in page
    assert 'api_request_duration_seconds_bucket{endpoint="/x",le="0.5"} 1.0' in page


@ON_SQLITE
async def test_what_waits_to_be_written_and_the_process_itself_are_told(client: httpx.AsyncClient) -> None:
    told: dict[Any, float] = await read_samples(client)

    assert (told[sample("headway_ingest_waiting")], told[sample("headway_ingest_capacity")]) == (0, 10_000)
    for name in ("cpu_seconds_total", "resident_memory_bytes", "open_fds", "start_time_seconds"):
        assert told[sample(f"process_{name}")] > 0
