"""Sessions under pressure: stolen tokens, signing out while others refresh, several servers, and limits to the second."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, func, insert, select

from headway.accounts.tables import sessions
from headway.errors import Unauthenticated
from headway.identity import Client, Role
from headway.instants import DAY, HOUR, MINUTE
from headway.limits.limiter import DatabaseRateLimiter
from headway.limits.model import RateLimit
from headway.limits.tables import rate_limits
from headway.services import Services
from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.integration.concurrency import Request, open_world, run_servers, send_all
from tests.processes import open_client, run_headway
from tests.world import FakeClock, World

AUTH = "/api/v1/learner/auth"
HERE = Client("192.0.2.1")
ADA = {"name": "Ada", "email": "ada@example.org", "password": "Corr3ct-Horse"}
SIGN_IN = {"email": ADA["email"], "password": ADA["password"]}
WRONG = {**SIGN_IN, "password": "Wr0ng-Horse"}

Post = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def post(client: httpx.AsyncClient) -> Post:
    async def send(path: str, body: Any = None, token: str | None = None) -> httpx.Response:
        return await client.post(AUTH + path, json=body, headers=bearer(token) if token else {})

    assert (await send("/register", ADA)).status_code == 201
    return send


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


async def signed_in(post: Post) -> dict[str, str]:
    return dict((await post("/login", SIGN_IN)).json())


async def status_of(client: httpx.AsyncClient, token: str) -> int:
    return (await client.get("/api/v1/learner/me", headers=bearer(token))).status_code


async def eventually(client: httpx.AsyncClient, token: str, status: int) -> bool:
    """Say whether a token comes to a status within two seconds."""
    give_up = asyncio.get_running_loop().time() + 2
    while (found := await status_of(client, token)) != status and asyncio.get_running_loop().time() < give_up:
        await asyncio.sleep(0.05)
    return found == status


async def test_tabs_that_refresh_again_and_again_at_once_share_one_session(
    world: World, settings: Settings, clock: FakeClock
) -> None:
    async with open_world(settings) as other:
        other.clock.now = clock.now
        signing = [each.services.sign_in for each in (world, other)]
        await world.write(world.services.accounts.add, await signing[0].prepare(**ADA, interests=(), client=HERE))
        session = await signing[0].sign_in(**SIGN_IN, client=HERE)
        for generation in range(1, 6):
            using = [
                signing[tab % 2].refresh(user_id=session.user.id, session_id=session.id, generation=generation, client=HERE)
                for tab in range(12)
            ]
            refreshed = await asyncio.gather(*using)
            assert {each.generation for each in refreshed} == {generation + 1}

        assert await world.rows(select(sessions.c.generation, sessions.c.ended_at)) == [(6, None)]


async def test_a_stolen_token_used_many_times_at_once_ends_the_session_once(post: Post, clock: FakeClock) -> None:
    stolen = (await signed_in(post))["refreshToken"]
    newest = (await post("/refresh", {"refreshToken": stolen})).json()
    clock.advance(seconds=31)

    answers = await asyncio.gather(*(post("/refresh", {"refreshToken": stolen}) for _ in range(10)))

    codes = Counter((answer.status_code, answer.json()["code"]) for answer in answers)
    assert {status for status, _ in codes} == {401}
    assert codes[401, "TOKEN_REUSED"] == 1
    assert (await post("/refresh", {"refreshToken": newest["refreshToken"]})).status_code == 401
    assert (await post("/logout", token=newest["token"])).status_code == 401


async def test_each_refresh_gives_its_predecessor_a_grace_of_its_own(post: Post, clock: FakeClock) -> None:
    first = (await signed_in(post))["refreshToken"]
    second = (await post("/refresh", {"refreshToken": first})).json()["refreshToken"]
    clock.advance(seconds=20)
    third = (await post("/refresh", {"refreshToken": second})).json()["refreshToken"]
    clock.advance(seconds=20)

    # The second one was used 20 seconds ago, the first one 40.
    assert (await post("/refresh", {"refreshToken": second})).json()["refreshToken"] == third
    reused = await post("/refresh", {"refreshToken": first})

    assert (reused.status_code, reused.json()["code"]) == (401, "TOKEN_REUSED")
    assert (await post("/refresh", {"refreshToken": third})).status_code == 401


async def test_a_grace_is_not_made_longer_by_using_it(post: Post, clock: FakeClock) -> None:
    token = (await signed_in(post))["refreshToken"]
    assert (await post("/refresh", {"refreshToken": token})).status_code == 201
    clock.advance(seconds=25)
    assert (await post("/refresh", {"refreshToken": token})).status_code == 201
    clock.advance(seconds=25)

    assert (await post("/refresh", {"refreshToken": token})).json()["code"] == "TOKEN_REUSED"


async def test_no_refresh_outlives_a_sign_out_at_the_same_time(settings: Settings, tmp_path: Path) -> None:
    with run_servers(settings, tmp_path) as urls:
        assert statuses(await send_all(urls[:1], [("POST", f"{AUTH}/register", {}, ADA)])) == {201: 1}
        logins = await send_all(urls, [("POST", f"{AUTH}/login", {}, SIGN_IN)] * 4)
        requests: list[Request] = []
        for login in logins:
            refresh: Request = ("POST", f"{AUTH}/refresh", {}, {"refreshToken": login.json()["refreshToken"]})
            requests += [refresh, refresh, ("POST", f"{AUTH}/logout", bearer(login.json()["token"]), None), refresh, refresh]
        answers = await send_all(urls, requests)
        won = [answer.json() for answer in answers if answer.status_code == 201]
        tokens = {each["token"] for each in [*won, *(login.json() for login in logins)]}
        async with open_client() as client:
            for url in urls:
                client.base_url = httpx.URL(url)
                assert await eventually(client, min(tokens), 401)

        assert set(statuses(answers)) <= {201, 204, 401}
        assert statuses(answers)[204] == 4
        again: list[Request] = [("POST", f"{AUTH}/refresh", {}, {"refreshToken": each["refreshToken"]}) for each in won]
        assert set(statuses(await send_all(urls, [*again, *requests[::5]]))) == {401}
        seen = [("GET", "/api/v1/learner/me", bearer(token), None) for token in tokens for _ in urls]
        assert set(statuses(await send_all(urls, seen))) == {401}


async def test_a_new_password_on_one_server_ends_all_tokens_on_the_other(settings: Settings, tmp_path: Path) -> None:
    with run_servers(settings, tmp_path) as urls:
        async with open_client(urls[0]) as here, open_client(urls[-1]) as there:
            assert (await here.post(f"{AUTH}/register", json=ADA)).status_code == 201
            own, other = [(await here.post(f"{AUTH}/login", json=SIGN_IN)).json() for _ in range(2)]
            for each in (own, other):
                assert await status_of(there, each["token"]) == 200
            body = {"currentPassword": ADA["password"], "newPassword": "An0ther-Horse"}

            changed = await here.post(f"{AUTH}/password", json=body, headers=bearer(own["token"]))

            assert changed.status_code == 204
            assert [await status_of(here, each["token"]) for each in (own, other)] == [401, 401]
            for each in (own, other):
                assert await eventually(there, each["token"], 401)
                refreshed = await there.post(f"{AUTH}/refresh", json={"refreshToken": each["refreshToken"]})
                assert refreshed.status_code == 401


async def test_a_server_that_was_idle_lets_no_ended_token_through(world: World, settings: Settings, clock: FakeClock) -> None:
    user = await world.user()
    there = Services(settings, world.database, clock).accounts
    await there.caller(user.id, user.token_version)
    await world.disable(user)
    clock.advance(seconds=1800)

    calls = [there.caller(user.id, user.token_version) for _ in range(5)]
    answers = await asyncio.gather(*calls, return_exceptions=True)

    assert [type(answer) for answer in answers] == [Unauthenticated] * 5


async def test_a_disabled_account_keeps_no_token_even_when_it_is_enabled_again(settings: Settings, tmp_path: Path) -> None:
    with run_servers(settings, tmp_path) as urls:
        async with open_client(urls[-1]) as client:
            account = (await client.post(f"{AUTH}/register", json=ADA)).json()["data"]["id"]
            session = (await client.post(f"{AUTH}/login", json=SIGN_IN)).json()
            assert await status_of(client, session["token"]) == 200

            disable = ("user", "disable", account, "--database", settings.database_url)
            assert (await run_headway(*disable, secret_key=SECRET_KEY)).returncode == 0
            assert await eventually(client, session["token"], 401)
            async with open_world(settings) as world:
                await world.write(world.services.accounts.set_disabled, int(account), is_disabled=False)
            await asyncio.sleep(1.1)

            assert await status_of(client, session["token"]) == 401
            refreshed = await client.post(f"{AUTH}/refresh", json={"refreshToken": session["refreshToken"]})
            assert refreshed.status_code == 401
            assert (await client.post(f"{AUTH}/login", json=SIGN_IN)).status_code == 201


async def test_a_failed_sign_in_is_forgotten_exactly_when_retry_after_says(post: Post, clock: FakeClock) -> None:
    for _ in range(10):
        assert (await post("/login", WRONG)).status_code == 401
        clock.advance(seconds=60)
    limited = await post("/login", SIGN_IN)
    wait = int(limited.headers["Retry-After"])

    # The first one was 600 seconds ago.
    assert (limited.status_code, wait) == (429, 300)
    clock.advance(seconds=wait - 1)
    assert (await post("/login", SIGN_IN)).headers["Retry-After"] == "1"
    clock.advance(seconds=1)
    assert (await post("/login", WRONG)).status_code == 401
    assert (await post("/login", SIGN_IN)).headers["Retry-After"] == "60"


async def test_limits_hold_over_several_servers_for_an_address_and_a_client(settings: Settings, tmp_path: Path) -> None:
    with run_servers(settings, tmp_path, HEADWAY_FAILED_SIGN_INS_PER_CLIENT="15") as urls:
        one = await send_all(urls, [("POST", f"{AUTH}/login", {}, WRONG)] * 24)
        others: list[Request] = [("POST", f"{AUTH}/login", {}, {**WRONG, "email": f"{n}@example.org"}) for n in range(24)]
        any_address = await send_all(urls, others)

    assert statuses(one) == {401: 10, 429: 14}
    assert statuses(any_address) == {401: 5, 429: 19}
    assert all(0 < int(each.headers["Retry-After"]) <= 900 for each in [*one, *any_address] if each.status_code == 429)


async def test_attempts_at_once_are_counted_while_old_ones_are_swept_away(
    world: World, settings: Settings, clock: FakeClock
) -> None:
    keys = [f"key {number:03}" for number in range(300)]
    async with open_world(settings) as other:
        limiters = [DatabaseRateLimiter(each.database, clock) for each in (world, other)]
        for _round in range(3):
            async with world.database.write() as tx:
                await tx.run(delete(rate_limits))
                for key in keys:
                    await tx.run(insert(rate_limits).values(key=key, times="[]", expires_at=clock.now - MINUTE))
            # Those that are swept last are counted first.
            limit = RateLimit("any", 10)
            taken = [limiters[n % 2].take_all({key: limit}) for n, key in enumerate(keys[::-2] + keys[::50])]

            assert await asyncio.gather(*taken) == [clock.now] * len(taken)
            is_old = rate_limits.c.expires_at < clock.now
            assert await world.rows(select(func.count()).where(is_old)) == [(0,)]


async def test_sessions_that_expired_are_swept_away_and_the_others_stay(post: Post, world: World, clock: FakeClock) -> None:
    await signed_in(post)
    clock.now += 6 * DAY
    newer = await signed_in(post)
    clock.now += DAY + HOUR + MINUTE

    await signed_in(post)

    assert await world.rows(select(func.count()).select_from(sessions)) == [(2,)]
    assert (await post("/refresh", {"refreshToken": newer["refreshToken"]})).status_code == 201


async def test_another_role_ends_tokens_and_sessions(post: Post, world: World, client: httpx.AsyncClient) -> None:
    session = await signed_in(post)
    ada = await world.read(world.services.accounts.find_by_email, ADA["email"])

    await world.write(world.services.accounts.change, ada.id, role=Role.INSTRUCTOR)

    assert (await post("/refresh", {"refreshToken": session["refreshToken"]})).status_code == 401
    assert (await post("/login", SIGN_IN)).json()["user"]["role"] == "INSTRUCTOR"
    assert await status_of(client, session["token"]) == 401
