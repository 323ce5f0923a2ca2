"""Signing in through a provider of another site, in a real Chromium: it decides which cookies come back with the browser."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from headway.instants import system_clock
from tests.browser.app.conftest import AppPage
from tests.databases import SECRET_KEY, Templates
from tests.openid_provider import CLIENT_ID, CLIENT_SECRET, OpenIdProvider
from tests.processes import HeadwayProcess


@pytest_asyncio.fixture(loop_scope="session")
async def url(templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A server whose provider is another site."""
    folder = tmp_path_factory.mktemp("single-sign-on")
    with OpenIdProvider(system_clock) as provider:
        provider.issuer = provider.issuer.replace("127.0.0.1", "localhost")
        settings = {
            "HEADWAY_OIDC_ISSUER": provider.issuer,
            "HEADWAY_OIDC_CLIENT_ID": CLIENT_ID,
            "HEADWAY_OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "HEADWAY_OIDC_NAME": "Northern School",
        }
        with HeadwayProcess(templates.copy("sqlite", folder), folder, SECRET_KEY, **settings) as server:
            yield server.url


async def test_the_browser_comes_back_signed_in_to_where_it_wanted(
    browser: Browser, url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    context = await browser.new_context(viewport={"width": 390, "height": 844}, locale="en-GB")
    shots = tmp_path_factory.getbasetemp() / "shots"
    shots.mkdir(exist_ok=True)
    visitor = AppPage(await context.new_page(), url, shots)
    await visitor.open("/app/account")
    assert await visitor.faults("sign-in-with-provider") == []
    # From here on the browser is led to another server.
    page, visitor.errors = visitor.page, []
    await page.get_by_role("link", name="Sign in with Northern School").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/app/account")

    assert await page.locator("[name=name]").input_value() == "Ada Lovelace"
    cookies = {each.get("name"): each for each in await context.cookies()}
    assert "headway-oidc" not in cookies
    assert cookies["headway-access"].get("sameSite") == "Lax"
    await context.close()
