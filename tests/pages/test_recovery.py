"""The pages of forgotten passwords, and of links that administrators hand over or mail."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from headway.accounts.model import User
from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.mail_server import MailServer, run_mail_server
from tests.mailing import mailing, newest
from tests.pages.conftest import Visit
from tests.pages.visitor import Visitor
from tests.world import World

ADA, PASSWORD, NEW = "ada@example.org", "Corr3ct-Horse", "Batt3ry-Staple"
FORGOT, RESET = "/app/forgot-password", "/app/reset-password"


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with run_mail_server() as made:
        yield made


@pytest.fixture
def sends_mail() -> bool:
    return True


@pytest.fixture
def settings(database_url: str, server: MailServer, *, sends_mail: bool) -> Settings:
    plain = Settings(database_url=database_url, secret_key=SECRET_KEY, postgres_pool_size=4)
    return mailing(plain, server) if sends_mail else plain


@pytest.fixture
async def ada(world: World) -> User:
    return await world.user(email=ADA)


async def choose(visitor: Visitor, token: str, password: str = NEW, repeated: str = NEW) -> tuple[int, str]:
    fields = {"token": token, "new_password": password, "repeated_password": repeated}
    shown = await visitor.submit(RESET, fields)
    return shown.status, shown.text


async def test_the_way_to_a_new_password(visit: Visit, ada: User, server: MailServer) -> None:
    visitor = visit("nobody")
    page = await visitor.open("/app/sign-in")
    assert page.soup.find("a", href=FORGOT) is not None
    asked = await visitor.fill(await visitor.open(FORGOT), FORGOT, email=ADA)
    assert "a mail with a link is on its way" in asked.text
    mail = await newest(server, ADA)

    form = await visitor.open(RESET)
    assert set(form.values(RESET)) == {"token", "new_password", "repeated_password"}
    status, text = await choose(visitor, mail.token, repeated="Other-Passw0rd")
    assert status == 422
    assert "is not the same as above" in text
    status, text = await choose(visitor, mail.token)
    assert status == 200
    assert "Sign in with the new one." in text

    home = await visitor.submit("/app/sign-in", {"email": ADA, "password": NEW})
    assert home.path == "/app/learning"
    status, text = await choose(visitor, mail.token)
    assert status == 422
    assert "ask for a new link" in text


async def test_the_page_is_the_same_for_every_address(visit: Visit, ada: User) -> None:
    visitor = visit("nobody")
    pages = [(await visitor.submit(FORGOT, {"email": email})).html for email in (ADA, "nobody@example.org")]

    assert pages[0] == pages[1]


async def test_a_link_that_is_opened_uses_nothing_up_and_a_new_password_ends_this_session_too(
    visit: Visit, ada: User, server: MailServer
) -> None:
    visitor = visit("learner")
    await visit("nobody").submit(FORGOT, {"email": ADA})
    mail = await newest(server, ADA)
    for _ in range(3):
        assert (await visitor.open(RESET)).status == 200
    status, _ = await choose(visitor, mail.token)

    assert status == 200
    assert (await visitor.open("/app")).path == "/app/sign-in"


async def test_another_site_cannot_send_the_forms(visit: Visit, ada: User, server: MailServer) -> None:
    for path, fields in ((FORGOT, {"email": ADA}), (RESET, {"token": "x", "new_password": NEW, "repeated_password": NEW})):
        refused = await visit("nobody").submit(path, fields, Origin="https://evil.example")
        assert refused.status == 403

    assert server.received == []


@pytest.mark.parametrize("sends_mail", [False])
async def test_without_mail_people_are_sent_to_an_administrator(visit: Visit, ada: User) -> None:
    page = await visit("nobody").open(FORGOT)
    refused = await visit("nobody").submit(FORGOT, {"email": ADA})

    assert "Ask an administrator" in page.text
    assert page.soup.find("form", action=FORGOT) is None
    assert refused.status == 409


@pytest.mark.parametrize("sends_mail", [False])
async def test_an_administrator_shows_a_link_once(visit: Visit, ada: User) -> None:
    admin, path = visit("admin"), f"/app/admin/users/{ada.id}"
    user = await admin.open(path)
    assert user.soup.find("form", action=f"{path}/invite") is None
    shown = await admin.submit(f"{path}/password-link")
    link = shown.soup.select_one("code.admin-key")

    assert link is not None
    assert link.get_text().startswith(f"http://headway.test{RESET}#{ada.id}-")
    assert (await choose(visit("nobody"), link.get_text()))[0] == 200


async def test_an_administrator_mails_a_link_and_invites_a_new_user(visit: Visit, ada: User, server: MailServer) -> None:
    admin, path = visit("admin"), f"/app/admin/users/{ada.id}"
    mailed = await admin.fill(await admin.open(path), f"{path}/invite")
    assert "A mail with a link is on its way." in mailed.text + mailed.html
    assert (await choose(visit("nobody"), (await newest(server, ADA)).token))[0] == 200

    users = await admin.open("/app/admin/users")
    assert users.values("/app/admin/users")["invite"] == ["true"]
    made = await admin.fill(users, "/app/admin/users", name="Grace", email="grace@example.org", role="INSTRUCTOR")
    assert made.status == 200
    assert (await choose(visit("nobody"), (await newest(server, "grace@example.org")).token))[0] == 200


async def test_health_shows_what_did_not_arrive(visit: Visit, world: World, ada: User, server: MailServer) -> None:
    server.mode = "refuse"
    await visit("nobody").submit(FORGOT, {"email": ADA})

    async def failures() -> int:
        return (await world.read(world.services.mail.read_facts)).failed

    async with asyncio.timeout(30):
        while not await failures():
            await asyncio.sleep(0.02)
    page = await visit("admin").open("/app/admin/health")

    assert "550 5.1.1 <ada@example.org>: there is no such mailbox" in page.text
    assert "given up" in page.text
