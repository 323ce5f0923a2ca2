"""Signing in and out with a browser, and what other sites cannot do in somebody's name."""

import httpx
import pytest

from headway.instants import DAY, HOUR
from headway.settings import Settings
from tests.app_server import open_server
from tests.contract.rights.conftest import School
from tests.databases import SECRET_KEY
from tests.pages.conftest import Visit
from tests.pages.visitor import ORIGIN, Visitor
from tests.world import FakeClock, World

PASSWORD = "Correct-Horse-1"
COOKIES = {"headway-access", "headway-refresh"}


@pytest.fixture
async def address(school: School, world: World) -> str:
    """The address of the tutor, who has a password."""
    user = school.people["tutor"]
    await world.write(world.services.accounts.change, user.id, email="tutor@example.org")
    await world.set_password(user.id, PASSWORD)
    return "tutor@example.org"


async def sign_in(visitor: Visitor, address: str, *, password: str = PASSWORD, next_page: str = "") -> httpx.Response:
    shown = await visitor.submit("/app/sign-in", {"email": address, "password": password, "next": next_page})
    return shown.response


def names_of_session(visitor: Visitor) -> set[str]:
    return {cookie.name for cookie in visitor.client.cookies.jar if cookie.value} & COOKIES


async def test_signing_in_leads_to_the_first_page_of_the_role(visit: Visit, address: str) -> None:
    visitor = visit("nobody")

    response = await sign_in(visitor, address)

    assert response.url.path == "/app/courses"
    assert names_of_session(visitor) == COOKIES


async def test_the_cookies_are_for_the_server_alone(visit: Visit, address: str) -> None:
    response = await sign_in(visit("nobody"), address)

    cookies = [value for each in response.history for name, value in each.headers.multi_items() if name == "set-cookie"]
    assert {each.partition("=")[0] for each in cookies} == COOKIES
    assert all("HttpOnly" in each and "SameSite=Lax" in each and "Path=/" in each for each in cookies)


async def test_with_https_no_other_host_can_set_the_cookies(client: httpx.AsyncClient, address: str) -> None:
    async with httpx.AsyncClient(transport=client._transport, base_url="https://headway.test") as secure:
        form = {"email": address, "password": PASSWORD}
        response = await secure.post("/app/sign-in", data=form, headers={"Sec-Fetch-Site": "same-origin"})

    cookies = response.headers.get_list("set-cookie")
    assert {each.partition("=")[0] for each in cookies} == {f"__Host-{name}" for name in COOKIES}
    assert all("Secure" in each and "Domain" not in each for each in cookies)


async def test_a_wrong_password_keeps_the_address_and_tells_nobody_who_has_an_account(visit: Visit, address: str) -> None:
    pages = []
    for email in (address, "nobody@example.org"):
        shown = await visit("nobody").submit("/app/sign-in", {"email": email, "password": "Wrong-Horse-1"})
        assert shown.status == 422
        assert shown.values("/app/sign-in")["email"] == [email]
        pages.append(shown.text)

    assert pages[0] == pages[1]
    assert "The e-mail address or the password is wrong." in pages[0]
    assert "Wrong-Horse-1" not in "".join(pages)


async def test_attempts_are_limited_as_for_the_api(visit: Visit, address: str, world: World) -> None:
    visitor = visit("nobody")
    for _ in range(world.settings.failed_sign_ins_per_address):
        await sign_in(visitor, address, password="Wrong-Horse-1")

    response = await sign_in(visitor, address)

    assert response.status_code == 429
    assert "Too many attempts; try again in" in response.text


async def test_signing_in_leads_back_to_the_page_that_was_wanted(visit: Visit, address: str) -> None:
    visitor = visit("nobody")
    wanted = await visitor.open("/app/account?from=link")
    assert wanted.path == "/app/sign-in"

    shown = await visitor.fill(wanted, "/app/sign-in", email=address, password=PASSWORD)

    assert str(shown.response.url) == f"{ORIGIN}/app/account?from=link"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/app\\@evil.example",
        "/appendix",
        "javascript:alert(1)",
        "/app/\r\nSet-Cookie: a=b",
        "/sdk/headway.js",
    ],
)
async def test_signing_in_leads_to_pages_of_this_server_alone(visit: Visit, address: str, elsewhere: str) -> None:
    response = await sign_in(visit("nobody"), address, next_page=elsewhere)

    assert response.url.path == "/app/courses"
    assert response.history[0].headers["location"] == "/app"


async def test_a_session_is_a_new_one_whatever_cookies_came_before(visit: Visit, address: str) -> None:
    planted = visit("learner")
    before = planted.client.cookies["headway-access"]

    await sign_in(planted, address)

    assert planted.client.cookies.get("headway-access", domain="") != before
    assert "tutor@example.org" in (await planted.open("/app/account")).text


async def test_an_expired_access_token_is_replaced_as_long_as_the_session_lasts(
    visit: Visit, address: str, clock: FakeClock
) -> None:
    visitor = visit("nobody")
    await sign_in(visitor, address)

    clock.now += 2 * HOUR
    assert (await visitor.open("/app/account")).status == 200
    assert (await visitor.open("/app/account")).path == "/app/account"
    clock.now += 8 * DAY
    assert (await visitor.open("/app/account")).path == "/app/sign-in"


@pytest.mark.parametrize("odd", ['seen={"a":1}', "a[b]=1", "(a)=1", "flag", "path=/", "x=a b,c", 'open="', "\xe9=1", "", "="])
async def test_odd_cookies_of_others_on_the_host_end_no_session(visit: Visit, address: str, odd: str) -> None:
    visitor = visit("nobody")
    await sign_in(visitor, address)
    own = f"headway-access={visitor.client.cookies['headway-access']}"

    # A browser of its own: cookies that httpx keeps would replace the header.
    shown = await visit("nobody").client.get("/app/account", headers={b"Cookie": f"{odd}; {own}; {odd}".encode("latin-1")})

    assert shown.url.path == "/app/account"


