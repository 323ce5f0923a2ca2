"""The database goes away while the server serves, and comes back."""

import asyncio
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from headway.accounts.model import User
from headway.courses.model import CourseTree
from headway.instants import system_clock
from headway.services import make_checks
from headway.settings import Settings
from headway.verify import Verify
from tests.databases import SECRET_KEY, PostgresServer
from tests.integration.concurrency import open_world
from tests.processes import HeadwayProcess, open_client, run_headway
from tests.world import FakeClock, World

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
async def own_world(own_settings: Settings, clock: FakeClock) -> AsyncIterator[World]:
    async with open_world(own_settings, clock) as world:
        yield world


def kill(postgres: PostgresServer) -> None:
    """Kill the server as a crash would: the postmaster first, its children notice."""
    pid = postgres.server.get_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    time.sleep(1)
    # Where nobody reaps the dead process, its lock files would make it seem alive.
    for path in (postgres.server.pgdata / "postmaster.pid", *postgres.server.pgdata.glob(".s.PGSQL.*")):
        path.unlink()


def processes(postgres: PostgresServer) -> list[int]:
    """Return the process ids of a server, the parent first."""
    parent = postgres.server.get_pid()
    assert parent is not None
    stats = {int(path.parent.name): path for path in Path("/proc").glob("[0-9]*/stat")}
    children = []
    for pid, path in stats.items():
        # Another process may have ended meanwhile.
        with suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                children.append(pid)
    return [parent, *children]


@contextmanager
def hanging(postgres: PostgresServer) -> Iterator[None]:
    """Stop all processes of a server: connections stay open and nothing is answered."""
    stopped = processes(postgres)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def event(course: CourseTree, name: str) -> dict[str, Any]:
    return {"event_id": name, "activity_type": "course_view", "course_id": course.id, "duration_seconds": 5}


async def enrolled(world: World) -> tuple[CourseTree, User]:
    world.clock.now = system_clock()
    course = await world.course()
    return course, await world.learner(course)


@pytest.mark.timeout(180)
async def test_after_postgresql_crashed_the_same_server_process_works_again(
    own_postgres: PostgresServer, own_settings: Settings, own_world: World, tmp_path: Path
) -> None:
    course, learner = await enrolled(own_world)
    headers = own_world.bearer(learner)
    with HeadwayProcess(own_settings.database_url, tmp_path, SECRET_KEY) as server:
        track = f"{server.url}/api/courses/activity/track"
        assert httpx.post(track, json=event(course, "before"), headers=headers).status_code == 201

        kill(own_postgres)
        meanwhile = httpx.post(track, json=event(course, "meanwhile"), headers=headers, timeout=60)
        assert (meanwhile.status_code, meanwhile.json()["success"]) == (503, False)
        assert int(meanwhile.headers["Retry-After"]) > 0
        await asyncio.to_thread(server.wait_until, 503)
        assert httpx.get(f"{server.url}/livez").status_code == 200

        own_postgres.server.ensure_postgres_running()
        await asyncio.to_thread(server.wait_until, 200)
        again = httpx.post(track, json=event(course, "meanwhile"), headers=headers)
        assert again.status_code in {200, 201}
        assert httpx.post(track, json=event(course, "before"), headers=headers).json()["data"]["status"] == "duplicate"
        assert server.stop() == 0
    verified = await Verify(own_world.database, make_checks()).run()
    assert (verified.checked["learner_activity_logs"], verified.differences) == (2, [])


@pytest.mark.timeout(180)
async def test_while_postgresql_hangs_every_request_ends_within_the_timeout(
    own_postgres: PostgresServer, own_settings: Settings, own_world: World, tmp_path: Path
) -> None:
    course, learner = await enrolled(own_world)
    unknown = own_world.bearer(await own_world.learner(course))
    unit = course.units[0].id

    def requests(client: httpx.AsyncClient, round_: str) -> list[Coroutine[Any, Any, httpx.Response]]:
        """Several at once of each kind, so that they wait for a connection, a queue and one another."""
        update = {"courseId": course.id, "courseContentId": unit, "progressPercent": 50}
        entry = {"action": "ACT", "target": {"type": "OTHER"}}
        chapter = {"chapterId": "one", "watchTime": 5}
        return [
            *(client.post("/api/courses/activity/track", json=event(course, f"e{n}")) for n in range(12)),
            *(client.post("/user-progress/update", json=update, headers={"Idempotency-Key": f"{round_}{n}"}) for n in range(6)),
            *(client.post("/api/v1/activities", json=entry) for _ in range(3)),
            *(client.post("/v1/tutorials/progress/rust/chapter", json=chapter) for _ in range(3)),
            *(client.post("/api/v1/learner/auth/login", json={"email": "a@b.cc", "password": "x"}) for _ in range(3)),
            *(client.get("/api/v1/learner/me/progress") for _ in range(12)),
            # The server reads the account before anything else.
            *(client.get("/api/v1/learner/me/progress", headers=unknown) for _ in range(3)),
            *(client.get(f"/user-progress/{course.id}/{learner.id}") for _ in range(3)),
            *(client.get("/api/v1/courses") for _ in range(3)),
        ]

    timeout = {"HEADWAY_DATABASE_TIMEOUT_SECONDS": "5"}
    with HeadwayProcess(own_settings.database_url, tmp_path, SECRET_KEY, **timeout) as server:
        limits = httpx.Limits(max_connections=100)
        async with open_client(server.url, headers=own_world.bearer(learner), timeout=8, limits=limits) as client:
            assert (await client.get("/api/v1/learner/me/progress")).status_code == 200
            with hanging(own_postgres):
                # Twice: those that come later are not behind those that came first.
                for round_ in "ab":
                    answers = await asyncio.gather(*requests(client, round_))
                    assert {(answer.status_code, "Retry-After" in answer.headers) for answer in answers} == {(503, True)}
                assert (await client.get("/livez")).status_code == 200
            await asyncio.to_thread(server.wait_until, 200)
            statuses = {answer.status_code for answer in await asyncio.gather(*requests(client, "b"))}
            assert statuses <= {200, 201, 401, 409, 429}
            repeated = [await client.post("/api/courses/activity/track", json=event(course, f"e{n}")) for n in range(12)]
            assert {answer.json()["data"]["status"] for answer in repeated} == {"duplicate"}
        assert server.stop() == 0
    verified = await Verify(own_world.database, make_checks()).run()
    assert (verified.checked["learner_activity_logs"], verified.differences) == (12, [])


