"""Signing in through an OpenID Connect provider: who gets in, and everything that must not lead in."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import select

from headway.audit.tables import audit_entries
from headway.identity import Role
from headway.settings import Settings
from tests.app_server import open_server
from tests.openid_provider import CLIENT_ID, CLIENT_SECRET, OpenIdProvider
from tests.pages.visitor import Shown, Visitor
from tests.unit.provider import ec_key, rsa_key
from tests.world import FakeClock, World


@pytest.fixture
def provider(clock: FakeClock) -> Iterator[OpenIdProvider]:
    with OpenIdProvider(clock) as opened:
        yield opened


@pytest.fixture
async def server(
    provider: OpenIdProvider, settings: Settings, clock: FakeClock
) -> AsyncIterator[tuple[httpx.AsyncClient, World]]:
    of_provider = {"oidc_issuer": provider.issuer, "oidc_client_id": CLIENT_ID, "oidc_client_secret": CLIENT_SECRET}
    async with open_server(msgspec.structs.replace(settings, oidc_name="Northern School", **of_provider), clock) as both:
        yield both


@pytest.fixture
def world(server: tuple[httpx.AsyncClient, World]) -> World:
    return server[1]


@pytest.fixture
def visitor(server: tuple[httpx.AsyncClient, World]) -> Visitor:
    return Visitor(*server)


async def start(visitor: Visitor, next_page: str = "/app/account") -> httpx.Response:
    return await visitor.client.get("/app/oidc/start", params={"next": next_page}, follow_redirects=False)


async def at_provider(response: httpx.Response) -> httpx.URL:
    """Sign in at the provider; return where it sends the browser."""
    assert response.status_code == 303, response.text
    async with httpx.AsyncClient() as browser:
        return httpx.URL((await browser.get(response.headers["location"])).headers["location"])


async def back(visitor: Visitor, url: httpx.URL) -> Shown:
    return await visitor.open(url.raw_path.decode())


async def sign_in(visitor: Visitor, next_page: str = "/app/account") -> Shown:
    return await back(visitor, await at_provider(await start(visitor, next_page)))


def is_signed_in(visitor: Visitor) -> bool:
    return bool(visitor.client.cookies.get("headway-access"))


async def actions(world: World) -> list[tuple[Any, ...]]:
    return await world.rows(select(audit_entries.c.action, audit_entries.c.status).order_by(audit_entries.c.seq))


async def test_whoever_is_not_known_yet_becomes_a_learner(world: World, visitor: Visitor) -> None:
    offered = await visitor.open("/app/sign-in?next=/app/account")
    shown = await sign_in(visitor)

    assert "Sign in with Northern School" in offered.text
    assert (shown.status, shown.path) == (200, "/app/account")
    assert "Ada Lovelace" in shown.html
    user_id = await world.services.accounts.find_or_create_outside("8f14e45f-ada", name="")
    user = await world.find_user(user_id)
    assert (user.role, user.name, user.email) == (Role.PARTICIPANT, "Ada Lovelace", None)
    assert await actions(world) == [("LOGIN", "SUCCESS")]


async def test_the_account_of_the_subject_is_used_again_with_its_role(world: World, visitor: Visitor) -> None:
    tutor = await world.user(Role.INSTRUCTOR, external_id="8f14e45f-ada")

    await sign_in(visitor)
    shown = await visitor.open("/app")

    assert shown.path == "/app/courses"
    assert (await world.find_user(tutor.id)).name == tutor.name


async def test_an_address_leads_to_no_account(world: World, visitor: Visitor, provider: OpenIdProvider) -> None:
    admin = await world.user(Role.ADMIN, email="root@example.org")
    provider.claims = {"email": "root@example.org", "email_verified": True}

    await sign_in(visitor)

    assert await world.services.accounts.find_or_create_outside("8f14e45f-ada", name="") != admin.id


async def test_a_disabled_account_is_refused_and_that_is_recorded(world: World, visitor: Visitor) -> None:
    await world.disable(await world.user(external_id="8f14e45f-ada"))

    shown = await sign_in(visitor)

    assert shown.status == 401
    assert "Your account is disabled" in shown.text
    assert not is_signed_in(visitor)
    assert (await actions(world))[-1] == ("LOGIN_FAILED", "FAILURE")


@pytest.mark.parametrize("page", ["https://evil.example/app", "//evil.example", "/app\\@evil.example", "/other"])
async def test_no_other_site_is_led_to(visitor: Visitor, page: str) -> None:
    url = await at_provider(await start(visitor, page))

    response = await visitor.client.get(url.raw_path.decode(), follow_redirects=False)

    assert (response.status_code, response.headers["location"]) == (303, "/app")


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"nonce": "another"}, "cannot be trusted"),
        ({"nonce": None}, "cannot be trusted"),
        ({"iss": "http://127.0.0.1/other"}, "cannot be trusted"),
        ({"aud": "somebody-else"}, "cannot be trusted"),
        ({"aud": [CLIENT_ID, "other"]}, "cannot be trusted"),
        ({"azp": "other"}, "cannot be trusted"),
        ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "cannot be trusted"),
        ({"exp": 1}, "cannot be trusted"),
        ({"exp": None}, "cannot be trusted"),
        ({"iat": 9_999_999_999}, "cannot be trusted"),
        ({"sub": ""}, "cannot be trusted"),
        ({"sub": 7}, "cannot be trusted"),
    ],
    ids=str,
)
async def test_a_wrong_claim_leads_nowhere(
    world: World, visitor: Visitor, provider: OpenIdProvider, claims: dict[str, Any], said: str
) -> None:
    provider.claims = claims

    shown = await sign_in(visitor)

    assert (shown.status, shown.path) == (401, "/app/oidc/callback")
    assert said in shown.text
    assert not is_signed_in(visitor)
    assert await actions(world) == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"state": "another"}, "cannot be trusted"),
        ({"state": ""}, "cannot be trusted"),
        ({"iss": "http://127.0.0.1/other"}, "cannot be trusted"),
        ({"code": "made-up"}, "cannot be trusted"),
        ({"code": ""}, "did not sign in"),
        ({"code": "", "error": "access_denied"}, "did not sign in"),
    ],
    ids=str,
)
async def test_a_wrong_answer_leads_nowhere(
    visitor: Visitor, provider: OpenIdProvider, answer: dict[str, str], said: str
) -> None:
    provider.answer = answer

    shown = await sign_in(visitor)

    assert shown.status == 401
    assert said in shown.text
    assert not is_signed_in(visitor)


async def test_a_provider_that_names_itself_has_to_do_so_each_time(visitor: Visitor, provider: OpenIdProvider) -> None:
    provider.answer = {"iss": ""}
    assert (await sign_in(visitor)).status == 200

    provider.configuration = {"authorization_response_iss_parameter_supported": True}
    visitor.client.cookies.clear()
    let_time_pass(provider)

    assert (await sign_in(visitor)).status == 401


def let_time_pass(provider: OpenIdProvider) -> None:
    """Let the configuration become old enough to be read again."""
    clock = provider.clock
    assert isinstance(clock, FakeClock)
    clock.advance(seconds=3_601)


async def test_an_answer_counts_once(visitor: Visitor) -> None:
    url = await at_provider(await start(visitor))
    flow = visitor.client.cookies.get("headway-oidc")
    assert flow is not None
    await back(visitor, url)
    visitor.client.cookies.clear()

    again = await back(visitor, url)
    visitor.client.cookies.set("headway-oidc", flow, domain="headway.test")
    replayed = await back(visitor, url)

    assert "took too long" in again.text
    assert "cannot be trusted" in replayed.text
    assert not is_signed_in(visitor)


async def test_another_browser_cannot_complete_a_sign_in(visitor: Visitor, server: tuple[httpx.AsyncClient, World]) -> None:
    url, other = await at_provider(await start(visitor)), Visitor(*server)
    await start(other)

    assert "cannot be trusted" in (await back(other, url)).text
    assert not is_signed_in(other)


async def test_a_changed_or_old_cookie_is_none(visitor: Visitor, clock: FakeClock) -> None:
    url = await at_provider(await start(visitor))
    flow = visitor.client.cookies.get("headway-oidc")
    assert flow is not None
    for kept in ("", "%", "AAAA", flow[:-2] + ("AA" if flow[-2:] != "AA" else "BB")):
        visitor.client.cookies.set("headway-oidc", kept, domain="headway.test")
        assert "took too long" in (await back(visitor, url)).text
    visitor.client.cookies.set("headway-oidc", flow, domain="headway.test")
    clock.advance(seconds=600)

    assert "took too long" in (await back(visitor, url)).text


async def test_keys_rotate(visitor: Visitor, provider: OpenIdProvider, clock: FakeClock) -> None:
    await sign_in(visitor)
    visitor.client.cookies.clear()
    clock.advance(seconds=11)
    provider.key = ec_key("two")

    assert (await sign_in(visitor)).status == 200


async def test_a_key_that_is_not_published_signs_nobody_in(visitor: Visitor, provider: OpenIdProvider) -> None:
    await sign_in(visitor)
    visitor.client.cookies.clear()
    # The same id as the key that the server knows, and another one.
    provider.key = rsa_key(provider.key.key_id)

    shown = await sign_in(visitor)

    assert shown.status == 401
    assert "cannot be trusted" in shown.text


async def test_while_the_provider_is_down_signing_in_there_is_answered_503(
    visitor: Visitor, provider: OpenIdProvider, clock: FakeClock
) -> None:
    provider.is_down = True
    first = await start(visitor)
    asked = len(provider.requests)
    again = await start(visitor)

    assert (first.status_code, again.status_code) == (503, 503)
    assert first.headers["retry-after"] == "10"
    assert len(provider.requests) == asked, "it is not asked again at once"
    assert (await visitor.open("/app/sign-in")).status == 200

    provider.is_down = False
    clock.advance(seconds=11)
    url = await at_provider(await start(visitor))
    provider.is_down = True
    assert (await back(visitor, url)).status == 503


async def test_the_configuration_is_kept_for_an_hour(visitor: Visitor, provider: OpenIdProvider, clock: FakeClock) -> None:
    for _ in range(3):
        await start(visitor)
    clock.advance(seconds=3_601)
    await start(visitor)

    assert provider.requests.count(".well-known/openid-configuration") == 2


@pytest.mark.parametrize(
    "configuration",
    [
        {"issuer": "http://127.0.0.1/other"},
        {"token_endpoint": "ftp://127.0.0.1/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": 7},
    ],
    ids=str,
)
async def test_a_configuration_that_cannot_be_right_is_not_used(
    visitor: Visitor, provider: OpenIdProvider, configuration: dict[str, Any]
) -> None:
    provider.configuration = configuration

    assert (await start(visitor)).status_code == 503


async def test_no_redirect_of_the_provider_leads_to_another_server(visitor: Visitor, provider: OpenIdProvider) -> None:
    with OpenIdProvider(provider.clock) as elsewhere:
        provider.redirect_to = f"{elsewhere.issuer}/.well-known/openid-configuration"

        assert (await start(visitor)).status_code == 503
        assert elsewhere.requests == []


@pytest.mark.parametrize("path", ["/app/oidc/start", "/app/oidc/callback?code=1&state=2"])
async def test_without_a_provider_there_is_nothing(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404
