"""Forgotten passwords: links that work once, for a short time, and answers that tell nobody who has an account."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import select, text

from headway.accounts.model import User
from headway.accounts.passwords import Passwords
from headway.db.database import Database, WriteTransaction
from headway.db.dialects import Statement
from headway.errors import RateLimited, Unauthenticated
from headway.identity import Client, Role
from headway.mail.tables import mails
from headway.services import Services
from headway.settings import Settings
from tests.app_server import start_app
from tests.databases import SECRET_KEY
from tests.mail_server import MailServer, run_mail_server
from tests.mailing import SITE, mailing, make_sender, newest, until
from tests.world import FakeClock, World

AUTH = "/api/v1/learner/auth"
ADA, PASSWORD, NEW = "ada@example.org", "Corr3ct-Horse", "Batt3ry-Staple"
CLIENT = Client("192.0.2.7")


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with run_mail_server() as made:
        yield made


@pytest.fixture
def settings(database_url: str, server: MailServer) -> Settings:
    return mailing(Settings(database_url=database_url, secret_key=SECRET_KEY, postgres_pool_size=4), server)


@pytest.fixture
async def ada(world: World) -> User:
    made = await world.user(email=ADA)
    await world.set_password(made.id, PASSWORD)
    async with world.database.write() as tx:
        # The mail about the password just set.
        await tx.run(mails.delete())
    return made


async def ask(client: httpx.AsyncClient, email: str = ADA, **headers: str) -> httpx.Response:
    return await client.post(f"{AUTH}/password/forgot", json={"email": email}, headers=headers)


async def reset(client: httpx.AsyncClient, token: str, password: str = NEW) -> httpx.Response:
    return await client.post(f"{AUTH}/password/reset", json={"token": token, "newPassword": password})


async def sign_in(client: httpx.AsyncClient, password: str, email: str = ADA) -> httpx.Response:
    return await client.post(f"{AUTH}/login", json={"email": email, "password": password})


async def token_for(world: World, server: MailServer, email: str = ADA) -> str:
    """Ask for a link beside a server, and return what it holds."""
    count = len(server.to(email))
    await world.services.recovery.ask(email, CLIENT)
    await make_sender(world).drain()
    return (await newest(server, email, count + 1)).token


async def test_the_whole_way(client: httpx.AsyncClient, world: World, ada: User, server: MailServer) -> None:
    before = (await sign_in(client, PASSWORD)).json()["token"]
    answer = await ask(client, " ADA@Example.org", **{"Accept-Language": "de"})
    assert answer.status_code == 202
    mail = await newest(server, ADA)

    assert mail.link.startswith(f"{SITE}/app/reset-password#")
    assert mail.message["Content-Language"] == "de"
    assert (await reset(client, mail.link)).status_code == 204

    assert (await sign_in(client, PASSWORD)).status_code == 401
    assert (await sign_in(client, NEW)).status_code == 201
    me = await client.get("/api/v1/learner/me", headers={"Authorization": f"Bearer {before}"})
    assert me.status_code == 401
    told = await newest(server, ADA, 2)
    assert "/app/forgot-password" in told.text
    assert "#" not in told.text
    entries = await world.rows(text("SELECT action, actor_id FROM audit_entries ORDER BY seq DESC LIMIT 3"))
    assert ("CHANGE_PASSWORD", str(ada.id)) in entries


async def test_a_link_works_once(client: httpx.AsyncClient, world: World, ada: User, server: MailServer) -> None:
    token = await token_for(world, server)
    assert (await reset(client, token)).status_code == 204
    again = await reset(client, token, PASSWORD)

    assert again.status_code == 400
    assert [each["field"] for each in again.json()["errors"]] == ["token"]
    assert (await sign_in(client, NEW)).status_code == 201


async def test_of_two_at_the_same_moment_one_wins(
    client: httpx.AsyncClient, world: World, ada: User, server: MailServer
) -> None:
    token = await token_for(world, server)
    passwords = [f"Batt3ry-Staple-{number}" for number in range(6)]
    answers = await asyncio.gather(*(reset(client, token, each) for each in passwords))

    assert sorted(answer.status_code for answer in answers) == [204, 400, 400, 400, 400, 400]
    winner = passwords[[answer.status_code for answer in answers].index(204)]
    assert (await sign_in(client, winner)).status_code == 201


async def test_a_link_lasts_an_hour(
    client: httpx.AsyncClient, world: World, ada: User, server: MailServer, clock: FakeClock
) -> None:
    token = await token_for(world, server)
    clock.advance(seconds=3_599)
    assert (await reset(client, token, "weak")).status_code == 400
    clock.advance(seconds=1)

    assert (await reset(client, token)).status_code == 400
    assert (await sign_in(client, PASSWORD)).status_code == 201


async def test_a_server_deletes_links_that_expired(world: World, ada: User, clock: FakeClock) -> None:
    links = text("SELECT user_id FROM account_links")
    await world.write(world.services.recovery.make_link, ada.id)
    clock.advance(seconds=7 * 86_400 - 1)
    await world.services.recovery.purge()
    assert len(await world.rows(links)) == 1
    clock.advance(seconds=2)
    async with start_app(world.settings, clock), asyncio.timeout(30):
        while await world.rows(links):
            await asyncio.sleep(0.05)


async def test_a_new_link_ends_the_older_one(client: httpx.AsyncClient, world: World, ada: User, server: MailServer) -> None:
    older, newer = await token_for(world, server), await token_for(world, server)

    assert (await reset(client, older)).status_code == 400
    assert (await reset(client, newer)).status_code == 204


@pytest.mark.parametrize("change", ["password", "address", "disabled"])
async def test_a_change_of_the_account_ends_its_links(
    client: httpx.AsyncClient, world: World, ada: User, server: MailServer, change: str
) -> None:
    token = await token_for(world, server)
    if change == "password":
        await world.set_password(ada.id, "An0ther-Password")
    elif change == "address":
        await world.write(world.services.accounts.change, ada.id, email="ada@elsewhere.example")
    else:
        await world.disable(ada)

    assert (await reset(client, token)).status_code == 400


async def test_a_password_that_breaks_a_rule_costs_no_link(
    client: httpx.AsyncClient, world: World, ada: User, server: MailServer
) -> None:
    token = await token_for(world, server)
    weak = await reset(client, token, "password")

    assert [each["field"] for each in weak.json()["errors"]] == ["newPassword"]
    assert (await reset(client, token)).status_code == 204


@pytest.mark.parametrize(
    "token", ["", "x", "1", "1-", "0-" + "a" * 43, "1-" + "a" * 43, "99999-" + "a" * 43, "1-" + "a" * 42 + "\u00e9", "1" * 900]
)
async def test_what_is_no_link_is_refused_by_its_field(client: httpx.AsyncClient, ada: User, token: str) -> None:
    answer = await reset(client, token)

    assert answer.status_code == 400
    assert [each["field"] for each in answer.json()["errors"]] == ["token"]


async def test_the_link_of_somebody_else_is_no_link(
    client: httpx.AsyncClient, world: World, ada: User, server: MailServer
) -> None:
    other = await world.user(email="eve@example.org")
    token = await token_for(world, server, "eve@example.org")

    assert (await reset(client, token.replace(f"{other.id}-", f"{ada.id}-"))).status_code == 400


async def test_no_secret_is_readable_in_the_database(world: World, ada: User, server: MailServer) -> None:
    token = await token_for(world, server)
    stored = str(await world.rows(text("SELECT * FROM account_links"))) + str(await world.rows(text("SELECT * FROM mails")))

    assert token.partition("-")[2] not in stored
    assert ADA not in stored


class Kinds:
    """An account of each kind that must not be told apart, and none."""

    addresses = ("has@example.org", "disabled@example.org", "outside@example.org", "without@example.org", "nobody@example.org")

    @staticmethod
    async def make(world: World) -> None:
        for name in ("has", "disabled", "outside", "without"):
            external_id = "subject" if name == "outside" else None
            user = await world.user(email=f"{name}@example.org", external_id=external_id)
            if name in {"has", "disabled"}:
                await world.set_password(user.id, PASSWORD)
            if name == "disabled":
                await world.disable(user)
        async with world.database.write() as tx:
            await tx.run(mails.delete())


class Work:
    """What a request does: statements with the sizes of what they are given, and passwords that are hashed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
        self.done: list[str] = []
        done, write = self.done, database.write
        run = Passwords._run

        async def counted(passwords: Passwords, work: Any) -> Any:
            done.append("hash")
            return await run(passwords, work)

        def watched(*args: Any, **options: Any) -> Any:
            done.append("write transaction")
            return write(*args, **options)

        monkeypatch.setattr(Passwords, "_run", counted)
        monkeypatch.setattr(database, "write", watched)
        for kind in _kinds(WriteTransaction):
            for name in ("all", "run"):
                if name in kind.__dict__:
                    monkeypatch.setattr(kind, name, _counting(done, kind.__dict__[name]))

    def take(self) -> list[str]:
        taken, self.done[:] = list(self.done), []
        return taken