async def test_two_tabs_may_replace_the_token_at_once(visit: Visit, address: str, clock: FakeClock) -> None:
    visitor = visit("nobody")
    await sign_in(visitor, address)
    clock.now += 2 * HOUR
    other_tab = visit("nobody")
    other_tab.client.cookies.set("headway-refresh", visitor.client.cookies["headway-refresh"], domain="headway.test")

    assert (await visitor.open("/app/account")).path == "/app/account"
    assert (await other_tab.open("/app/account")).path == "/app/account"


async def test_an_old_refresh_token_ends_the_session_of_whoever_holds_the_new_one(
    visit: Visit, address: str, clock: FakeClock
) -> None:
    visitor, thief = visit("nobody"), visit("nobody")
    await sign_in(visitor, address)
    thief.client.cookies.set("headway-refresh", visitor.client.cookies["headway-refresh"], domain="headway.test")
    clock.now += 2 * HOUR
    assert (await visitor.open("/app/account")).path == "/app/account"
    clock.now += 2 * HOUR

    assert (await thief.open("/app/account")).path == "/app/sign-in"
    assert (await visitor.open("/app/account")).path == "/app/sign-in"
    assert names_of_session(thief) == names_of_session(visitor) == set()


async def test_signing_out_ends_the_session_also_for_a_copy_of_its_cookies(visit: Visit, address: str) -> None:
    visitor = visit("nobody")
    await sign_in(visitor, address)
    copied = dict(visitor.client.cookies.items())

    shown = await visitor.submit("/app/sign-out")
    assert "You are signed out." in shown.text
    assert names_of_session(visitor) == set()

    thief = visit("nobody")
    thief.client.cookies.update(copied)
    assert (await thief.open("/app/account")).path == "/app/sign-in"


async def test_signing_out_everywhere_ends_all_sessions_and_tokens(
    visit: Visit, address: str, school: School, world: World
) -> None:
    here, elsewhere = visit("nobody"), visit("nobody")
    await sign_in(here, address)
    await sign_in(elsewhere, address)
    token = world.bearer(await world.find_user(school.people["tutor"].id))
    assert (await here.client.get("/api/v1/learner/me", headers=token)).status_code == 200

    shown = await here.submit("/app/sign-out-everywhere")

    assert "on all devices" in shown.text
    assert (await elsewhere.open("/app/account")).path == "/app/sign-in"
    assert (await here.client.get("/api/v1/learner/me", headers=token)).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://headway.test"},
        {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"},
        {"Origin": ORIGIN, "Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
async def test_other_sites_cannot_send_forms_in_somebodys_name(visit: Visit, headers: dict[str, str]) -> None:
    visitor = visit("tutor")

    response = await visitor.client.post("/app/account/name", data={"name": "Forged"}, headers=headers)

    assert response.status_code == 403
    assert "Forged" not in (await visitor.open("/app/account")).html


async def test_cookies_are_no_way_into_the_api_nor_tokens_into_the_pages(visit: Visit, school: School, world: World) -> None:
    visitor = visit("tutor")
    assert (await visitor.client.get("/api/v1/learner/me")).status_code == 401

    bearer = world.bearer(school.people["tutor"])
    assert (await visit("nobody").open("/app/account", **bearer)).path == "/app/sign-in"


async def test_a_token_for_scripts_lasts_five_minutes_and_ends_with_the_session(
    visit: Visit, address: str, clock: FakeClock
) -> None:
    visitor = visit("nobody")
    await sign_in(visitor, address)
    made = (await visitor.client.post("/app/token", headers={"Origin": ORIGIN})).json()
    bearer = {"Authorization": f"Bearer {made['token']}"}
    assert (await visitor.client.get("/api/v1/learner/me", headers=bearer)).status_code == 200

    clock.now += 299_000
    assert (await visitor.client.get("/api/v1/learner/me", headers=bearer)).status_code == 200
    await visitor.submit("/app/sign-out")
    assert (await visitor.client.get("/api/v1/learner/me", headers=bearer)).status_code == 401


async def test_a_token_for_scripts_lasts_no_longer_than_access_tokens_do(database_url: str, clock: FakeClock) -> None:
    """Sessions that ended longer ago than an access token lasts are not looked for any more."""
    settings = Settings(database_url=database_url, secret_key=SECRET_KEY, postgres_pool_size=4, access_token_seconds=60)
    async with open_server(settings, clock) as (client, world):
        user = await world.user(email="short@example.org")
        await world.set_password(user.id, PASSWORD)
        visitor = Visitor(client, world)
        await sign_in(visitor, "short@example.org")
        made = (await visitor.client.post("/app/token", headers={"Origin": ORIGIN})).json()
        bearer = {"Authorization": f"Bearer {made['token']}"}
        assert (await client.get("/api/v1/learner/me", headers=bearer)).status_code == 200
        clock.advance(seconds=60)
        assert (made["expiresIn"], (await client.get("/api/v1/learner/me", headers=bearer)).status_code) == (60, 401)


async def test_personal_pages_are_not_stored_and_cannot_be_framed(visit: Visit) -> None:
    headers = (await visit("tutor").open("/app/account")).response.headers

    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    policy = headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


async def test_a_part_of_a_page_has_the_whole_page_go_to_the_sign_in(visit: Visit) -> None:
    response = await visit("nobody").client.get("/app/courses", headers={"HX-Request": "true"})

    assert response.status_code == 401
    assert response.headers["hx-redirect"] == "/app/sign-in?next=%2Fapp%2Fcourses"
