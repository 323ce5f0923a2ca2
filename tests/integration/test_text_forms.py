"""The same text typed on two devices is the same to Headway, also where it was stored before that was so."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from headway.accounts import store as account_store
from headway.accounts.tables import users
from headway.courses.completion import Completion, Rule
from headway.db import index_keys
from headway.identity import Role
from headway.learning.tables import learner_activity_logs
from headway.text import nfc, nfd
from tests.world import World

COMPOSED, DECOMPOSED = "zo\u00eb", "zoe\u0308"
MIXED = "Vi\u00ea\u0323t"
"""As a keyboard types it: neither composed nor decomposed."""
PASSWORD = "Gru\u00df-\u00e9t\u00e9-1X"
SIGN_IN = "/api/v1/learner/auth/login"
REGISTER = "/api/v1/learner/auth/register"
TRACK = "/api/courses/activity/track"


async def sign_in(client: httpx.AsyncClient, email: str, password: str) -> int:
    return (await client.post(SIGN_IN, json={"email": email, "password": password})).status_code


async def register(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> int:
    body = {"name": DECOMPOSED, "email": email, "password": password}
    return (await client.post(REGISTER, json=body)).status_code


async def old_account(world: World, email: str, password: str) -> int:
    """Make an account as it was made before: with address and password as they were typed."""
    hashed = await asyncio.to_thread(PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1).hash, password)
    user = await world.user()
    async with world.database.write() as tx:
        row = {
            "email": tx.keyring.encrypt(email),
            "email_hash": await index_keys.email_hash(tx, email),
            "password_hash": hashed,
        }
        await tx.run(update(users).where(users.c.id == user.id).values(**row))
    return user.id


@pytest.mark.parametrize("first", [COMPOSED, DECOMPOSED], ids=["composed", "decomposed"])
async def test_one_address_is_one_account_however_it_is_typed(client: httpx.AsyncClient, world: World, first: str) -> None:
    assert await register(client, f"{first}@School.Test") == 201
    assert await register(client, f"{COMPOSED}@school.test") == 409
    assert await register(client, f"{DECOMPOSED}@school.test") == 409

    for email in (COMPOSED, DECOMPOSED, DECOMPOSED.upper()):
        for password in (nfc(PASSWORD), nfd(PASSWORD)):
            assert await sign_in(client, f"{email}@school.test", password) == 201
    assert await sign_in(client, f"{COMPOSED}@school.test", nfd(PASSWORD) + "x") == 401
    async with world.database.read() as tx:
        found = await account_store.find_by_email(tx, f"{DECOMPOSED}@school.test")
    assert found is not None
    assert (found.name, found.email) == (COMPOSED, f"{COMPOSED}@school.test")


@pytest.mark.parametrize("password", [f"{each}-Pass-1" for each in (COMPOSED, DECOMPOSED, MIXED)], ids=ascii)
async def test_a_password_of_before_is_right_as_it_was_typed_and_then_on_every_device(
    client: httpx.AsyncClient, world: World, password: str
) -> None:
    await old_account(world, "ada@school.test", password)

    assert await sign_in(client, "ada@school.test", password) == 201
    for spelling in (nfc(password), nfd(password), password):
        assert await sign_in(client, "ada@school.test", spelling) == 201
    (stored,) = (await world.rows(select(users.c.password_hash).where(users.c.email.is_not(None))))[0]
    assert PasswordHasher().verify(stored, nfc(password))


async def test_renewing_the_hash_of_a_password_ends_no_token(client: httpx.AsyncClient, world: World) -> None:
    user_id = await old_account(world, "ada@school.test", nfd(PASSWORD))
    token = world.tokens.issue(await world.find_user(user_id))

    assert await sign_in(client, "ada@school.test", nfc(PASSWORD)) == 201
    mine = await client.get("/api/v1/learner/me", headers={"Authorization": f"Bearer {token}"})
    assert mine.status_code == 200


async def test_a_decomposed_address_of_before_is_found_and_stays_taken(client: httpx.AsyncClient, world: World) -> None:
    user_id = await old_account(world, f"{DECOMPOSED}@school.test", "Secret-Pass-1")

    for spelling in (COMPOSED, DECOMPOSED):
        assert await sign_in(client, f"{spelling}@school.test", "Secret-Pass-1") == 201
        assert await register(client, f"{spelling}@school.test") == 409
        found = await world.read(world.services.accounts.find_by_email, f"{spelling}@school.test")
        assert found.id == user_id


async def test_two_accounts_of_before_with_two_spellings_stay_two(client: httpx.AsyncClient, world: World) -> None:
    for spelling in (COMPOSED, DECOMPOSED):
        await old_account(world, f"{spelling}@school.test", f"Secret-{spelling!a}")

    for spelling in (COMPOSED, DECOMPOSED):
        assert await sign_in(client, f"{spelling}@school.test", f"Secret-{spelling!a}") == 201


async def test_failed_sign_ins_are_counted_once_for_all_spellings(client: httpx.AsyncClient) -> None:
    spellings = [f"{each}@school.test" for each in (COMPOSED, DECOMPOSED, COMPOSED.upper(), f" {DECOMPOSED}")]

    statuses = [await sign_in(client, spellings[number % 4], "Wrong-Pass-1") for number in range(11)]

    assert statuses == [401] * 10 + [429]


@pytest.fixture
async def event(world: World) -> tuple[dict[str, str], dict[str, Any]]:
    """The headers of a learner and an event of theirs."""
    course = await world.course((Completion(Rule.MANUAL),))
    learner = await world.learner(course)
    headers = world.bearer(learner) | {"Content-Type": "application/json"}
    return headers, {"activity_type": "course_view", "course_id": course.id, "event_id": COMPOSED, "session_id": COMPOSED}


async def track(client: httpx.AsyncClient, event: tuple[dict[str, str], dict[str, Any]], metadata: str, text: str) -> int:
    headers, fields = event
    whole = json.dumps(fields | {"event_id": text, "session_id": text}, ensure_ascii=False)
    body = f'{whole[:-1]}, "metadata": {metadata}}}'
    return (await client.post(TRACK, content=body.encode(), headers=headers)).status_code


SAME = [
    '{"n":1,"who":"zo\u00eb","deep":{"a":[-0.0,1e2],"b":9007199254740993}}',
    '{"n":1.0,"who":"zoe\u0308","deep":{"b":9007199254740993,"a":[0,100]}}',
    '{"deep":{"a":[0.0,100.0],"b":9007199254740993},"who":"zo\\u0065\\u0308","n":1e0}',
]
OTHER = [
    SAME[0].replace("993", "992"),
    SAME[0].replace('"n":1', '"n":"1"'),
    SAME[0].replace('"n":1', '"n":true'),
    SAME[0].replace("1e2", "101"),
]


async def test_an_event_that_was_encoded_anew_is_the_same_event(
    client: httpx.AsyncClient, world: World, event: tuple[dict[str, str], dict[str, Any]]
) -> None:
    assert await track(client, event, SAME[0], DECOMPOSED) == 201

    for text in (COMPOSED, DECOMPOSED):
        assert [await track(client, event, metadata, text) for metadata in SAME] == [200, 200, 200]
        assert [await track(client, event, metadata, text) for metadata in OTHER] == [409] * len(OTHER)
    logs = learner_activity_logs.c
    assert await world.rows(select(logs.event_id, logs.session_id)) == [(COMPOSED, COMPOSED)]


async def test_an_event_that_was_stored_as_it_came_is_the_same_event(
    client: httpx.AsyncClient, world: World, event: tuple[dict[str, str], dict[str, Any]]
) -> None:
    assert await track(client, event, SAME[0], COMPOSED) == 201
    async with world.database.write() as tx:
        await tx.run(update(learner_activity_logs).values(metadata=SAME[1], session_id=DECOMPOSED))

    assert [await track(client, event, metadata, COMPOSED) for metadata in SAME] == [200, 200, 200]
    assert await track(client, event, OTHER[0], COMPOSED) == 409


async def test_ids_of_clients_are_the_same_in_a_path_a_query_and_a_body(client: httpx.AsyncClient, world: World) -> None:
    learner = await world.user(external_id=DECOMPOSED)
    admin = world.bearer(await world.user(Role.ADMIN))
    for number, (tutorial, chapter) in enumerate([(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)], 1):
        path = f"/v1/tutorials/progress/{quote(tutorial)}/chapter"
        answer = await client.post(path, json={"chapterId": chapter, "watchTime": number}, headers=world.bearer(learner))
        assert answer.status_code == 200

    for user in (COMPOSED, DECOMPOSED):
        found = await client.get(f"/v1/tutorials/progress/{quote(DECOMPOSED)}", params={"userId": user}, headers=admin)
        assert found.json()["userId"] == COMPOSED
        assert [(each["chapterId"], each["watchTime"]) for each in found.json()["chapterProgress"]] == [(COMPOSED, 2)]