def _counting(done: list[str], method: Any) -> Any:
    async def counted(tx: Any, statement: Statement, **given: Any) -> Any:
        done.append(f"{type(statement).__name__} {id(statement)} {sorted(given)}")
        return await method(tx, statement, **given)

    return counted


def _kinds(kind: type) -> list[type]:
    found: list[type] = kind.__subclasses__()
    return [each for direct in found for each in (direct, *_kinds(direct))]


async def test_for_every_address_the_same_is_done_and_answered(
    world: World, settings: Settings, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Kinds.make(world)
    asked = world.services.recovery.ask
    work = Work(monkeypatch, world.database)
    found = []
    for email in Kinds.addresses:
        await asked(email, CLIENT)
        found.append(work.take())

    # The first one on a client writes a row of the limit, which the others find.
    assert found[1] == found[2] == found[3] == found[4]
    assert len(found[1]) > 3
    assert "hash" not in found[1]
    assert len(await world.rows(select(mails.c.id).where(mails.c.kind == "password_asked"))) == len(Kinds.addresses)


async def test_every_answer_is_the_same_byte_for_byte(client: httpx.AsyncClient, world: World, server: MailServer) -> None:
    await Kinds.make(world)
    answers = [await ask(client, email) for email in Kinds.addresses]
    await until(lambda: len(server.received) >= 3)

    def seen(answer: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
        headers = [(name, value) for name, value in answer.headers.items() if name not in {"x-request-id", "date"}]
        return answer.status_code, answer.content, headers

    assert {answer.status_code for answer in answers} == {202}
    assert len({str(seen(answer)) for answer in answers}) == 1
    assert sorted(each.to[0].partition("@")[0] for each in server.received) == ["has", "outside", "without"]


async def test_who_signs_in_elsewhere_is_told_so(
    world: World, settings: Settings, server: MailServer, clock: FakeClock
) -> None:
    outside = {"idp_issuer": "https://id.example", "idp_audience": "headway", "idp_keys": "https://id.example/keys"}
    world = World(world.database, msgspec.structs.replace(settings, oidc_name="Example ID", **outside), clock)
    await Kinds.make(world)
    for email in ("outside@example.org", "without@example.org"):
        await world.services.recovery.ask(email, CLIENT)
    await make_sender(world).drain()

    told = await newest(server, "outside@example.org")
    assert "you sign in with Example ID" in told.text
    assert "#" not in told.text
    assert (await newest(server, "without@example.org")).token


async def test_no_more_mails_for_an_address_and_a_client_than_allowed(
    client: httpx.AsyncClient, world: World, clock: FakeClock, server: MailServer
) -> None:
    for email in ("nobody@example.org", " NOBODY@example.org"):
        statuses = [(await ask(client, email)).status_code for _ in range(3)]
    assert statuses == [202, 202, 429]
    assert (await ask(client, "other@example.org")).status_code == 202
    clock.advance(seconds=3_600)

    assert (await ask(client, "nobody@example.org")).status_code == 202
    statuses = [(await ask(client, f"a{number}@example.org")).status_code for number in range(100)]
    assert statuses[-1] == 429


async def test_without_mail_everybody_is_told_to_ask_an_administrator(settings: Settings, clock: FakeClock, ada: User) -> None:
    without = msgspec.structs.replace(settings, smtp_url=None, mail_from=None, public_url=None)
    async with start_app(without, clock) as app:
        asgi: Any = app
        async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url="http://headway.test") as client:
            answers = [await ask(client, email) for email in (ADA, "nobody@example.org")]

    assert [answer.status_code for answer in answers] == [409, 409]
    assert {answer.json()["code"] for answer in answers} == {"MAIL_NOT_SET_UP"}


async def test_an_administrator_hands_a_link_over_and_mails_one(
    client: httpx.AsyncClient, world: World, ada: User, server: MailServer
) -> None:
    admin = await world.user(Role.ADMIN)
    made = await client.post(f"/api/v1/users/{ada.id}/password-link", headers=world.bearer(admin))
    mailed = await client.post(f"/api/v1/users/{ada.id}/invite", headers=world.bearer(admin))
    mail = await newest(server, ADA)

    assert (made.status_code, mailed.status_code) == (201, 202)
    link = made.json()["data"]
    assert link["url"] == f"{SITE}{link['path']}"
    assert (await reset(client, link["url"])).status_code == 400
    assert (await reset(client, mail.token)).status_code == 204
    entries = await world.rows(text("SELECT action, actor_id FROM audit_entries WHERE action = 'CREATE_PASSWORD_LINK'"))
    assert entries == [("CREATE_PASSWORD_LINK", str(admin.id))] * 2


async def test_an_administrator_invites_new_staff(client: httpx.AsyncClient, world: World, server: MailServer) -> None:
    admin = await world.user(Role.ADMIN)
    body = {"name": "Grace", "email": "grace@example.org", "role": "INSTRUCTOR"}
    made = await client.post("/api/v1/users", json=body, headers=world.bearer(admin))
    mail = await newest(server, "grace@example.org")

    assert made.status_code == 201
    assert (await reset(client, mail.token)).status_code == 204
    signed_in = await sign_in(client, NEW, "grace@example.org")
    assert signed_in.json()["user"]["role"] == "INSTRUCTOR"


async def test_letters_of_links_are_those_of_the_public_address_whatever_host_a_request_names(
    client: httpx.AsyncClient, ada: User, server: MailServer
) -> None:
    await ask(client, Host="evil.example", **{"X-Forwarded-Host": "evil.example"})

    assert "evil.example" not in (await newest(server, ADA)).message.as_string()


async def test_whoever_has_a_network_of_ipv6_has_one_limit(world: World) -> None:
    settings = msgspec.structs.replace(world.settings, mails_per_client=2, failed_sign_ins_per_client=2)
    clients = [Client(f"2001:db8:1:2::{number}") for number in range(1, 4)]
    services = Services(settings, world.database, world.clock)
    for number, client in enumerate(clients[:2]):
        await services.recovery.ask(f"u{number}@example.org", client)
        with pytest.raises(Unauthenticated):
            await services.sign_in.sign_in(email=f"u{number}@example.org", password="x", client=client)

    with pytest.raises(RateLimited):
        await services.recovery.ask("u2@example.org", clients[2])
    with pytest.raises(RateLimited):
        await services.sign_in.sign_in(email="u2@example.org", password="x", client=clients[2])
    await services.recovery.ask("u2@example.org", Client("2001:db8:1:3::1"))
