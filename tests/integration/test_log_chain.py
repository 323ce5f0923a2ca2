"""What many processes append at once, or are killed at, stands in one chain; and what is undone leaves nothing in it."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import select

from headway.accounts.naming import find_user
from headway.audit.chain import sha256
from headway.audit.model import EntryFilter
from headway.audit.service import AuditLog
from headway.audit.tables import audit_entries
from headway.audit.verify import verify_log
from headway.db.database import WriteTransaction
from headway.errors import Unauthenticated
from headway.identity import Caller, Role
from headway.ids import uuid7
from headway.paging.service import Walk
from headway.settings import Settings
from headway.telemetry import Metrics
from headway.tutorials.model import ChapterReport
from tests.databases import SECRET_KEY
from tests.integration.audit_log import HERE, draft, faults, log_of
from tests.integration.concurrency import open_world, wait_until
from tests.processes import HeadwayProcess, open_client
from tests.world import World


async def test_what_is_told_of_people_cannot_be_guessed_from_hashes(world: World) -> None:
    user, log = await world.user(), log_of(world)
    for _ in range(2):
        await log.record(Caller(user.id, user.role), draft("SAME"), HERE)

    hashes = [row[0] for row in await world.rows(select(audit_entries.c.content_hash))]

    assert len(set(hashes)) == 2
    (content,) = await world.decrypt((await world.rows(select(audit_entries.c.content)))[0][0])
    assert sha256(content.encode()) in hashes
    assert '"salt":"' in content


async def test_several_processes_append_to_one_chain_and_lose_nothing(settings: Settings) -> None:
    async with open_world(settings) as one, open_world(settings) as other:
        users = [await one.user() for _ in range(4)]
        logs = [log_of(one), log_of(other)]
        wanted = [f"STEP_{number}" for number in range(120)]

        async def sign_in(world: World) -> None:
            with pytest.raises(Unauthenticated):
                await world.services.sign_in.sign_in(email="nobody@example.org", password="x", client=HERE)

        made, _ = await asyncio.gather(
            asyncio.gather(
                *(
                    logs[number % 2].record(Caller(users[number % 4].id, Role.PARTICIPANT), draft(action), HERE)
                    for number, action in enumerate(wanted)
                )
            ),
            asyncio.gather(*(sign_in(world) for world in (one, other) * 2)),
        )

        found = await other.read(verify_log, kept_head=None)
        assert (found.checked, found.faults) == (124, [])
        assert sorted(each.action for each in made) == sorted(wanted)
        assert len({each.id for each in made}) == 120
        stored = [row[0] for row in await one.rows(select(audit_entries.c.action).order_by(audit_entries.c.seq))]
        assert [stored[each.seq - 1] for each in made] == wanted
        assert stored.count("LOGIN_FAILED") == 4


async def test_what_is_undone_leaves_no_entry(world: World) -> None:
    user, log = await world.user(), log_of(world)
    caller = Caller(user.id, user.role)

    async def fail(tx: WriteTransaction) -> None:
        await log.record_in(tx, caller, draft("UNDONE"), HERE)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await world.write(fail)
    await world.write(log.record_in, caller, draft("DONE"), HERE)

    walk = Walk(10, 1)
    page = await world.read(log.read, Caller(user.id, Role.ADMIN), EntryFilter(), walk)
    assert ([each.action for each in page], [each.seq for each in page], walk.next_cursor) == (["DONE"], [1], None)
    assert await faults(world) == []


async def test_an_entry_names_its_actor_as_the_account_is_called_now(world: World) -> None:
    user, accounts, log = await world.user(), world.services.accounts, log_of(world)
    await log.record(await accounts.caller(user.id, user.token_version), draft("BEFORE"), HERE)
    await world.write(accounts.change_profile, user.id, name="Ada Lovelace")

    entry = await log.record(await accounts.caller(user.id, user.token_version), draft("AFTER"), HERE)

    assert (entry.actor.name, entry.actor.role) == ("Ada Lovelace", user.role)


async def test_a_reset_is_told_once_and_with_who_asked_for_it(world: World) -> None:
    learner, admin = await world.user(), await world.user(Role.ADMIN)
    by_admin = Caller(admin.id, Role.ADMIN)
    await world.write(
        world.services.tutorials.report_chapter, by_admin, "engines", str(learner.id), ChapterReport(id="one", watch_time=5)
    )

    for _ in range(2):
        await world.write(world.services.tutorials.reset, by_admin, "engines", str(learner.id), HERE)

    resets = EntryFilter(action="RESET_PROGRESS")
    (reset,) = await world.read(log_of(world).read, by_admin, resets, Walk(10, 1))
    assert (reset.recorded_by, reset.actor.user_id, reset.client) == (None, str(admin.id), HERE)
    assert reset.target.id == "engines"
    assert reset.metadata == {"learnerId": str(learner.id), "tutorialId": "engines"}


async def test_entries_that_are_written_alone_wait_for_nobody_who_waits_for_them(settings: Settings) -> None:
    few = msgspec.structs.replace(settings, postgres_pool_size=2, database_timeout_seconds=5)
    async with open_world(few) as world:
        user = await world.user()
        caller, log = Caller(user.id, user.role), log_of(world)
        both = asyncio.Barrier(2 if settings.is_sqlite is False else 1)

        async def alone(action: str) -> None:
            async with world.database.write() as tx:
                await both.wait()
                world.clock.advance(seconds=2)
                await asyncio.sleep(0.1)
                await log.record_in(tx, caller, draft(action), HERE)

        async def authenticate() -> None:
            await asyncio.sleep(0.05)
            world.clock.advance(seconds=2)
            await world.services.accounts.caller(user.id, user.token_version)

        await world.services.accounts.caller(user.id, user.token_version)
        await asyncio.gather(alone("ONE"), alone("TWO"), authenticate())

        assert (await world.read(verify_log, kept_head=None)).checked == 2


async def test_large_entries_are_written_in_small_groups(world: World) -> None:
    user, metrics = await world.user(), Metrics()
    log = AuditLog(world.database, world.clock, uuid7, metrics, find_user=find_user)
    large = draft("LARGE")._replace(metadata={"text": "x" * 30_000}, size_bytes=30_000)

    await asyncio.gather(*(log.record(Caller(user.id, user.role), large, HERE) for _ in range(60)))

    groups = metrics.registry.get_sample_value("headway_log_group_size_count")
    assert groups is not None
    assert groups >= 4
    assert (await world.read(verify_log, kept_head=None)).checked == 60


async def test_entries_that_were_acknowledged_are_there_after_a_crash_and_the_chain_holds(
    settings: Settings, tmp_path: Any
) -> None:
    async with open_world(settings) as world:
        headers = world.bearer(await world.user())
        acknowledged: list[str] = []

        async def post(url: str, number: int) -> None:
            async with open_client(url, timeout=20) as client:
                for step in range(1_000):
                    body = {"action": f"STEP_{number}_{step}", "target": {"type": "SYSTEM"}}
                    try:
                        answer = await client.post("/api/v1/activities", json=body, headers=headers)
                    except httpx.HTTPError:
                        return
                    assert answer.status_code == 201
                    acknowledged.append(answer.json()["data"]["_id"])

        with HeadwayProcess(settings.database_url, tmp_path, SECRET_KEY) as server:
            for _ in range(2):
                before = len(acknowledged)
                posting = [asyncio.create_task(post(server.url, number)) for number in range(8)]
                await wait_until(lambda least: len(acknowledged) > least, before + 100)
                await asyncio.to_thread(server.kill)
                await asyncio.gather(*posting)
                assert len(acknowledged) > before
                await asyncio.to_thread(server.start)

        found = await world.read(verify_log, kept_head=None)
        assert found.faults == []
        stored = {row[0] for row in await world.rows(select(audit_entries.c.id))}
        assert set(acknowledged) <= stored
        # What was under way in each client may have been written without its answer.
        assert found.checked <= len(acknowledged) + 2 * 8