@ON_SQLITE
async def test_another_process_that_writes_to_the_file_only_delays_a_request(
    world: World, database_url: str, tmp_path: Path
) -> None:
    course, learner = await enrolled(world)
    with HeadwayProcess(database_url, tmp_path, SECRET_KEY, HEADWAY_DATABASE_TIMEOUT_SECONDS="2") as server:
        other = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
        async with open_client(server.url, headers=world.bearer(learner), timeout=30) as client:
            other.execute("BEGIN IMMEDIATE")
            short = asyncio.create_task(client.post("/api/courses/activity/track", json=event(course, "short")))
            await asyncio.sleep(0.5)
            assert not short.done()
            assert (await client.get("/livez")).status_code == 200
            other.execute("COMMIT")
            assert (await short).status_code == 201

            other.execute("BEGIN IMMEDIATE")
            long = await client.post("/api/courses/activity/track", json=event(course, "long"))
            other.execute("ROLLBACK")
            assert (long.status_code, "Retry-After" in long.headers) == (503, True)
            # It may have been written after its time was over: a repetition tells.
            again = [await client.post("/api/courses/activity/track", json=event(course, "long")) for _ in range(2)]
            assert (again[0].status_code in {200, 201}, again[1].status_code) == (True, 200)
        other.close()


@ON_SQLITE
async def test_a_command_waits_for_a_transaction_that_is_being_written(world: World, database_url: str) -> None:
    """A server writes in several turns of its event loop, also one in the process of the tests: a command must not stop it."""
    has_begun = asyncio.Event()

    async def write() -> None:
        async with world.database.write():
            has_begun.set()
            await asyncio.sleep(0)

    writing = asyncio.create_task(write())
    await has_begun.wait()
    ended = await run_headway("user", "create", "--name", "A", "--database", database_url, secret_key=SECRET_KEY)
    await writing

    assert (ended.returncode, ended.stderr) == (0, "")


@ON_SQLITE
async def test_a_second_server_on_the_same_file_refuses_to_start(database_url: str, tmp_path: Path) -> None:
    with HeadwayProcess(database_url, tmp_path, SECRET_KEY):
        second = await run_headway("serve", "--database", database_url, "--port", "1", secret_key=SECRET_KEY)

    assert second.returncode == 1
    assert "is in use by another Headway server" in second.stderr
    assert len(second.stderr.splitlines()) == 1


async def test_what_commands_change_beside_a_server_is_seen_within_two_seconds(
    world: World, database_url: str, tmp_path: Path
) -> None:
    course, learner = await enrolled(world)
    with HeadwayProcess(database_url, tmp_path, SECRET_KEY) as server:
        track = f"{server.url}/api/courses/activity/track"
        assert httpx.post(track, json=event(course, "one"), headers=world.bearer(learner)).status_code == 201

        disabled = await run_headway("user", "disable", str(learner.id), "--database", database_url, secret_key=SECRET_KEY)
        done_at = time.monotonic()
        assert disabled.returncode == 0
        while httpx.post(track, json=event(course, "two"), headers=world.bearer(learner)).status_code != 401:
            assert time.monotonic() < done_at + 2
            await asyncio.sleep(0.1)


async def test_a_server_that_is_asked_to_stop_answers_what_is_under_way(
    world: World, database_url: str, tmp_path: Path
) -> None:
    course, learner = await enrolled(world)
    with HeadwayProcess(database_url, tmp_path, SECRET_KEY) as server:
        answers: list[int] = []

        async def write(client: httpx.AsyncClient, number: int) -> None:
            for i in range(10_000):
                try:
                    answer = await client.post("/api/courses/activity/track", json=event(course, f"{number}-{i}"))
                except httpx.ConnectError:
                    return
                answers.append(answer.status_code)
                if answer.status_code == 503:
                    return

        async with open_client(server.url, headers=world.bearer(learner), timeout=30) as client:
            writing = [asyncio.create_task(write(client, number)) for number in range(8)]
            await asyncio.sleep(0.7)
            status = await asyncio.to_thread(server.stop)
            broken = [each for each in await asyncio.gather(*writing, return_exceptions=True) if each is not None]

    verified = await Verify(world.database, make_checks()).run()
    assert status == 0
    # A kept-alive connection may be closed just as the next request is sent on it; such a request was never read.
    assert all(isinstance(each, httpx.RemoteProtocolError | httpx.ReadError) for each in broken)
    assert answers.count(201) == verified.checked["learner_activity_logs"] > 0
    assert verified.differences == []
