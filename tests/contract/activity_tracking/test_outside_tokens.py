"""Callers who come with a token of an outside identity provider."""

import asyncio
from pathlib import Path

import httpx
import msgspec
import pytest
from sqlalchemy import select

from headway.accounts.tables import users
from headway.errors import Conflict
from headway.settings import Settings
from tests.contract.scene import Names
from tests.unit.provider import AUDIENCE, ISSUER, ec_key, key_set
from tests.world import FakeClock, World

KEY = ec_key("key-1")
TRACK = "/api/courses/activity/track"


@pytest.fixture
def keys(tmp_path: Path) -> str:
    """Where the provider's keys are."""
    file = tmp_path / "keys.json"
    file.write_bytes(key_set(KEY))
    return str(file)


@pytest.fixture
def settings(settings: Settings, keys: str) -> Settings:
    return msgspec.structs.replace(settings, idp_issuer=ISSUER, idp_audience=AUDIENCE, idp_keys=keys)


async def track(client: httpx.AsyncClient, token: str, course_id: int) -> httpx.Response:
    event = {"activity_type": "search", "course_id": course_id}
    return await client.post(TRACK, json=event, headers={"Authorization": f"Bearer {token}"})


async def accounts(world: World, subject: str) -> list[tuple[object, ...]]:
    return await world.rows(select(users.c.role, users.c.name, users.c.email).where(users.c.external_id == subject))


async def test_who_comes_for_the_first_time_gets_an_account_as_a_learner(
    client: httpx.AsyncClient, world: World, names: Names
) -> None:
    answers = [await track(client, KEY.token(sub="ada", name="Ada", role="ADMIN"), names["course"]) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert await accounts(world, "ada") == [("PARTICIPANT", "Ada", None)]


async def test_many_requests_at_first_sight_make_one_account(client: httpx.AsyncClient, world: World, names: Names) -> None:
    token = KEY.token(sub="ada")

    answers = await asyncio.gather(*(track(client, token, names["course"]) for _ in range(8)))

    assert {answer.status_code for answer in answers} == {403}
    assert len(await accounts(world, "ada")) == 1


async def test_an_account_that_was_made_before_is_known_by_its_external_id(
    client: httpx.AsyncClient, world: World, names: Names
) -> None:
    learner = await world.user(external_id="ada")
    await world.write(world.services.enrollments.enroll, learner.id, names["course"])

    assert (await track(client, KEY.token(sub="ada"), names["course"])).status_code == 201


async def test_a_disabled_account_is_refused_whoever_signed_its_token(
    client: httpx.AsyncClient, world: World, names: Names
) -> None:
    learner = await world.user(external_id="ada")
    await world.disable(learner)

    answer = await track(client, KEY.token(sub="ada"), names["course"])

    assert (answer.status_code, answer.json()["message"]) == (401, "The account is disabled.")


async def test_headways_own_tokens_are_taken_beside_those_of_the_provider(client: httpx.AsyncClient, names: Names) -> None:
    assert (await track(client, names["token_of_learner"], names["course"])).status_code == 201


async def test_a_token_of_a_stranger_is_refused(client: httpx.AsyncClient, names: Names) -> None:
    answer = await track(client, ec_key("key-1").token(), names["course"])

    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.json()["success"] is False


async def test_an_outside_id_belongs_to_one_account_only(world: World) -> None:
    await world.user(external_id="ada")

    with pytest.raises(Conflict):
        await world.user(external_id="ada")


class TestOutOfReach:
    """The provider publishes its keys where nobody answers."""

    @pytest.fixture
    def keys(self) -> str:
        return "http://127.0.0.1:9/keys"

    async def test_the_caller_shall_come_again(self, client: httpx.AsyncClient, names: Names, clock: FakeClock) -> None:
        answer = await track(client, KEY.token(), names["course"])

        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.json() == {
            "success": False,
            "message": "The identity provider's keys cannot be fetched.",
            "errors": [],
            "request_id": answer.headers["X-Request-Id"],
        }
        assert (await track(client, names["token_of_learner"], names["course"])).status_code == 201
