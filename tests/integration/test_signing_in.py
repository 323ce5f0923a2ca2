"""Signing in: refresh tokens of many tabs, stolen ones, what ends tokens, and limits that nobody slips through."""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.integration.concurrency import Request, open_world, run_servers, send_all
from tests.processes import open_client, run_headway
from tests.world import FakeClock, World

AUTH = "/api/v1/learner/auth"
PASSWORD = "Corr3ct-Horse"
ADA = {"name": "Ada", "email": "ada@example.org", "password": PASSWORD}
SIGN_IN = {"email": ADA["email"], "password": PASSWORD}

Post = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def post(client: httpx.AsyncClient) -> Post:
    async def send(path: str, body: Any = None, token: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await client.post(AUTH + path, json=body, headers=headers)

    assert (await send("/register", ADA)).status_code == 201
    return send


async def signed_in(post: Post) -> dict[str, str]:
    answer = await post("/login", SIGN_IN)
    assert answer.status_code == 201
    return dict(answer.json())


async def status_of(client: httpx.AsyncClient, token: str) -> int:
    return (await client.get("/api/v1/learner/me", headers={"Authorization": f"Bearer {token}"})).status_code


async def test_fifty_tabs_that_refresh_with_one_token_all_stay_signed_in(settings: Settings, tmp_path: Path) -> None:
    with run_servers(settings, tmp_path) as urls:
        async with open_client(urls[0]) as client:
            assert (await client.post(f"{AUTH}/register", json=ADA)).status_code == 201
            first = (await client.post(f"{AUTH}/login", json=SIGN_IN)).json()["refreshToken"]

            answers = await send_all(urls, [("POST", f"{AUTH}/refresh", {}, {"refreshToken": first})] * 50)

            assert {answer.status_code for answer in answers} == {201}
            successors = {answer.json()["refreshToken"] for answer in answers}
            assert len(successors) == 1
            assert successors != {first}
            for answer in answers:
                assert await status_of(client, answer.json()["token"]) == 200
            again = await client.post(f"{AUTH}/refresh", json={"refreshToken": successors.pop()})
            assert again.status_code == 201


async def test_a_used_token_gives_its_successor_for_30_seconds_and_then_ends_the_session(
    post: Post, client: httpx.AsyncClient, clock: FakeClock
) -> None:
    session = await signed_in(post)
    other = await signed_in(post)
    newest = (await post("/refresh", {"refreshToken": session["refreshToken"]})).json()
    clock.advance(seconds=30)
    assert (await post("/refresh", {"refreshToken": session["refreshToken"]})).json()["refreshToken"] == newest["refreshToken"]

    clock.advance(seconds=1)
    reused = await post("/refresh", {"refreshToken": session["refreshToken"]})

    assert (reused.status_code, reused.json()["code"]) == (401, "TOKEN_REUSED")
    assert (await post("/refresh", {"refreshToken": newest["refreshToken"]})).status_code == 401
    assert await status_of(client, session["token"]) == 401
    assert await status_of(client, newest["token"]) == 401
    assert await status_of(client, other["token"]) == 200


async def test_two_quick_refreshes_one_after_the_other_are_two_generations(post: Post) -> None:
    tokens = [(await signed_in(post))["refreshToken"]]
    for _ in range(3):
        tokens.append((await post("/refresh", {"refreshToken": tokens[-1]})).json()["refreshToken"])

    assert len(set(tokens)) == 4
    for used in tokens[:-1]:
        assert (await post("/refresh", {"refreshToken": used})).json()["refreshToken"] == tokens[-1]


async def test_a_refresh_token_lasts_seven_days_from_its_making(post: Post, clock: FakeClock) -> None:
    token = (await signed_in(post))["refreshToken"]
    clock.advance(seconds=7 * 86_400 - 1)
    token = (await post("/refresh", {"refreshToken": token})).json()["refreshToken"]
    clock.advance(seconds=7 * 86_400)

    assert (await post("/refresh", {"refreshToken": token})).status_code == 401


async def test_a_session_ends_after_ninety_days_however_often_it_is_refreshed(post: Post, clock: FakeClock) -> None:
    token = (await signed_in(post))["refreshToken"]
    for _week in range(15):
        clock.advance(seconds=6 * 86_400 - 1)
        answer = await post("/refresh", {"refreshToken": token})
        assert answer.status_code == 201
        token = answer.json()["refreshToken"]

    clock.advance(seconds=15)
    assert (await post("/refresh", {"refreshToken": token})).status_code == 401


async def test_access_and_refresh_tokens_are_not_taken_for_one_another(post: Post, client: httpx.AsyncClient) -> None:
    session = await signed_in(post)

    assert await status_of(client, session["refreshToken"]) == 401
    assert (await post("/refresh", {"refreshToken": session["token"]})).status_code == 401
    assert (await post("/refresh", {"refreshToken": session["refreshToken"] + "x"})).status_code == 401


async def test_an_access_token_lasts_an_hour(post: Post, client: httpx.AsyncClient, clock: FakeClock) -> None:
    session = await signed_in(post)
    assert int(session["expiresIn"]) == 3600

    clock.advance(seconds=3599)
    assert await status_of(client, session["token"]) == 200
    clock.advance(seconds=1)
    assert await status_of(client, session["token"]) == 401


async def test_signing_out_ends_the_session_and_no_other(post: Post, client: httpx.AsyncClient) -> None:
    session, other = await signed_in(post), await signed_in(post)

    assert (await post("/logout", token=session["token"])).status_code == 204

    assert await status_of(client, session["token"]) == 401
    assert (await post("/refresh", {"refreshToken": session["refreshToken"]})).status_code == 401
    assert await status_of(client, other["token"]) == 200


async def test_changing_the_password_ends_all_tokens(post: Post, client: httpx.AsyncClient) -> None:
    session, other = await signed_in(post), await signed_in(post)
    body = {"currentPassword": PASSWORD, "newPassword": "An0ther-Horse"}

    assert (await post("/password", body, session["token"])).status_code == 204

    for each in (session, other):
        assert await status_of(client, each["token"]) == 401
        assert (await post("/refresh", {"refreshToken": each["refreshToken"]})).status_code == 401
    assert (await post("/login", SIGN_IN)).status_code == 401
    assert (await post("/login", {**SIGN_IN, "password": "An0ther-Horse"})).status_code == 201


async def test_a_wrong_current_password_changes_nothing(post: Post, client: httpx.AsyncClient) -> None:
    session = await signed_in(post)
    body = {"currentPassword": "Wr0ng-Horse", "newPassword": "An0ther-Horse"}

    refused = await post("/password", body, session["token"])

    assert refused.status_code == 400
    assert [each["field"] for each in refused.json()["errors"]] == ["currentPassword"]
    assert await status_of(client, session["token"]) == 200


async def test_what_ends_tokens_on_one_server_ends_them_on_the_other_within_two_seconds(
    settings: Settings, tmp_path: Path
) -> None:
    with run_servers(settings, tmp_path) as urls:
        async with open_client(urls[0]) as here, open_client(urls[-1]) as there:
            account = (await here.post(f"{AUTH}/register", json=ADA)).json()["data"]
            tokens = [(await here.post(f"{AUTH}/login", json=SIGN_IN)).json()["token"] for _ in range(2)]
            for token in tokens:
                assert await status_of(there, token) == 200

            await here.post(f"{AUTH}/logout", headers={"Authorization": f"Bearer {tokens[0]}"})
            await asyncio.sleep(2)
            assert [await status_of(there, token) for token in tokens] == [401, 200]

            disabled: subprocess.CompletedProcess[str] = await run_headway(
                "user", "disable", account["id"], "--database", settings.database_url, secret_key=SECRET_KEY
            )
            assert disabled.returncode == 0
            await asyncio.sleep(2)
            assert await status_of(there, tokens[1]) == 401
            refused = await there.post(f"{AUTH}/login", json=SIGN_IN)
            assert (refused.status_code, refused.json()["code"]) == (401, "INVALID_CREDENTIALS")


async def test_of_fifty_wrong_guesses_at_once_ten_are_looked_at(settings: Settings, tmp_path: Path) -> None:
    with run_servers(settings, tmp_path) as urls:
        async with open_client(urls[0]) as client:
            assert (await client.post(f"{AUTH}/register", json=ADA)).status_code == 201
        guesses: list[Request] = [("POST", f"{AUTH}/login", {}, {**SIGN_IN, "password": f"Guess-{n}"}) for n in range(50)]

        answers = await send_all(urls, guesses)

        statuses = [answer.status_code for answer in answers]
        assert (statuses.count(401), statuses.count(429)) == (10, 40)
        limited = next(answer for answer in answers if answer.status_code == 429)
        assert limited.json()["code"] == "RATE_LIMITED"
        assert 0 < int(limited.headers["Retry-After"]) <= 900
        (right,) = await send_all(urls[-1:], [("POST", f"{AUTH}/login", {}, SIGN_IN)])
        assert right.status_code == 429


async def test_after_the_window_the_right_password_works_and_is_not_counted(post: Post, clock: FakeClock) -> None:
    for _ in range(10):
        assert (await post("/login", {**SIGN_IN, "password": "wrong"})).status_code == 401
    assert (await post("/login", SIGN_IN)).status_code == 429

    clock.advance(seconds=900)

    for _ in range(12):
        assert (await post("/login", SIGN_IN)).status_code == 201


async def test_an_unknown_address_is_told_and_limited_like_a_wrong_password(post: Post) -> None:
    known = await post("/login", {**SIGN_IN, "password": "wrong"})
    unknown = await post("/login", {"email": "nobody@example.org", "password": "wrong"})

    assert unknown.status_code == known.status_code == 401
    assert {**known.json(), "requestId": 0, "timestamp": 0} == {**unknown.json(), "requestId": 0, "timestamp": 0}
    for _ in range(9):
        await post("/login", {"email": "nobody@example.org", "password": "wrong"})
    assert (await post("/login", {"email": "Nobody@Example.org ", "password": "wrong"})).status_code == 429


async def test_registrations_of_a_client_are_limited(settings: Settings, tmp_path: Path) -> None:
    with run_servers(settings, tmp_path, HEADWAY_REGISTRATIONS_PER_CLIENT="5") as urls:
        people = [{**ADA, "email": f"{n}@example.org"} for n in range(12)]

        answers = await send_all(urls, [("POST", f"{AUTH}/register", {}, person) for person in people])

        statuses = [answer.status_code for answer in answers]
        assert (statuses.count(201), statuses.count(429)) == (5, 7)


async def test_two_who_register_with_one_address_at_once_make_one_account(settings: Settings, tmp_path: Path) -> None:
    with run_servers(settings, tmp_path) as urls:
        answers = await send_all(urls, [("POST", f"{AUTH}/register", {}, ADA)] * 8)

        statuses = [answer.status_code for answer in answers]
        assert (statuses.count(201), statuses.count(409)) == (1, 7)
    async with open_world(settings) as world:
        assert (await find(world)).name == "Ada"


async def find(world: World) -> Any:
    return await world.read(world.services.accounts.find_by_email, "ADA@example.org")
