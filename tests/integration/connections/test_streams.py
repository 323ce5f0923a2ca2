"""Files that are sent part by part, by a real server: what a client sees that is slow, or whose file cannot be completed."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import text

from headway.accounts.tables import users
from headway.courses.model import CourseTree
from headway.db.dialects import WriteRows
from headway.enrollments.tables import enrollments
from headway.identity import CourseRole, Role
from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.integration.connections.raw import LIMITS, dial, head, rest
from tests.processes import HeadwayProcess, open_client
from tests.world import World

LEARNERS, NAME = 3_000, "Ada " * 2_000
"""So much that it does not fit into the buffers between server and client: 24 MB."""


USERS = WriteRows(users, ["id", "role", "name", "token_version", "is_disabled", "created_at", "updated_at"])
_TIMES = ["enrolled_at", "created_at", "updated_at"]
ENROLLMENTS = WriteRows(enrollments, ["user_id", "course_id", "id", "status", "percent", "study_ms", "metadata", *_TIMES])


@pytest.fixture
def server(settings: Settings, tmp_path: Path) -> Iterator[HeadwayProcess]:
    with HeadwayProcess(settings.database_url, tmp_path, SECRET_KEY, **LIMITS | {"HEADWAY_TRANSFER_MEGABYTES": "64"}) as made:
        yield made


@pytest.fixture
async def course(world: World) -> CourseTree:
    """A course with many learners, by a clock that goes on."""
    world.clock.now = now = int(time.time() * 1000)
    course = await world.course()
    ids = range(1_000_000, 1_000_000 + LEARNERS)
    async with world.database.write() as tx:
        await tx.write_rows((USERS, [(each, "PARTICIPANT", NAME, 1, False, now, now) for each in ids]))
        enrolled = ("ENROLLED", 0, 0, "{}", now, now, now)
        await tx.write_rows((ENROLLMENTS, [(each, course.id, each, *enrolled) for each in ids]))
    return course


async def request(world: World, server: HeadwayProcess, course: CourseTree, clients: ExitStack) -> tuple[socket.socket, int]:
    """Request an export as a member of staff, and read its first line; return the connection and who it was."""
    staff = await world.user(Role.INSTRUCTOR)
    await world.write(world.services.course_staff.set_role, None, course.id, staff.id, CourseRole.INSTRUCTOR)
    path = f"/api/v1/courses/{course.id}/export?format=ndjson"
    client = dial(server, clients, head("GET", path, f"Authorization: {world.bearer(staff)['Authorization']}"))
    assert client.recv(20).startswith(b"HTTP/1.1 200")
    return client, staff.id


async def test_what_cannot_be_completed_ends_without_its_last_chunk(
    world: World, server: HeadwayProcess, course: CourseTree, clients: ExitStack
) -> None:
    client, user_id = await request(world, server, course, clients)
    await world.write(world.services.course_staff.remove, None, course.id, user_id)
    received = await asyncio.to_thread(rest, client)

    assert not received.endswith(b"0\r\n\r\n")
    *_, last, end = received.split(b"\r\n")[-3:]
    assert (json.loads(last)["type"], json.loads(last)["code"], end) == ("error", "FORBIDDEN", b"")
    assert "Traceback" not in server.log.read_text()


async def test_who_takes_nothing_holds_no_transaction_and_is_ended(
    world: World, server: HeadwayProcess, course: CourseTree, settings: Settings, clients: ExitStack
) -> None:
    client, _ = await request(world, server, course, clients)
    ended = 'headway_connections_ended_total{cause="transfer_time"} 1.0'

    async with asyncio.timeout(20), open_client(server.url) as other:
        while ended not in (await other.get("/metrics")).text:
            if not settings.is_sqlite:
                assert await world.rows(text(OPEN)) == [(0,)]
            await asyncio.sleep(0.1)

    assert len(await asyncio.to_thread(rest, client)) < LEARNERS * len(NAME)
    assert "Traceback" not in server.log.read_text()


OPEN = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND state = 'idle in transaction' AND state_change < clock_timestamp() - interval '1 second'
"""
"""Transactions that wait for their client; for a moment, one also waits between two statements of the server's own tasks."""
