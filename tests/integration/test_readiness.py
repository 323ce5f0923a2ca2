"""A server is ready while a write can be committed, and recovers by itself."""

import asyncio
import resource
from pathlib import Path
from typing import Any

import httpx
import pytest

from headway import schema
from headway.db.database import Database
from headway.instants import system_clock
from headway.learning.model import ActivityType, Event, Outcome, Report
from headway.readiness import Readiness
from headway.services import make_checks
from headway.settings import Settings
from headway.verify import Verify
from tests.databases import SECRET_KEY, PostgresServer
from tests.processes import HeadwayProcess, open_client, run_headway
from tests.world import NOON, World

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@ON_SQLITE
async def test_a_server_whose_disk_is_full_is_not_ready_loses_nothing_and_recovers(
    world: World, database_url: str, tmp_path: Path
) -> None:
    world.clock.now = system_clock()
    course = await world.course()
    learner = await world.learner(course)

    def event(name: str) -> dict[str, Any]:
        return {"event_id": name, "activity_type": "course_view", "course_id": course.id, "metadata": {"text": "x" * 5_000}}

    with HeadwayProcess(database_url, tmp_path, SECRET_KEY) as server:
        track = "/api/courses/activity/track"
        async with open_client(server.url, headers=world.bearer(learner), timeout=30) as client:
            before = [(await client.post(track, json=event(f"before {n}"))).status_code for n in range(30)]
            size = Path(f"{database_url.removeprefix('sqlite:///')}-wal").stat().st_size
            unlimited = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
            # No file may grow beyond the size that the log of writes has now.
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, unlimited[1]))
            refused = [await client.post(track, json=event(f"full {n}")) for n in range(5)]
            await asyncio.to_thread(server.wait_until, 503)
            answer = await client.get("/readyz")
            reads = await client.get("/api/v1/learner/me/progress")
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, unlimited)
            await asyncio.to_thread(server.wait_until, 200)
            again = [(await client.post(track, json=event(f"full {n}"))).status_code for n in range(5)]
        assert server.stop() == 0

    assert before == [201] * 30
    assert {(each.status_code, each.headers["Retry-After"]) for each in refused} == {(503, "2")}
    assert (answer.status_code, answer.json()) == (503, {"status": "unavailable", "reason": "the database cannot be written"})
    assert (reads.status_code, again) == (200, [201] * 5)
    verified = await Verify(world.database, make_checks()).run()
    assert (verified.checked["learner_activity_logs"], verified.differences) == (35, [])


@ON_SQLITE
async def test_a_disk_that_has_no_room_for_an_event_has_none_for_the_proof(world: World, database_url: str) -> None:
    course = await world.course()
    learner = await world.learner(course)
    log = Path(f"{database_url.removeprefix('sqlite:///')}-wal")
    unit = course.units[0]
    event = Event("e-1", ActivityType.UNIT_COMPLETE, course.id, unit_id=unit.id, duration_seconds=60, metadata='{"a":"b"}')

    async def proof() -> int:
        before = log.stat().st_size
        assert await Readiness(world.database, version=schema.head()).fault() is None
        return log.stat().st_size - before

    first, second = await proof(), await proof()
    before = log.stat().st_size
    ((verdict,),) = await world.write(world.services.tracking.record, [Report(learner.id, NOON, (event,))], NOON)

    assert verdict.outcome is Outcome.ACCEPTED
    assert min(first, second) > log.stat().st_size - before > 0


@ON_POSTGRESQL
async def test_a_server_whose_database_only_reads_is_not_ready(
    database_url: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    name = database_url.partition("?")[0].rpartition("/")[2]
    with HeadwayProcess(database_url, tmp_path, SECRET_KEY) as server:
        for setting, status in (("SET default_transaction_read_only = on", 503), ("RESET default_transaction_read_only", 200)):
            postgres.sql(f"ALTER DATABASE {name} {setting}")
            postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608
            await asyncio.to_thread(server.wait_until, status)
            if status == 503:
                reason = httpx.get(f"{server.url}/readyz").json()["reason"]

    assert reason == "the database cannot be written"


async def test_however_often_readiness_is_asked_the_database_is_looked_at_once(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = 0
    write = database.write

    def counting(**given: Any) -> Any:
        nonlocal begun
        begun += 1
        return write(**given)

    monkeypatch.setattr(database, "write", counting)
    readiness = Readiness(database, version=schema.head())
    found = await asyncio.gather(*(readiness.fault() for _ in range(200)))
    found += [await readiness.fault() for _ in range(200)]

    assert (set(found), begun) == ({None}, 1)
    assert await Readiness(database, version="0000").fault() == "the database has another schema version"


async def test_the_command_asks_the_server_on_this_machine(database_url: str, tmp_path: Path) -> None:
    with HeadwayProcess(database_url, tmp_path, SECRET_KEY) as server:
        ready = await run_headway("ready", "--port", str(server.port), "--host", "0.0.0.0")  # noqa: S104
    gone = await run_headway("ready", "--port", str(server.port))

    assert (ready.returncode, ready.stdout) == (0, '{"status":"ok"}\n')
    assert gone.returncode == 1
    assert gone.stderr.startswith(f"Error: No server answers at 127.0.0.1, port {server.port}: ")
