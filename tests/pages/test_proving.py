"""The pages on which addresses are proven: registering, invitations, and one's own new address."""

from collections.abc import AsyncIterator

import pytest

from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.mail_server import MailServer, run_mail_server
from tests.mailing import mailing, newest
from tests.pages.conftest import Visit
from tests.world import World

ADA, PASSWORD = "ada@example.org", "Corr3ct-Horse"
REGISTER = "/app/register"


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with run_mail_server() as made:
        yield made


@pytest.fixture
def settings(database_url: str, server: MailServer) -> Settings:
    plain = Settings(database_url=database_url, secret_key=SECRET_KEY, postgres_pool_size=4)
    return mailing(plain, server, verify_email=True)


def form(email: str = ADA, **given: str) -> dict[str, str]:
    return {"name": "Ada", "email": email, "password": PASSWORD, "repeated_password": PASSWORD, **given}


async def test_who_registers_proves_the_address_with_a_button(visit: Visit, server: MailServer) -> None:
    visitor = visit("nobody")
    asked = await visitor.fill(await visitor.open(REGISTER), REGISTER, **form())
    assert asked.path == "/app/verification"
    assert "Look into your mailbox" in asked.text
    early = await visitor.submit("/app/sign-in", {"email": ADA, "password": PASSWORD})
    assert early.status == 422
    assert early.soup.find("a", href="/app/verification") is not None
    mail = await newest(server, ADA)

    page = await visitor.open("/app/confirm-registration")
    assert page.values("/app/confirm-registration") == {"token": [""]}
    ready = await visitor.submit("/app/confirm-registration", {"token": mail.token})
    assert "Your account is ready. Sign in." in ready.text
    home = await visitor.submit("/app/sign-in", {"email": ADA, "password": PASSWORD})
    assert home.path == "/app/learning"
    again = await visitor.submit("/app/confirm-registration", {"token": mail.token})
    assert again.status == 422
    assert "ask for a new link" in again.text


async def test_registering_a_taken_address_looks_the_same(visit: Visit, world: World) -> None:
    await world.user(email=ADA)
    pages = [(await visit("nobody").submit(REGISTER, form(email))).html for email in (ADA, "free@example.org")]

    assert pages[0] == pages[1]


async def test_an_invitation_of_a_course_proves_the_address(visit: Visit, server: MailServer) -> None:
    tutor = visit("tutor")
    courses = await tutor.open("/app/courses")
    link = courses.soup.select_one("main a[href^='/app/courses/']:not([href$='new'])")
    assert link is not None
    settings_page = f"{str(link['href']).partition('?')[0]}/settings"
    shown = await tutor.submit(f"{settings_page}/enroll", {"addresses": ADA})
    assert "They get a mail with a link." in shown.text
    assert "Mail again" in shown.text
    mail = await newest(server, ADA)

    home = await visit("nobody").submit(REGISTER, form(invitation=mail.token))
    assert home.path == "/app/learning"


async def test_a_new_address_is_asked_for_and_proven(visit: Visit, world: World, server: MailServer) -> None:
    visitor = visit("nobody")
    user = await world.user(email=ADA)
    await world.set_password(user.id, PASSWORD)
    await visitor.submit("/app/sign-in", {"email": ADA, "password": PASSWORD})
    account, action = await visitor.open("/app/account"), "/app/account/address"
    wrong = await visitor.fill(account, action, new_email="new@example.org", address_password="wrong")
    assert wrong.status == 422
    assert "is wrong" in wrong.text
    asked = await visitor.fill(account, action, new_email="new@example.org", address_password=PASSWORD)
    assert "A mail with a link is on its way to the new address." in asked.text
    mail = await newest(server, "new@example.org")

    changed = await visitor.submit("/app/confirm-address", {"token": mail.token})
    assert "Your address is changed." in changed.text
    assert "new@example.org" in changed.text
