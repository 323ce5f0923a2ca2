"""Addresses that have to be proven: registrations, invitations and one's own new address."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from headway.accounts.model import User
from headway.accounts.passwords import Passwords
from headway.courses.model import CourseTree
from headway.enrollments.enrolling_model import Wanted
from headway.enrollments.invitations import check_invitations
from headway.identity import Client
from headway.key_rotation import rotate_keys
from headway.settings import Settings
from headway.verify import Findings
from tests.app_server import open_server
from tests.databases import SECRET_KEY
from tests.mail_server import MailServer, run_mail_server
from tests.mailing import SITE, mailing, make_sender, newest
from tests.world import FakeClock, World

AUTH = "/api/v1/learner/auth"
ADA, PASSWORD = "ada@example.org", "Corr3ct-Horse"
CLIENT = Client("192.0.2.7")


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with run_mail_server() as made:
        yield made


@pytest.fixture
def verifies() -> bool:
    return True


@pytest.fixture
def settings(database_url: str, server: MailServer, *, verifies: bool) -> Settings:
    plain = Settings(database_url=database_url, secret_key=SECRET_KEY, postgres_pool_size=4)
    return mailing(plain, server, verify_email=verifies, mail_enrollments=True)


async def register(client: httpx.AsyncClient, email: str = ADA, password: str = PASSWORD, **given: str) -> httpx.Response:
    return await client.post(f"{AUTH}/register", json={"name": "Ada", "email": email, "password": password, **given})


async def sign_in(client: httpx.AsyncClient, email: str = ADA, password: str = PASSWORD) -> httpx.Response:
    return await client.post(f"{AUTH}/login", json={"email": email, "password": password})


async def confirm(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post(f"{AUTH}/verification/confirm", json={"token": token})


async def test_an_account_begins_when_its_address_is_proven(
    client: httpx.AsyncClient, world: World, server: MailServer
) -> None:
    answer = await register(client, " ADA@example.org")
    assert answer.status_code == 202
    assert answer.json()["data"] == {"email": ADA, "status": "unverified"}
    early = await sign_in(client)
    assert (early.status_code, early.json()["code"]) == (401, "EMAIL_NOT_VERIFIED")
    mail = await newest(server, ADA)
    assert mail.link.startswith(f"{SITE}/app/confirm-registration#")
    assert await world.rows(text("SELECT id FROM users")) == []

    confirmed = await confirm(client, mail.link)
    assert confirmed.status_code == 201
    assert confirmed.json()["data"]["email"] == ADA
    assert (await sign_in(client)).status_code == 201
    assert (await confirm(client, mail.token)).status_code == 400
    assert await world.rows(text("SELECT id FROM registrations")) == []


async def test_the_owner_of_a_taken_address_is_told_and_nobody_else(
    client: httpx.AsyncClient, world: World, server: MailServer
) -> None:
    await world.user(email=ADA)
    taken, free = await register(client), await register(client, "free@example.org")
    told, link = await newest(server, ADA), await newest(server, "free@example.org")

    assert taken.status_code == free.status_code == 202
    assert taken.content.replace(ADA.encode(), b"free@example.org") == free.content
    assert "belongs to an account already" in told.text
    assert "#" not in told.link
    assert link.token
    answers = [await sign_in(client, email) for email in (ADA, "free@example.org")]
    assert {(each.status_code, each.json()["code"]) for each in answers} == {(401, "EMAIL_NOT_VERIFIED")}
    wrong = [await sign_in(client, email, "Wr0ng-Password") for email in (ADA, "free@example.org", "nobody@example.org")]
    assert {(each.status_code, each.json()["code"]) for each in wrong} == {(401, "INVALID_CREDENTIALS")}


async def test_a_sign_in_that_fails_verifies_two_passwords_whoever_has_the_address(
    client: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.user(email="without@example.org")
    owner = await world.user(email="has@example.org")
    await world.set_password(owner.id, PASSWORD)
    await register(client, "registered@example.org")
    hashes = 0
    run = Passwords._run

    async def counted(passwords: Passwords, work: Any) -> Any:
        nonlocal hashes
        hashes += 1
        return await run(passwords, work)

    monkeypatch.setattr(Passwords, "_run", counted)
    found = []
    for name in ("without", "has", "registered", "nobody"):
        before = hashes
        await sign_in(client, f"{name}@example.org", "Wr0ng-Password")
        found.append(hashes - before)

    assert found == [2, 2, 2, 2]


async def test_a_registration_is_anybodys_until_it_is_proven_and_each_link_makes_its_own(
    client: httpx.AsyncClient, server: MailServer
) -> None:
    await register(client, password="Attack3r-Password")
    foreign = await newest(server, ADA)
    await register(client)
    own = await newest(server, ADA, 2)
    assert (await confirm(client, own.token)).status_code == 201

    assert (await confirm(client, foreign.token)).status_code == 400
    assert (await sign_in(client, password="Attack3r-Password")).status_code == 401
    assert (await sign_in(client)).status_code == 201


async def test_the_link_is_sent_again_with_the_same_answer_for_all(
    client: httpx.AsyncClient, world: World, server: MailServer
) -> None:
    await world.user(email="has@example.org")
    await register(client)
    first = await newest(server, ADA)
    answers = [
        await client.post(f"{AUTH}/verification", json={"email": email})
        for email in (ADA, "has@example.org", "nobody@example.org")
    ]
    again = await newest(server, ADA, 2)

    assert {each.status_code for each in answers} == {202}
    assert len({each.content for each in answers}) == 1
    assert (await confirm(client, first.token)).status_code == 400
    assert (await confirm(client, again.token)).status_code == 201
    assert {each.to[0] for each in server.received} == {ADA}


async def test_a_registration_is_forgotten_after_a_day(
    client: httpx.AsyncClient, world: World, server: MailServer, clock: FakeClock
) -> None:
    await register(client)
    mail = await newest(server, ADA)
    clock.advance(seconds=86_401)

    assert (await confirm(client, mail.token)).status_code == 400
    assert (await sign_in(client)).json()["code"] == "INVALID_CREDENTIALS"
    async with open_server(world.settings, clock):
        # A server does so now and then, beginning with its start.
        async with asyncio.timeout(30):
            while await world.rows(text("SELECT id FROM registrations")):
                await asyncio.sleep(0.05)


async def test_nothing_readable_lies_in_a_registration_and_rotated_keys_still_find_it(
    client: httpx.AsyncClient, world: World, server: MailServer
) -> None:
    await register(client)
    await newest(server, ADA)
    (row,) = await world.rows(text("SELECT * FROM registrations"))
    assert ADA not in str(row)
    assert "Ada" not in str(row)
    await rotate_keys(world.database, world.services.audit)

    assert (await sign_in(client)).json()["code"] == "EMAIL_NOT_VERIFIED"


@pytest.mark.parametrize("verifies", [False])
async def test_without_the_setting_registering_is_as_it_was(client: httpx.AsyncClient, server: MailServer) -> None:
    assert (await register(client)).status_code == 201
    assert (await register(client)).json()["code"] == "EMAIL_TAKEN"
    assert (await sign_in(client)).status_code == 201
    assert (await client.post(f"{AUTH}/verification", json={"email": ADA})).status_code == 202
    assert server.received == []


async def invite(client: httpx.AsyncClient, world: World, course: CourseTree, *emails: str) -> list[dict[str, Any]]:
    owner = await world.find_user(course.owner_id)
    items = [{"user": f"email:{email}"} for email in emails]
    answer = await client.post(f"/api/v1/courses/{course.id}/enrollments", json={"items": items}, headers=world.bearer(owner))
    assert answer.is_success, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def is_enrolled(world: World, email: str, course: CourseTree) -> bool:
    found = await world.rows(text("SELECT user_id FROM enrollments WHERE course_id = :of"), of=course.id)
    user = await world.read(world.services.accounts.find_by_email, email)
    return (user.id,) in found


async def test_an_invitation_is_mailed_and_proves_its_address(
    client: httpx.AsyncClient, world: World, server: MailServer
) -> None:
    course = await world.course()
    await invite(client, world, course, ADA)
    mail = await newest(server, ADA)
    assert mail.link.startswith(f"{SITE}/app/register#")
    assert "Course" in mail.message["Subject"]

    assert (await register(client, "eve@example.org", invitation=mail.token)).status_code == 202
    answer = await register(client, invitation=mail.link)
    assert answer.status_code == 201
    assert await is_enrolled(world, ADA, course)
    assert (await sign_in(client)).status_code == 201


async def test_an_invitation_is_fulfilled_only_by_whoever_has_the_address(
    client: httpx.AsyncClient, world: World, server: MailServer
) -> None:
    course = await world.course()
    await invite(client, world, course, ADA)
    await newest(server, ADA)
    assert (await register(client)).status_code == 202
    findings = Findings()
    await world.read(check_invitations, findings)
    assert len(await world.rows(text("SELECT id FROM invitations"))) == 1
    assert await world.rows(text("SELECT user_id FROM enrollments")) == []

    mail = await newest(server, ADA, 2)
    assert (await confirm(client, mail.token)).status_code == 201
    assert await is_enrolled(world, ADA, course)


async def test_an_invitation_is_mailed_again_and_its_older_link_ends(
    client: httpx.AsyncClient, world: World, server: MailServer, clock: FakeClock
) -> None:
    course = await world.course()
    owner = await world.find_user(course.owner_id)
    await invite(client, world, course, ADA)
    first = await newest(server, ADA)
    (invitation,) = (await client.get(f"/api/v1/courses/{course.id}/invitations", headers=world.bearer(owner))).json()["data"]
    path = f"/api/v1/courses/{course.id}/invitations/{invitation['id']}/resend"
    assert invitation["mailedAt"] is not None
    early = await client.post(path, headers=world.bearer(owner))
    assert (early.status_code, early.json()["code"]) == (409, "MAILED_LATELY")
    clock.advance(seconds=600)
    assert (await client.post(path, headers=world.bearer(owner))).status_code == 202
    again = await newest(server, ADA, 2)

    assert (await register(client, invitation=first.token)).status_code == 202
    assert (await register(client, invitation=again.token)).status_code == 201


async def test_who_has_an_account_is_told_of_being_enrolled_once(
    client: httpx.AsyncClient, world: World, server: MailServer
) -> None:
    course = await world.course()
    learner = await world.user(email=ADA)
    for _ in range(2):
        await invite(client, world, course, ADA)
    await world.services.recovery.ask(ADA, CLIENT)
    await newest(server, ADA, 2)

    told = [each for each in server.to(ADA) if "enrolled" in each.text]
    assert len(told) == 1
    assert told[0].link == f"{SITE}/app/learning/{course.id}"
    assert await is_enrolled(world, ADA, course)
    assert learner.email == ADA


async def with_password(world: World, email: str = ADA) -> User:
    user = await world.user(email=email)
    await world.set_password(user.id, PASSWORD)
    async with world.database.write() as tx:
        await tx.run(text("DELETE FROM mails"))
    return user


async def change_address(client: httpx.AsyncClient, world: World, user: User, email: str, password: str = PASSWORD) -> Any:
    body = {"newEmail": email, "currentPassword": password}
    return await client.post(f"{AUTH}/email", json=body, headers=world.bearer(await world.find_user(user.id)))


async def test_a_new_address_is_proven_and_the_old_one_is_told(
    client: httpx.AsyncClient, world: World, server: MailServer
) -> None:
    user = await with_password(world)
    assert (await change_address(client, world, user, "new@example.org", "wrong")).status_code == 400
    assert (await change_address(client, world, user, "new@example.org")).status_code == 202
    note, mail = await newest(server, ADA), await newest(server, "new@example.org")
    assert "another address" in note.text
    assert "#" not in note.link
    assert (await world.find_user(user.id)).email == ADA

    body = {"token": mail.link}
    assert (await client.post(f"{AUTH}/email/confirm", json=body)).status_code == 204
    assert (await world.find_user(user.id)).email == "new@example.org"
    assert "has another address now" in (await newest(server, ADA, 2)).text
    assert (await client.post(f"{AUTH}/email/confirm", json=body)).status_code == 400
    assert (await sign_in(client, "new@example.org")).status_code == 201
    entries = await world.rows(text("SELECT action, actor_id FROM audit_entries WHERE action = 'CHANGE_EMAIL'"))
    assert entries == [("CHANGE_EMAIL", str(user.id))]


async def test_a_taken_address_is_answered_as_a_free_one_and_its_owner_is_told(
    client: httpx.AsyncClient, world: World, server: MailServer
) -> None:
    user = await with_password(world)
    await world.user(email="taken@example.org")
    taken = await change_address(client, world, user, "taken@example.org")
    free = await change_address(client, world, user, "free@example.org")

    assert (taken.status_code, taken.content) == (free.status_code, free.content)
    assert "belongs to an account already" in (await newest(server, "taken@example.org")).text
    assert (await newest(server, "free@example.org")).token


async def test_a_link_to_a_new_address_ends_with_a_new_password_and_when_the_address_is_taken(
    world: World, client: httpx.AsyncClient, server: MailServer, clock: FakeClock
) -> None:
    user = await with_password(world)
    await change_address(client, world, user, "new@example.org")
    mail = await newest(server, "new@example.org")
    await world.set_password(user.id, "An0ther-Password")
    # Until then the server may remember the account as it was.
    clock.advance(seconds=2)
    assert (await client.post(f"{AUTH}/email/confirm", json={"token": mail.token})).status_code == 400

    assert (await change_address(client, world, user, "new@example.org", "An0ther-Password")).status_code == 202
    mail = await newest(server, "new@example.org", 2)
    await world.user(email="new@example.org")
    assert (await client.post(f"{AUTH}/email/confirm", json={"token": mail.token})).status_code == 400


async def test_who_asked_with_a_password_that_was_changed_since_gets_no_link(world: World, server: MailServer) -> None:
    user = await with_password(world)
    # Nothing is sent yet, as while a mail server hangs.
    await world.services.own_address.ask(user.id, password=PASSWORD, email="thief@example.org", client=CLIENT)
    await world.set_password(user.id, "An0ther-Password")
    await make_sender(world).drain()

    assert server.to("thief@example.org") == []
    assert len(server.to(ADA)) == 2


async def test_imports_invite_without_mail(world: World, server: MailServer) -> None:
    course = await world.course()
    await world.write(world.services.enrolling.enroll, None, course.id, [Wanted(f"email:{ADA}")])
    await make_sender(world).drain()

    assert server.received == []
