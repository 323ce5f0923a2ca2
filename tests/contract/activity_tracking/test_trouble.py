"""When the server cannot do what is asked: too much at once, a database that does not answer, a mistake of its own."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from headway.enrollments import store as enrollments
from headway.settings import Settings
from tests.contract.scene import Names
from tests.world import World

TRACK = "/api/courses/activity/track"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, ingest_queue_events=1, ingest_group_events=1, database_timeout_seconds=1)


def headers(names: Names, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {names['token_of_learner']}", **more}


def event(names: Names, event_id: str) -> dict[str, Any]:
    return {"event_id": event_id, "activity_type": "search", "course_id": names["course"]}


async def until_a_group_is_being_written(client: httpx.AsyncClient) -> None:
    for _attempt in range(2_000):
        if "headway_ingest_group_size_count 1.0" in (await client.get("/metrics")).text:
            return
        await asyncio.sleep(0)
    pytest.fail("no group is being written")


async def test_when_too_much_is_waiting_clients_shall_come_again_and_nothing_is_stored(
    client: httpx.AsyncClient, world: World, names: Names
) -> None:
    async with world.database.write() as tx:
        await enrollments.lock(tx, [(names["learner"], names["course"])])
        written = asyncio.create_task(client.post(TRACK, json=event(names, "written"), headers=headers(names)))
        await until_a_group_is_being_written(client)
        others = {
            asyncio.create_task(client.post(TRACK, json=event(names, name), headers=headers(names)), name=name)
            for name in ("one", "two")
        }
        refused, waiting = await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED, timeout=5)

    (task,) = refused
    answer = task.result()
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.json() == {
        "success": False,
        "message": "Too much is waiting to be written.",
        "errors": [],
        "request_id": answer.headers["X-Request-Id"],
    }
    assert [(await each).status_code for each in (written, *waiting)] == [201, 201]
    again = await client.post(TRACK, json=event(names, task.get_name()), headers=headers(names))
    assert again.status_code == 201


async def test_while_the_database_does_not_answer_clients_shall_come_again(
    client: httpx.AsyncClient, world: World, names: Names
) -> None:
    async with world.database.write() as tx:
        await enrollments.lock(tx, [(names["learner"], names["course"])])
        answer = await client.post(TRACK, json=event(names, "e"), headers=headers(names))

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.json()["success"] is False
    # It may be written after all once the database answers: then the repetition is a duplicate.
    assert (await client.post(TRACK, json=event(names, "e"), headers=headers(names))).status_code in {200, 201}
    assert (await client.post(TRACK, json=event(names, "e"), headers=headers(names))).status_code == 200


@pytest.mark.parametrize("path", ["track", "heartbeat", "batch"])
async def test_a_body_that_does_not_say_how_long_it_is_is_measured_as_it_comes(
    client: httpx.AsyncClient, names: Names, path: str
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 50_000
            yield b" " * 50_000

    answer = await client.post(f"/api/courses/activity/{path}", content=endless(), headers=headers(names))

    assert answer.status_code == 413
    assert answer.json()["success"] is False
    assert sent <= 1_100_000


async def test_a_body_in_many_parts_is_put_together(client: httpx.AsyncClient, names: Names) -> None:
    whole = msgspec.json.encode(event(names, "in parts"))

    async def parts() -> AsyncIterator[bytes]:
        for at in range(0, len(whole), 7):
            yield whole[at : at + 7]

    assert (await client.post(TRACK, content=parts(), headers=headers(names))).status_code == 201


async def drop(world: World, table: str) -> None:
    async with world.database.write() as tx:
        await tx.all(text(f"DROP TABLE {table}"))


async def test_a_mistake_of_the_server_shows_only_the_id_of_the_request(
    client: httpx.AsyncClient, world: World, names: Names
) -> None:
    await drop(world, "learner_activity_logs")

    answer = await client.post(TRACK, json=event(names, "e"), headers=headers(names, **{"X-Request-Id": "page-7"}))

    assert answer.status_code == 500
    assert answer.headers["X-Request-Id"] == "page-7"
    assert answer.json() == {
        "success": False,
        "message": "Something went wrong on the server.",
        "errors": [],
        "request_id": "page-7",
    }


async def test_a_mistake_outside_the_contracts_shows_only_the_id_of_the_request(
    client: httpx.AsyncClient, world: World
) -> None:
    await drop(world, "alembic_version")

    answer = await client.get("/readyz")

    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "title": "Internal Server Error",
        "status": 500,
        "code": "INTERNAL_ERROR",
        "detail": "Something went wrong on the server.",
        "request_id": answer.headers["X-Request-Id"],
    }


async def test_a_mistake_of_the_server_is_logged_as_an_error_with_its_cause(
    client: httpx.AsyncClient, world: World, names: Names
) -> None:
    await drop(world, "learner_activity_logs")

    with capture_logs() as logged:
        await client.post(TRACK, json=event(names, "e"), headers=headers(names))

    (entry,) = [each for each in logged if each["log_level"] == "error"]
    assert "learner_activity_logs" in str(entry["exc_info"])


@pytest.mark.parametrize(
    ("path", "content", "given"),
    [
        ("track", b"{", {}),
        ("track", b"{}", {"Authorization": "Bearer nonsense"}),
        ("nothing", b"{}", {}),
        ("track", b"{}", {"Content-Type": "text/plain"}),
        ("batch", b'{"events": [5]}', {}),
    ],
)
async def test_a_request_that_is_refused_is_logged_with_the_reason_and_not_as_an_error(
    client: httpx.AsyncClient, names: Names, path: str, content: bytes, given: dict[str, str]
) -> None:
    with capture_logs() as logged:
        await client.post(f"/api/courses/activity/{path}", content=content, headers=headers(names, **given))

    assert [each["log_level"] for each in logged] == ["info"]
    assert logged[0].get("reason") or logged[0].get("errors")
