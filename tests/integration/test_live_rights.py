"""Live clients and requests whose rights end: by whichever way they end, here and elsewhere, and by how many statements."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import func, select, update
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from headway.accounts.model import NewUser, Session, User
from headway.accounts.tables import users
from headway.db.database import ReadTransaction
from headway.db.dialects import WriteRows
from headway.db.tables import account_changes
from headway.errors import Unauthenticated
from headway.http.authentication import Authentication, Credential
from headway.http.identity_provider import IdentityProvider
from headway.identity import Client, CourseRole, Role
from headway.learning.tables import learner_activity_logs
from headway.live.rights import Rights, RightsWatch
from headway.services import Services
from headway.settings import Settings
from tests.counting_database import CountingDatabase
from tests.databases import SECRET_KEY
from tests.integration.concurrency import open_world, run_servers
from tests.integration.test_live_clients import follow, heard, heard_entry, live, say
from tests.processes import HeadwayProcess, open_client, run_headway
from tests.unit.provider import AUDIENCE, ISSUER, ec_key, key_set
from tests.world import FakeClock, World

HERE = Client("192.0.2.1")
PASSWORD = "Corr3ct-Horse"

End = Callable[[World, Services, User, Session], Awaitable[None]]


async def disable(_world: World, services: Services, user: User, _session: Session) -> None:
    async with services.database.write() as tx:
        await services.accounts.set_disabled(tx, user.id, is_disabled=True)


async def change_role(_world: World, services: Services, user: User, _session: Session) -> None:
    async with services.database.write() as tx:
        await services.accounts.change(tx, user.id, role=Role.INSTRUCTOR)


async def change_password(_world: World, services: Services, user: User, _session: Session) -> None:
    await services.sign_in.change_password(user.id, current=PASSWORD, new="An0ther-Horse", client=HERE)


async def set_password(_world: World, services: Services, user: User, _session: Session) -> None:
    hashed = await services.sign_in.hash_new("An0ther-Horse")
    async with services.database.write() as tx:
        await services.sign_in.set_password(tx, user.id, hashed)


async def sign_out(_world: World, services: Services, user: User, session: Session) -> None:
    async with services.database.write() as tx:
        await services.sign_in.sign_out(tx, user.id, session.id)


async def use_a_refresh_token_again(world: World, services: Services, user: User, session: Session) -> None:
    await services.sign_in.refresh(user_id=user.id, session_id=session.id, generation=1, client=HERE)
    world.clock.advance(seconds=31)
    with pytest.raises(Unauthenticated):
        await services.sign_in.refresh(user_id=user.id, session_id=session.id, generation=1, client=HERE)


ENDS = [disable, change_role, change_password, set_password, sign_out, use_a_refresh_token_again]


async def signed_in(world: World) -> Session:
    password_hash = await world.services.sign_in.hash_new(PASSWORD)
    new = NewUser(Role.PARTICIPANT, "Ada", "ada@example.org", None, password_hash)
    await world.write(world.services.accounts.add, new)
    return await world.services.sign_in.sign_in(email="ada@example.org", password=PASSWORD, client=HERE)


def watch_of(services: Services, database: Any = None) -> RightsWatch:
    authentication = Authentication(
        services.tokens, services.accounts, services.api_keys, None, services.clock, cache_bytes=1_000_000
    )
    database = services.database if database is None else database
    return RightsWatch(database, services.clock, services.accounts, services.revisions, authentication)


def nothing(_topic: str) -> None:
    """Stand in where no topic is followed."""


async def ensured(watch: RightsWatch, rights: Rights) -> bool:
    try:
        await watch.ensure(rights)
    except Unauthenticated:
        return False
    return True


@pytest.mark.parametrize("end", ENDS)
async def test_rights_end_at_once_in_the_process_that_ends_them_and_a_second_later_elsewhere(
    world: World, settings: Settings, end: End
) -> None:
    session = await signed_in(world)
    token = world.services.tokens.issue(session.user, session_id=session.id)
    bystander = world.tokens.issue(await world.user())
    elsewhere = Services(settings, world.database, world.clock)
    watches = [watch_of(world.services), watch_of(elsewhere)]
    clients = [[await watch.admit(each, nothing) for each in (token, bystander)] for watch in watches]
    began = world.clock.now

    await end(world, world.services, session.user, session)

    assert not await ensured(watches[0], clients[0][0])
    # What another process has read less than a second ago may still hold.
    assert await ensured(watches[1], clients[1][0]) is (world.clock.now == began)
    world.clock.advance(seconds=1)
    assert not await ensured(watches[1], clients[1][0])
    assert [await ensured(watch, own[1]) for watch, own in zip(watches, clients, strict=True)] == [True, True]
    for services in (world.services, elsewhere):
        with pytest.raises(Unauthenticated):
            await watch_of(services).admit(token, nothing)


async def test_an_outside_token_follows_the_role_of_its_account_and_ends_with_it(
    world: World, clock: FakeClock, tmp_path: Path
) -> None:
    key, lost = ec_key("ec-1"), list[str]()
    (tmp_path / "keys").write_bytes(key_set(key))
    outside = Settings(idp_issuer=ISSUER, idp_audience=AUDIENCE, idp_keys=str(tmp_path / "keys"))
    provider = IdentityProvider.from_settings(outside, clock)
    services = world.services
    authentication = Authentication(
        services.tokens, services.accounts, services.api_keys, provider, clock, cache_bytes=1_000_000
    )
    watch = RightsWatch(services.database, clock, services.accounts, services.revisions, authentication)
    tutor = await world.user(Role.INSTRUCTOR, external_id="8f14e45f-ada")
    mine, other = await world.course(), await world.course()
    await world.write(services.course_staff.set_role, None, mine.id, tutor.id, CourseRole.OWNER)
    rights = await watch.admit(key.token(), lost.append)
    rights.topics |= {f"course:{mine.id}", f"course:{other.id}", f"user:{tutor.id}"}

    await world.write(services.accounts.change, tutor.id, role=Role.ADMIN)
    assert await ensured(watch, rights)
    assert (rights.caller.role, lost) == (Role.ADMIN, [])
    await world.write(services.accounts.change, tutor.id, role=Role.INSTRUCTOR)
    assert await ensured(watch, rights)
    assert (rights.caller.role, lost) == (Role.INSTRUCTOR, [f"course:{other.id}"])
    await world.write(services.accounts.change, tutor.id, role=Role.PARTICIPANT)
    assert await ensured(watch, rights)
    assert lost == [f"course:{other.id}", f"course:{mine.id}"]
    assert rights.topics == {f"user:{tutor.id}"}
    clock.advance(seconds=299)
    assert await ensured(watch, rights)
    await world.disable(tutor)
    assert not await ensured(watch, rights)


async def test_rights_end_with_their_token(world: World, clock: FakeClock) -> None:
    watch = watch_of(world.services)
    rights = await watch.admit(world.tokens.issue(await world.user(), lifetime_seconds=60), nothing)
    clock.advance(seconds=59)
    assert await ensured(watch, rights)
    clock.advance(seconds=1)
    assert not await ensured(watch, rights)


async def test_a_change_that_comes_while_a_client_is_let_in_is_seen(world: World, clock: FakeClock) -> None:
    user = await world.user()
    services = world.services

    class SlowAuthentication(Authentication):
        async def verify(self, token: str) -> Credential:
            verified = await super().verify(token)
            await world.disable(user)
            return verified

    authentication = SlowAuthentication(
        services.tokens, services.accounts, services.api_keys, None, clock, cache_bytes=1_000_000
    )
    watch = RightsWatch(services.database, clock, services.accounts, services.revisions, authentication)

    rights = await watch.admit(world.tokens.issue(user), nothing)

    assert not await ensured(watch, rights)


async def test_a_change_that_comes_while_rights_are_checked_is_seen(world: World, clock: FakeClock) -> None:
    user = await world.user(Role.INSTRUCTOR)

    class ChangingAccounts(CountingDatabase):
        @asynccontextmanager
        async def read(self, *, single_statement: bool = False) -> AsyncIterator[ReadTransaction]:
            async with super().read(single_statement=single_statement) as tx:
                yield tx
            if self.statements == 1:
                await world.disable(user)

    watch = watch_of(world.services, ChangingAccounts(world.database))
    rights = await watch.admit(world.tokens.issue(user), nothing)
    await world.write(world.services.accounts.change, user.id, name="Ada")

    assert await ensured(watch, rights)
    assert not await ensured(watch, rights)


async def test_a_changed_account_costs_statements_for_its_own_clients_and_a_thousand_share_one(
    world: World, clock: FakeClock
) -> None:
    count = 2_500
    names = ["role", "name", "token_version", "is_disabled", "created_at", "updated_at"]
    people = [("PARTICIPANT", f"N {number}", 1, False, 0, 0) for number in range(count)]
    async with world.database.write() as tx:
        await tx.write_rows((WriteRows(users, names), people))
    ids = [user_id for (user_id,) in await world.rows(select(users.c.id).order_by(users.c.id))]
    user = await world.find_user(ids[7])
    database = CountingDatabase(world.database)
    watch = watch_of(world.services, database)
    clients = [await watch.admit(world.tokens.issue(msgspec.structs.replace(user, id=each)), nothing) for each in ids]
    assert await ensured(watch, clients[0])
    assert database.statements == 0

    await world.disable(user)
    allowed = await asyncio.gather(*(ensured(watch, each) for each in clients))

    assert [number for number, is_allowed in enumerate(allowed) if not is_allowed] == [7]
    assert database.statements == 1

    # A process that cannot tell who changed checks all.
    async with world.database.write() as tx:
        await tx.run(update(account_changes).values(revision=account_changes.c.revision + 100))
    clock.advance(seconds=1)
    assert await ensured(watch, clients[8])
    assert database.statements == 4


@pytest.fixture
async def people(settings: Settings) -> AsyncIterator[tuple[World, User, User]]:
    """A world beside the servers, and two learners of one course."""
    async with open_world(settings) as world:
        course = await world.course()
        yield world, await world.learner(course), await world.learner(course)


async def test_a_client_that_is_disabled_by_a_command_is_shown_out_and_hears_no_more(
    settings: Settings, tmp_path: Path, people: tuple[World, User, User]
) -> None:
    world, ada, bob = people
    with run_servers(settings, tmp_path) as urls:
        async with live(urls[-1], world, bob) as socket, live(urls[-1], world, ada) as other:
            await follow(socket, f"user:{bob.id}")
            await follow(other, f"user:{ada.id}")

            disabled = await run_headway(
                "user", "disable", str(bob.id), "--database", settings.database_url, secret_key=SECRET_KEY
            )
            assert disabled.returncode == 0, disabled.stderr
            with pytest.raises(ConnectionClosed) as closed:
                await heard(socket, seconds=4)

            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4401
            await world.write(world.services.messaging.send, ada.id, bob.id, "Are you there?")
            assert (await heard_entry(other))["type"] == "message"


async def hear_of_dropping(socket: ClientConnection) -> None:
    """Listen until the connection is closed: the enrollments end first, which a client may hear, and nothing else."""
    while True:
        assert (await heard(socket, seconds=4))["data"]["status"] == "DROPPED"


async def test_a_client_that_is_erased_by_a_command_is_shown_out_and_comes_in_no_more(
    settings: Settings, tmp_path: Path, people: tuple[World, User, User]
) -> None:
    world, _, bob = people
    flags = ("--confirm", str(bob.id), "--database", settings.database_url)
    with run_servers(settings, tmp_path) as urls:
        async with live(urls[-1], world, bob) as socket:
            await follow(socket, f"user:{bob.id}")

            erased = await run_headway("user", "erase", str(bob.id), *flags, secret_key=SECRET_KEY)
            assert erased.returncode == 0, erased.stderr
            with pytest.raises(ConnectionClosed) as closed:
                await hear_of_dropping(socket)

        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401
        for url in urls:
            async with open_client(url) as client:
                assert (await client.get("/api/v1/learner/feed", headers=world.bearer(bob))).status_code == 401


async def test_a_client_that_signs_out_hears_nothing_that_is_sent_afterwards(
    settings: Settings, tmp_path: Path, people: tuple[World, User, User]
) -> None:
    world, ada, bob = people
    await world.write(world.services.accounts.change, bob.id, email="bob@example.org")
    await world.set_password(bob.id, PASSWORD)
    bob = await world.find_user(bob.id)
    with HeadwayProcess(settings.database_url, tmp_path, SECRET_KEY) as server:
        async with open_client(server.url) as client, live(server.url, world, ada) as other:
            await follow(other, f"user:{ada.id}")
            login = await client.post("/api/v1/learner/auth/login", json={"email": "bob@example.org", "password": PASSWORD})
            bearer = {"Authorization": f"Bearer {login.json()['token']}"}
            async with (
                live(server.url, world, bob) as tokens_own,
                connect(server.url.replace("http", "ws", 1) + "/ws") as socket,
            ):
                await say(socket, type="auth", token=login.json()["token"])
                assert (await heard(socket))["type"] == "ready"
                await follow(tokens_own, f"user:{bob.id}")
                await follow(socket, f"user:{bob.id}")

                assert (await client.post("/api/v1/learner/auth/logout", headers=bearer)).status_code == 204
                message = {"receiverId": str(bob.id), "message": "Still there?"}
                sent = await client.post("/api/v1/learner/messages", json=message, headers=world.bearer(ada))
                assert sent.status_code == 201

                with pytest.raises(ConnectionClosed):
                    await heard(socket)
                # A token that does not belong to the session goes on.
                assert (await heard(tokens_own))["data"]["message"] == "Still there?"


async def test_a_request_whose_body_comes_late_has_the_rights_of_its_end(
    world: World, client: httpx.AsyncClient, clock: FakeClock
) -> None:
    course = await world.course()
    learner = await world.learner(course)

    async def body() -> AsyncIterator[bytes]:
        yield b'{"activity_type": "course_view", '
        await world.disable(learner)
        clock.advance(seconds=2)
        await asyncio.sleep(1.1)
        yield b'"course_id": %d}' % course.id

    headers = {**world.bearer(learner), "Content-Type": "application/json"}
    for path in ("/api/courses/activity/track", "/api/v1/learner/messages"):
        answer = await client.post(path, content=body(), headers=headers)
        assert answer.status_code == 401
    assert await world.rows(select(func.count()).select_from(learner_activity_logs)) == [(0,)]
