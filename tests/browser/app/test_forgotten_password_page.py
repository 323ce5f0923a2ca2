"""Forgotten passwords in a real Chromium: asking, reading the mail, following its link, signing in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from headway.identity import Role
from tests.browser.app.conftest import SIZES, App, OpenPage, open_app
from tests.databases import Templates
from tests.mail_server import MailServer, run_mail_server
from tests.mailing import newest

OLD, NEW = "Correct-Horse-1", "Batt3ry-Staple"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server() -> AsyncIterator[MailServer]:
    async with run_mail_server() as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(templates: Templates, tmp_path_factory: pytest.TempPathFactory, server: MailServer) -> AsyncIterator[App]:
    """A server that sends mail, whose links lead to the name by which the browser knows it."""
    folder: Path = tmp_path_factory.mktemp("mailing-app")
    environment = {
        "HEADWAY_SMTP_URL": server.url,
        "HEADWAY_MAIL_FROM": "Example School <no-reply@school.example>",
        "HEADWAY_PUBLIC_URL": "http://learn.school.example",
        "HEADWAY_ACCESS_LOG": "true",
        "HEADWAY_VERIFY_EMAIL": "true",
    }
    async with open_app(templates.copy("sqlite", folder), folder, **environment) as opened:
        yield opened


@pytest.mark.parametrize("size", SIZES)
async def test_the_whole_way(app: App, open_page: OpenPage, server: MailServer, size: str) -> None:
    address = f"ada-{size}@example.org"
    ada = await app.world.user(email=address)
    await app.world.set_password(ada.id, OLD)
    visitor = await open_page(None, size)
    page = visitor.page
    await visitor.open("/app/sign-in")
    assert await visitor.faults(f"forgot-sign-in-{size}") == []
    await page.get_by_role("link", name="Forgot your password?").click()
    assert await visitor.faults(f"forgot-{size}") == []
    await page.get_by_label("E-mail address").fill(address)
    await page.get_by_role("button", name="Send the link").click()
    await page.get_by_role("heading", name="Look into your mailbox").wait_for()
    assert await visitor.faults(f"forgot-asked-{size}") == []

    mail = await newest(server, address)
    await visitor.open(mail.link.removeprefix("http://learn.school.example"))
    assert not await page.get_by_label("Your link").is_visible()
    assert "#" not in page.url
    assert await visitor.faults(f"reset-{size}") == []
    await page.get_by_label("New password").fill(NEW)
    await page.get_by_label("Password again").fill(NEW)
    await page.get_by_role("button", name="Change the password").click()
    await page.wait_for_url("**/app/sign-in")
    assert await page.get_by_role("status").inner_text() == "Your password is changed. Sign in with the new one."
    await page.get_by_label("E-mail address").fill(address)
    await page.get_by_label("Password").fill(NEW)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/app/learning")

    await visitor.open(mail.link.removeprefix("http://learn.school.example"))
    await page.get_by_label("New password").fill(NEW)
    await page.get_by_label("Password again").fill(NEW)
    await page.get_by_role("button", name="Change the password").click()
    await page.get_by_text("was used, or has expired").wait_for()
    assert await page.get_by_label("Your link").is_visible()
    assert await visitor.faults(f"reset-used-{size}") == []
    assert mail.token.partition("-")[2] not in app.server.log.read_text()


async def test_without_scripts_the_link_is_pasted(app: App, open_page: OpenPage, server: MailServer) -> None:
    ada = await app.world.user(email="ada-plain@example.org")
    visitor = await open_page(None, java_script_enabled=False)
    page = visitor.page
    await visitor.open("/app/forgot-password")
    await page.get_by_label("E-mail address").fill(ada.email or "")
    await page.get_by_role("button", name="Send the link").click()
    mail = await newest(server, "ada-plain@example.org")

    await visitor.open("/app/reset-password")
    await page.get_by_label("Your link").fill(mail.link)
    await page.get_by_label("New password").fill(NEW)
    await page.get_by_label("Password again").fill(NEW)
    await page.get_by_role("button", name="Change the password").click()
    assert await page.get_by_role("status").inner_text() == "Your password is changed. Sign in with the new one."


@pytest.mark.parametrize("size", SIZES)
async def test_what_administrators_see_of_mail(app: App, open_page: OpenPage, server: MailServer, size: str) -> None:
    admin = await app.world.user(Role.ADMIN)
    ada = await app.world.user(email=f"gone-{size}@example.org")
    server.by_address[f"gone-{size}@example.org"] = "refuse"
    visitor = await open_page(admin, size)
    page = visitor.page
    await visitor.open(f"/app/admin/users/{ada.id}")
    assert await visitor.faults(f"mail-user-{size}") == []
    await page.get_by_role("button", name="Mail a link").click()
    await page.get_by_text("A mail with a link is on its way.").wait_for()
    await visitor.open("/app/admin/health")
    await page.get_by_text(f"<gone-{size}@example.org>: there is no such mailbox").wait_for()
    assert await visitor.faults(f"mail-health-{size}") == []
    await visitor.open(f"/app/admin/users/{ada.id}")
    await page.get_by_role("button", name="Show a link to hand over").click()
    await page.get_by_text("Copy the link now").wait_for()
    assert await visitor.faults(f"mail-link-{size}") == []


@pytest.mark.parametrize("size", SIZES)
async def test_an_address_is_proven(app: App, open_page: OpenPage, server: MailServer, size: str) -> None:
    address = f"grace-{size}@example.org"
    visitor = await open_page(None, size)
    page = visitor.page
    await visitor.open("/app/register")
    await page.get_by_label("Name").fill("Grace")
    await page.get_by_label("E-mail address").fill(address)
    await page.locator("[name=password]").fill(NEW)
    await page.get_by_label("Password again").fill(NEW)
    await page.get_by_role("button", name="Register").click()
    await page.get_by_role("heading", name="Look into your mailbox").wait_for()
    assert await visitor.faults(f"unverified-{size}") == []
    mail = await newest(server, address)

    await visitor.open(mail.link.removeprefix("http://learn.school.example"))
    assert not await page.get_by_label("Your link").is_visible()
    assert await visitor.faults(f"confirm-{size}") == []
    await page.get_by_role("button", name="Confirm the address").click()
    await page.wait_for_url("**/app/sign-in")
    await page.get_by_label("E-mail address").fill(address)
    await page.get_by_label("Password").fill(NEW)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/app/learning")
    await visitor.open("/app/account")
    assert await visitor.faults(f"address-account-{size}") == []


async def test_an_invitation_fills_in_what_proves_the_address(app: App, open_page: OpenPage, server: MailServer) -> None:
    course = await app.world.course()
    tutor = await open_page(await app.world.find_user(course.owner_id), "phone")
    await tutor.open(f"/app/courses/{course.id}/settings")
    await tutor.page.locator("[name=addresses]").fill("invited@example.org")
    await tutor.page.get_by_role("button", name="Enroll", exact=True).click()
    await tutor.page.get_by_role("button", name="Mail again").wait_for()
    assert await tutor.faults("mail-invitations-phone") == []
    mail = await newest(server, "invited@example.org")

    visitor = await open_page(None)
    page = visitor.page
    await visitor.open(mail.link.removeprefix("http://learn.school.example"))
    assert await page.locator("[name=invitation]").input_value() == mail.token
    await page.get_by_label("Name").fill("Invited")
    await page.get_by_label("E-mail address").fill("invited@example.org")
    await page.locator("[name=password]").fill(NEW)
    await page.get_by_label("Password again").fill(NEW)
    await page.get_by_role("button", name="Register").click()
    await page.wait_for_url("**/app/learning")
    assert visitor.errors == []
