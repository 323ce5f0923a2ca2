"""What a transaction wrote is there when it has ended, and a task that would wait for its own is refused at once."""

import asyncio
from contextlib import suppress
from typing import Any

import asyncpg
import httpx
import pytest
from litestar import Litestar
from sqlalchemy import select, update

from headway.accounts.tables import users
from headway.audit.tables import audit_entries
from headway.db.database import WriteTransaction
from headway.http.authentication import Authentication
from headway.http.deadline import Deadline
from headway.http.problems import Problems
from headway.http.request import WRITE, Request, Response
from headway.http.routes import make_router, post
from headway.http.routing import Routing
from headway.http.serving import Serving
from headway.identity import Caller
from headway.learning.model import ActivityType, Event, Report
from headway.learning.recording import Ingest
from headway.settings import Settings
from headway.telemetry import Metrics
from tests.integration.audit_log import HERE, draft, log_of
from tests.world import World


async def rename(tx: WriteTransaction, name: str) -> None:
    await tx.run(update(users).values(name=name))


async def names(world: World) -> set[str]:
    return {row[0] for row in await world.rows(select(users.c.name))}


async def test_a_second_write_transaction_of_a_task_is_refused_and_the_first_goes_on(world: World) -> None:
    await world.user()
    async with asyncio.timeout(30), world.database.write() as tx:
        with pytest.raises(RuntimeError, match="has a write transaction open"):
            async with world.database.write() as second:
                await rename(second, "Second")
        await rename(tx, "First")
    assert await names(world) == {"First"}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_what_postgresql_rolled_back_because_a_statement_failed_does_not_seem_committed(world: World) -> None:
    await world.user()

    async def rename_twice(tx: WriteTransaction) -> None:
        await rename(tx, "Lost")
        with suppress(asyncpg.PostgresError):
            await rename(tx, "a NUL, which PostgreSQL does not store: \0")

    with pytest.raises(RuntimeError, match="rolled back"):
        await world.write(rename_twice)

    assert await names(world) == {"PARTICIPANT 1"}


async def test_a_task_may_write_again_after_its_transaction_ended_in_any_way(world: World) -> None:
    await world.user()
    with suppress(ValueError):
        async with world.database.write() as tx:
            await rename(tx, "Undone")
            raise ValueError
    assert not world.database.is_writing()
    for name in ("One", "Two"):
        async with world.database.write() as tx:
            assert world.database.is_writing()
            await rename(tx, name)
    assert await names(world) == {"Two"}


async def test_reading_within_a_write_transaction_is_allowed(world: World) -> None:
    await world.user()
    before = await names(world)
    async with world.database.write() as tx:
        await rename(tx, "New")
        async with world.database.read() as other:
            assert {row[0] for row in await other.all(select(users.c.name))} == before


async def test_several_tasks_write_at_the_same_time(world: World) -> None:
    await world.user()

    async def write(name: str) -> None:
        async with world.database.write() as tx:
            await rename(tx, name)

    await asyncio.gather(*(write(str(number)) for number in range(8)))
    assert await names(world) <= {str(number) for number in range(8)}


async def test_nothing_within_a_write_transaction_waits_for_a_collector(world: World) -> None:
    course = await world.course()
    learner = await world.learner(course)
    log = log_of(world)
    ingest = Ingest(
        world.services.tracking,
        database=world.database,
        clock=world.clock,
        capacity=100,
        group_weight=100,
        metrics=Metrics(),
    )
    report = Report(learner.id, world.clock.now, (Event("view", ActivityType.COURSE_VIEW, course.id),))
    async with asyncio.timeout(30), world.database.write():
        with pytest.raises(RuntimeError, match="cannot wait for the collector"):
            await log.record(Caller(learner.id, learner.role), draft("INSIDE"), HERE)
        with pytest.raises(RuntimeError, match="cannot wait for the collector"):
            await ingest.record(report)
    assert await world.rows(select(audit_entries.c.action).where(audit_entries.c.action == "INSIDE")) == []
    assert len(await ingest.record(report)) == 1


class ForgetfulRoutes:
    """Idempotent routes, of which two forget to pass their transaction on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ingest = world.services.ingest

    @post("/pass", responses={204: ()}, idempotent=True, transaction=WRITE)
    async def pass_on(self, _request: Request[None, None], tx: WriteTransaction) -> Response:
        """Write in the transaction of the request."""
        await rename(tx, "Passed on")
        return Response(204)

    @post("/open", responses={204: ()}, idempotent=True, transaction=WRITE)
    async def open_another(self, _request: Request[None, None], tx: WriteTransaction) -> Response:
        """Write in the transaction of the request, and in another one."""
        await rename(tx, "Forgotten")
        await self._world.write(rename, "Forgotten")
        return Response(204)

    @post("/collect", responses={204: ()}, idempotent=True, transaction=WRITE)
    async def wait_for_collector(self, _request: Request[None, None], tx: WriteTransaction) -> Response:
        """Write in the transaction of the request, and wait for the collector."""
        await rename(tx, "Forgotten")
        await self._ingest.record(Report(1, 0, (Event("view", ActivityType.COURSE_VIEW, 1),)))
        return Response(204)


@pytest.mark.parametrize("path", ["/forgetful/open", "/forgetful/collect"])
async def test_a_route_that_forgets_to_pass_its_transaction_fails_at_once_and_the_server_writes_on(
    world: World, settings: Settings, path: str
) -> None:
    learner = await world.user()
    routes = ForgetfulRoutes(world)
    router = make_router("/forgetful", "Test", [routes], transactions=world.services.transactions, settings=settings)
    problems = Problems([], Metrics())
    authentication = Authentication(
        world.tokens, world.services.accounts, world.services.api_keys, None, world.clock, cache_bytes=1_000
    )
    app: Any = Routing(Litestar([router], openapi_config=None), Serving(Deadline(5), authentication, problems))
    headers = {"Idempotency-Key": "key", **world.bearer(learner)}
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=headers)
    async with client, asyncio.timeout(30):
        failed = [await client.post(path) for _ in range(2)]
        assert await names(world) == {"PARTICIPANT 1"}
        passed = await client.post("/forgetful/pass")
    assert [(each.status_code, each.json()["code"]) for each in failed] == [(500, "INTERNAL_ERROR")] * 2
    assert (passed.status_code, await names(world)) == (204, {"Passed on"})
