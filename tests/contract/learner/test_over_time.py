"""What depends on time passing: how often one client may try, and how long refresh tokens are good; on both databases."""

import httpx
import msgspec
import pytest

from headway.settings import Settings
from tests.world import FakeClock

AUTH = "/api/v1/learner/auth"
PASSWORD = "Engine-1843"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, registrations_per_client=2, failed_sign_ins_per_client=3)


async def register(client: httpx.AsyncClient, name: str, password: str = PASSWORD) -> int:
    body = {"name": name, "email": f"{name}@example.org", "password": password}
    return (await client.post(f"{AUTH}/register", json=body)).status_code


async def sign_in(client: httpx.AsyncClient, name: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post(f"{AUTH}/login", json={"email": f"{name}@example.org", "password": password})


async def test_a_client_registers_so_many_accounts_in_an_hour(client: httpx.AsyncClient, clock: FakeClock) -> None:
    assert [await register(client, name) for name in ("ada", "bob", "eve")] == [201, 201, 429]

    clock.advance(seconds=3599)
    assert await register(client, "eve") == 429
    clock.advance(seconds=1)
    assert await register(client, "eve") == 201


async def test_a_registration_that_is_not_valid_does_not_count(client: httpx.AsyncClient) -> None:
    assert [await register(client, "ada", password="short") for _ in range(3)] == [400] * 3

    assert await register(client, "ada") == 201


async def test_a_client_fails_to_sign_in_so_often_whatever_the_address(client: httpx.AsyncClient, clock: FakeClock) -> None:
    await register(client, "ada")

    assert [(await sign_in(client, name, "wrong")).status_code for name in ("x", "y", "z")] == [401] * 3

    refused = await sign_in(client, "ada")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "900")
    assert refused.json()["code"] == "RATE_LIMITED"
    clock.advance(seconds=900)
    assert (await sign_in(client, "ada")).status_code == 201


async def test_signing_in_does_not_count_as_failing(client: httpx.AsyncClient) -> None:
    await register(client, "ada")

    assert [(await sign_in(client, "ada")).status_code for _ in range(5)] == [201] * 5


async def test_a_refresh_token_is_good_for_two_tabs_and_for_no_thief(client: httpx.AsyncClient, clock: FakeClock) -> None:
    async def refresh(token: str) -> httpx.Response:
        return await client.post(f"{AUTH}/refresh", json={"refreshToken": token})

    await register(client, "ada")
    first = (await sign_in(client, "ada")).json()["refreshToken"]

    second = (await refresh(first)).json()["refreshToken"]
    clock.advance(seconds=30)
    assert (await refresh(first)).status_code == 201
    clock.advance(seconds=1)
    reused = await refresh(first)

    assert (reused.status_code, reused.json()["code"]) == (401, "TOKEN_REUSED")
    ended = await refresh(second)
    assert (ended.status_code, ended.json()["code"]) == (401, "UNAUTHENTICATED")


async def test_a_refresh_token_ends_after_seven_days(client: httpx.AsyncClient, clock: FakeClock) -> None:
    await register(client, "ada")
    token = (await sign_in(client, "ada")).json()["refreshToken"]

    clock.advance(seconds=7 * 86_400)
    ended = await client.post(f"{AUTH}/refresh", json={"refreshToken": token})

    assert (ended.status_code, ended.json()["code"]) == (401, "UNAUTHENTICATED")
