"""A change of an account makes all server processes forget that account, and no other: at once, or within two seconds."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, func, select, update

from headway.accounts.model import Session, User
from headway.accounts.service import Accounts
from headway.db.database import ReadTransaction
from headway.db.dialects import WriteRows
from headway.db.revisions import Revisions
from headway.db.tables import account_changes, revisions
from headway.errors import Unauthenticated
from headway.identity import Caller, CourseRole, Role
from headway.instants import DAY, SECOND
from headway.services import Services
from headway.settings import Settings
from tests.counting_database import CountingDatabase
from tests.databases import SECRET_KEY
from tests.integration.concurrency import open_world, run_servers
from tests.integration.test_live_rights import (
    HERE,
    PASSWORD,
    change_password,
    change_role,
    disable,
    set_password,
    sign_out,
    signed_in,
    use_a_refresh_token_again,
)
from tests.integration.test_sessions import eventually, status_of
from tests.processes import open_client, run_headway
from tests.world import World

Change = Callable[[World, Services, User, Session], Awaitable[None]]


class Process:
    """The services of a server process, and how many statements it takes to know a caller."""

    def __init__(self, settings: Settings, world: World, database: Any = None) -> None:
        self.database: Any = database
        if database is None:
            self.database = CountingDatabase(world.database)
        self.services = Services(settings, self.database, world.clock)

    async def caller(self, user: User, session_id: str | None = None) -> Caller | None:
        """Return the caller of a token that was issued when the account was like this; None if it was revoked."""
        try:
            return await self.services.accounts.caller(user.id, user.token_version, session_id)
        except Unauthenticated:
            return None

    async def statements(self, user: User) -> int:
        """Return how many statements it takes to know a caller."""
        before = self.database.statements
        assert await self.caller(user) is not None
        return int(self.database.statements - before)


async def change_name_as_operator(_world: World, services: Services, user: User, _session: Session) -> None:
    async with services.database.write() as tx:
        await services.accounts.change(tx, user.id, name="Countess")


async def change_address(_world: World, services: Services, user: User, _session: Session) -> None:
    async with services.database.write() as tx:
        await services.accounts.change(tx, user.id, email="countess@example.org")


async def change_own_name(_world: World, services: Services, user: User, _session: Session) -> None:
    async with services.database.write() as tx:
        await services.accounts.change_profile(tx, user.id, name="Ada L.")


async def enable_again(world: World, services: Services, user: User, session: Session) -> None:
    await disable(world, services, user, session)
    async with services.database.write() as tx:
        await services.accounts.set_disabled(tx, user.id, is_disabled=False)


ENDS = [disable, enable_again, change_role, change_password, set_password, sign_out, use_a_refresh_token_again]
KEEPS = [change_name_as_operator, change_address, change_own_name]


async def expected_caller(world: World, user: User, session_id: str) -> Caller:
    stored = await world.find_user(user.id)
    return Caller(stored.id, stored.role, stored.external_id, session_id, stored.name, stored.email)


@pytest.mark.parametrize("change", [*ENDS, *KEEPS])
async def test_a_change_is_seen_at_once_where_it_is_made_and_a_second_later_elsewhere_and_costs_the_others_nothing(
    world: World, settings: Settings, change: Change
) -> None:
    session = await signed_in(world)
    bystander = await world.user()
    here, there = Process(settings, world), Process(settings, world)
    for process in (here, there):
        assert await process.caller(session.user, session.id) == await expected_caller(world, session.user, session.id)
        await process.caller(bystander)

    await change(world, here.services, session.user, session)

    expected = None if change in ENDS else await expected_caller(world, session.user, session.id)
    assert await here.caller(session.user, session.id) == expected
    world.clock.advance(seconds=1)
    assert await there.caller(session.user, session.id) == expected
    assert [await process.statements(bystander) for process in (here, there)] == [1, 0]
    assert [await process.statements(bystander) for process in (here, there)] == [0, 0]


async def test_what_changes_no_account_makes_nobody_forget(world: World, settings: Settings) -> None:
    session = await signed_in(world)
    here, there = Process(settings, world), Process(settings, world)
    for process in (here, there):
        await process.caller(session.user)

    with pytest.raises(Unauthenticated):
        await here.services.sign_in.sign_in(email="ada@example.org", password=f"{PASSWORD}!", client=HERE)
    await here.services.sign_in.sign_in(email="ada@example.org", password=PASSWORD, client=HERE)
    await world.write(here.services.accounts.change_profile, session.user.id, interests=["numbers"])
    await here.services.sign_in.refresh(user_id=session.user.id, session_id=session.id, generation=1, client=HERE)
    world.clock.advance(seconds=1)

    # Only the question whether anything changed.
    assert [await process.statements(session.user) for process in (here, there)] == [1, 1]
    assert await world.rows(select(func.count()).select_from(account_changes)) == [(0,)]


async def test_a_session_that_ended_ends_no_other_token_of_its_account(world: World, settings: Settings) -> None:
    session = await signed_in(world)
    other = await world.services.sign_in.sign_in(email="ada@example.org", password=PASSWORD, client=HERE)
    here = Process(settings, world)
    assert await here.caller(session.user, session.id) is not None

    await sign_out(world, here.services, session.user, session)

    assert await here.caller(session.user, session.id) is None
    assert await here.caller(session.user, other.id) is not None
    assert await here.caller(session.user) is not None


async def test_tokens_of_an_ended_session_stay_invalid_after_the_session_would_have_expired(
    world: World, settings: Settings
) -> None:
    settings = msgspec.structs.replace(settings, access_token_seconds=20 * DAY // SECOND)
    here = Process(settings, world)
    session = await signed_in(world)
    world.clock.advance(seconds=8 * DAY // SECOND)
    await here.services.sign_in.sign_in(email="ada@example.org", password=PASSWORD, client=HERE)

    await sign_out(world, here.services, session.user, session)
    world.clock.advance(seconds=DAY // SECOND)
    await here.services.sign_in.sign_in(email="ada@example.org", password=PASSWORD, client=HERE)

    assert await here.caller(session.user, session.id) is None
    assert await Process(settings, world).caller(session.user, session.id) is None


async def test_a_change_of_staff_is_told_of_the_member_that_it_concerns(world: World) -> None:
    course, tutor = await world.course(), await world.user(Role.INSTRUCTOR)
    told = list[Any]()
    world.services.revisions.listen(told.append)

    await world.write(world.services.course_staff.set_role, None, course.id, tutor.id, CourseRole.INSTRUCTOR)
    await world.write(world.services.course_staff.remove, None, course.id, tutor.id)

    assert told == [[tutor.id], [tutor.id]]


class SlowReads(CountingDatabase):
    """A database of which a read takes until the gate is opened again: it has read, and others change what it read."""

    gate: asyncio.Event | None = None

    @asynccontextmanager
    async def read(self, *, single_statement: bool = False) -> AsyncIterator[ReadTransaction]:
        async with super().read(single_statement=single_statement) as tx:
            yield tx
        gate, self.gate = self.gate, None
        if gate is not None:
            await gate.wait()


async def slow_read(process: Process, user: User) -> tuple[asyncio.Task[Caller | None], asyncio.Event]:
    """Return a read of a caller that has read the account, and the gate for which it waits then."""
    gate = process.database.gate = asyncio.Event()
    reading = asyncio.create_task(process.caller(user))
    while process.database.gate is not None:
        await asyncio.sleep(0)
    return reading, gate


@pytest.mark.parametrize("is_here", [True, False], ids=["here", "elsewhere"])
async def test_what_was_read_before_a_change_is_not_remembered_after_it(
    world: World, settings: Settings, *, is_here: bool
) -> None:
    process = Process(settings, world, SlowReads(world.database))
    user, bystander = await world.user(), await world.user()
    await process.caller(bystander)
    reading, gate = await slow_read(process, user)

    changed_by = process.services if is_here else world.services
    async with changed_by.database.write() as tx:
        await changed_by.accounts.change(tx, user.id, name="Countess")
    world.clock.advance(seconds=0 if is_here else 1)
    await process.caller(bystander)
    gate.set()

    before, after = await reading, await process.caller(user)
    assert before is not None
    assert after is not None
    assert (before.name, after.name) == (user.name, "Countess")


async def test_what_was_read_while_another_account_changed_is_remembered(world: World, settings: Settings) -> None:
    process = Process(settings, world, SlowReads(world.database))
    user, other = await world.user(), await world.user()
    await process.caller(other)
    reading, gate = await slow_read(process, user)

    await world.write(process.services.accounts.change, other.id, name="Countess")
    gate.set()
    await reading

    assert await process.statements(user) == 0


class HesitantReads(CountingDatabase):
    """A database of which each read takes a random time longer."""

    chance = Random(13)

    @asynccontextmanager
    async def read(self, *, single_statement: bool = False) -> AsyncIterator[ReadTransaction]:
        async with super().read(single_statement=single_statement) as tx:
            yield tx
        for _ in range(self.chance.randrange(6)):
            await asyncio.sleep(0.001)


async def test_changes_and_reads_at_once_in_two_processes_end_with_what_is_stored(world: World, settings: Settings) -> None:
    processes = [Process(settings, world, HesitantReads(world.database)) for _ in range(2)]
    people = [await world.user() for _ in range(4)]
    chance = Random(7)

    async def change(process: Process, user: User, number: int) -> None:
        await asyncio.sleep(chance.random() * 0.02)
        async with process.services.database.write() as tx:
            await process.services.accounts.change(tx, user.id, name=f"Name {number}", role=chance.choice([None, *Role]))

    async def ask() -> None:
        for _ in range(10):
            await chance.choice(processes).caller(chance.choice(people))
            world.clock.advance(seconds=chance.choice([0, 0.4]))
            await asyncio.sleep(chance.random() * 0.004)

    async def check(process: Process, user: User) -> None:
        stored = await world.find_user(user.id)
        caller = await process.caller(stored)
        assert caller is not None
        assert (caller.name, caller.role) == (stored.name, stored.role)

    for number in range(20):
        changing, user = chance.choice(processes), chance.choice(people)
        await asyncio.gather(change(changing, user, number), *(ask() for _ in range(4)))
        await check(changing, user)
        world.clock.advance(seconds=1)
        for process in processes:
            for each in people:
                await check(process, each)


@pytest.mark.parametrize(
    "loss",
    [
        delete(account_changes),
        delete(account_changes).where(account_changes.c.revision < 4),
        update(account_changes).values(revision=account_changes.c.revision + 100),
    ],
    ids=["no change is kept", "the first ones are not", "they come after a gap"],
)
async def test_a_process_that_cannot_tell_who_changed_reads_all_accounts_again(
    world: World, settings: Settings, loss: Any
) -> None:
    process = Process(settings, world)
    user, bystander = await world.user(), await world.user()
    await world.write(world.services.accounts.change, bystander.id, name="Known")
    for each in (user, bystander):
        await process.caller(each)
    for number in range(3):
        await world.write(world.services.accounts.change, bystander.id, name=f"Name {number}")
    await world.disable(user)
    async with world.database.write() as tx:
        await tx.run(loss)

    world.clock.advance(seconds=1)

    assert await process.caller(user) is None
    caller = await process.caller(bystander)
    assert caller is not None
    assert caller.name == "Name 2"


async def test_the_newest_ten_thousand_changes_are_kept(world: World, settings: Settings) -> None:
    user, bystander, forgotten = await world.user(), await world.user(), await world.user()
    process, idle = Process(settings, world), Process(settings, world)
    await world.write(world.services.accounts.change, user.id, name="First")
    for each in (process, idle):
        for person in (user, bystander):
            await each.caller(person)
    numbers = [(number, forgotten.id) for number in range(2, 10_001)]
    async with world.database.write() as tx:
        await tx.write_rows((WriteRows(account_changes, ["revision", "user_id"]), numbers))
        await tx.run(update(revisions).where(revisions.c.name == "accounts").values(revision=10_000))

    await world.disable(user)
    world.clock.advance(seconds=1)
    assert await process.caller(user) is None
    assert await process.statements(bystander) == 0

    await world.disable(forgotten)
    assert await world.rows(select(func.count(), func.min(account_changes.c.revision)).select_from(account_changes)) == [
        (10_000, 3)
    ]
    # It knows the first change, and cannot see that the second was none of the bystander's.
    assert await idle.caller(user) is None
    assert await idle.statements(bystander) == 1


async def test_with_more_accounts_than_there_is_room_for_those_are_remembered_that_called_last(world: World) -> None:
    database: Any = CountingDatabase(world.database)
    changes = Revisions(database, world.clock)
    audit = world.services.audit
    accounts = Accounts(database, world.clock, changes, audit, token_lifetime=DAY, cache_bytes=10_000)
    people = [await world.user() for _ in range(40)]

    for _ in range(2):
        for user in [*people, *people[-10:]]:
            await accounts.caller(user.id, user.token_version)

    # Once for each that had gone, and once to see that nothing changed.
    assert database.statements == 81


@pytest.fixture
async def school(settings: Settings) -> AsyncIterator[tuple[World, User, User]]:
    """A world beside the servers, a tutor and a learner."""
    async with open_world(settings) as world:
        yield world, await world.user(Role.INSTRUCTOR, email="tutor@example.org"), await world.user()


async def test_commands_beside_servers_are_seen_within_two_seconds(
    settings: Settings, tmp_path: Path, school: tuple[World, User, User]
) -> None:
    world, tutor, bystander = school
    other = world.tokens.issue(bystander)

    async def headway(*arguments: str) -> None:
        ran = await run_headway(*arguments, "--database", settings.database_url, secret_key=SECRET_KEY)
        assert ran.returncode == 0, ran.stderr

    with run_servers(settings, tmp_path) as urls:
        async with open_client(urls[-1]) as client:
            assert [await status_of(client, token) for token in (world.tokens.issue(tutor), other)] == [200, 200]

            async def actor() -> dict[str, Any]:
                draft = {"action": "ACT", "target": {"type": "OTHER"}}
                answer = await client.post("/api/v1/activities", json=draft, headers=world.bearer(tutor))
                return dict(answer.json()["data"]["actor"])

            await headway("user", "change", str(tutor.id), "--name", "Countess", "--email", "countess@example.org")
            give_up = asyncio.get_running_loop().time() + 2
            while (await actor())["name"] != "Countess":
                assert asyncio.get_running_loop().time() < give_up
                await asyncio.sleep(0.05)
            assert (await actor())["email"] == "countess@example.org"

            for change in (
                headway("user", "change", str(tutor.id), "--role", "ADMIN"),
                world.set_password(tutor.id, PASSWORD),
                headway("user", "disable", str(tutor.id)),
            ):
                token = world.tokens.issue(await world.find_user(tutor.id))
                assert await eventually(client, token, 200)
                await change
                assert await eventually(client, token, 401)
            await headway("user", "enable", str(tutor.id))
            assert await status_of(client, token) == 401
            assert await eventually(client, world.tokens.issue(await world.find_user(tutor.id)), 200)
            assert await status_of(client, other) == 200
