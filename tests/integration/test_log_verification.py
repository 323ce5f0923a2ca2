"""Verifying the audit log beside the requests: what is told of it, and that one process does it at a time."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from headway import schema
from headway.audit import verification_store
from headway.audit.model import Action
from headway.audit.verification import LogVerification
from headway.db.large_reads import LargeReads
from headway.errors import Conflict
from headway.identity import Role
from headway.instants import DAY, HOUR, MINUTE
from headway.settings import Settings
from tests.world import World


@pytest.fixture
async def large_reads(settings: Settings) -> AsyncIterator[LargeReads]:
    opened = LargeReads(schema.database(settings, for_large_reads=True))
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def verification(world: World, large_reads: LargeReads) -> LogVerification:
    return LogVerification(world.database, world.clock, large_reads)


async def record(world: World, entries: int) -> None:
    user = await world.user(Role.ADMIN)
    for _ in range(entries):
        await world.write(world.services.audit.record_as_operator, Action.CREATE_TOKEN, user.target)


async def test_what_was_found_is_told_with_its_time(world: World, verification: LogVerification) -> None:
    await record(world, 3)
    before = await world.read(verification.state)

    await verification.start()
    await verification.finish()

    state = await world.read(verification.state)
    assert before.last is None
    assert (before.entries, before.is_running) == (3, False)
    assert state.last is not None
    assert (state.last.verified_at, state.last.entries, state.last.faults) == (world.clock.now, 3, 0)
    assert state.last.first_fault is None
    assert not state.is_running


async def test_a_changed_entry_is_told(world: World, verification: LogVerification) -> None:
    await record(world, 3)
    async with world.database.write() as tx:
        assert await tx.run(text("UPDATE audit_entries SET action = 'LOGIN' WHERE seq = 2")) == 1

    await verification.start()
    await verification.finish()

    last = (await world.read(verification.state)).last
    assert last is not None
    assert (last.faults, last.first_fault) == (1, "entry 2 was changed: its hash is another")


async def test_one_process_verifies_at_a_time(world: World, verification: LogVerification, large_reads: LargeReads) -> None:
    other = LogVerification(world.database, world.clock, large_reads)
    await record(world, 1)
    await verification.start()

    with pytest.raises(Conflict):
        await other.start()
    await verification.finish()
    await other.start()
    await other.finish()

    assert (await world.read(other.state)).last is not None


async def test_a_process_that_crashed_while_it_verified_holds_up_others_for_an_hour(
    world: World, verification: LogVerification
) -> None:
    await record(world, 1)
    await world.write(verification_store.claim, world.clock.now, lost_before=0)

    with pytest.raises(Conflict):
        await verification.start()
    world.clock.now += HOUR
    await verification.start()
    await verification.finish()

    assert (await world.read(verification.state)).last is not None


async def test_a_server_that_stops_lets_go(world: World, verification: LogVerification) -> None:
    await record(world, 1)
    await verification.start()

    await verification.close()

    assert not (await world.read(verification.state)).is_running


async def test_by_itself_it_is_verified_once_a_day_and_not_at_once(world: World, verification: LogVerification) -> None:
    await record(world, 2)
    times: list[int] = []
    for pause in (0, 9 * MINUTE, 2 * MINUTE, HOUR, DAY - 2 * HOUR, 2 * HOUR):
        world.clock.now += pause
        await verification.look()
        await verification.finish()
        last = (await world.read(verification.state)).last
        times += [] if last is None or last.verified_at in times else [last.verified_at]

    first = 1_767_268_800_000 + 11 * MINUTE
    assert times == [first, first + DAY + HOUR]
