"""API keys: what they open, what they do not, when they end, and what is known of their use."""

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from headway.accounts.key_model import MAX_KEYS
from headway.accounts.model import User
from headway.accounts.tables import api_keys
from headway.errors import Conflict, Invalid, NotFound, Unauthenticated
from headway.http.authentication import Authentication
from headway.identity import Role, Scope
from headway.instants import MINUTE
from headway.services import Services
from headway.settings import Settings
from tests.counting_database import CountingDatabase
from tests.databases import SECRET_KEY
from tests.processes import run_headway
from tests.world import NOON, FakeClock, World


async def new_key(world: World, *scopes: Scope, user: User | None = None) -> tuple[int, str]:
    user_id = None if user is None else user.id
    made, text = await world.write(world.services.api_keys.create, "Relay", scopes or list(Scope), user_id=user_id)
    return made.id, text


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def authentication_of(services: Services) -> Authentication:
    return Authentication(services.tokens, services.accounts, services.api_keys, None, services.clock, cache_bytes=1_000_000)


async def is_accepted(asked: Authentication, text: str) -> bool:
    request: Any = {"headers": [(b"authorization", f"Bearer {text}".encode())]}
    try:
        await asked.caller(request)
    except Unauthenticated:
        return False
    return True


async def test_a_key_is_an_account_of_its_own_and_its_secret_is_stored_nowhere(world: World) -> None:
    key_id, text = await new_key(world, Scope.PROGRESS_READ)

    (row,) = await world.rows(select(api_keys))
    secret = text.removeprefix(f"hk_{key_id}_")
    assert len(secret) == 43
    assert secret not in str(row)
    account = await world.find_user(row[1])
    assert (account.role, account.name, row[3]) == (Role.SYSTEM, "Relay", "progress:read")


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/api/v1/courses/{course}", Scope.COURSES_READ),
        ("GET", "/api/v1/webhooks", Scope.WEBHOOKS_WRITE),
        ("GET", "/api/v1/courses", Scope.COURSES_READ),
        ("GET", "/api/v1/courses/{course}/enrollments", Scope.ROSTER_READ),
        ("GET", "/api/v1/courses/{course}/staff", Scope.ROSTER_READ),
        ("GET", "/user-progress/{course}/{learner}", Scope.PROGRESS_READ),
        ("GET", "/api/v1/courses/{course}/enrollments/{learner}/resets", Scope.PROGRESS_READ),
        ("GET", "/api/v1/courses/{course}/enrollments/{learner}/attempts", Scope.PROGRESS_READ),
        ("GET", "/user-progress/course/{course}/all", Scope.PROGRESS_READ),
        ("GET", "/user-progress/course/{course}/analytics", Scope.PROGRESS_READ),
        ("GET", "/v1/tutorials/progress/t?userId=id:{learner}", Scope.PROGRESS_READ),
    ],
)
async def test_a_key_opens_what_its_scope_says_and_nothing_else(
    world: World, client: httpx.AsyncClient, method: str, path: str, scope: Scope
) -> None:
    course = await world.course()
    filled = path.format(course=course.id, learner=(await world.learner(course)).id)
    _, right = await new_key(world, scope)
    _, wrong = await new_key(world, *(set(Scope) - {scope}))

    assert (await client.request(method, filled, headers=bearer(right))).status_code == 200
    refused = await client.request(method, filled, headers=bearer(wrong))

    assert refused.status_code == 403
    assert scope.value in refused.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/courses/activity/track"),
        ("POST", "/api/courses/activity/batch"),
        ("POST", "/user-progress/update"),
        ("GET", "/api/v1/activities"),
        ("GET", "/api/v1/learner/me"),
        ("GET", "/api/v1/learner/feed"),
        ("POST", "/api/v1/learner/auth/login"),
        ("POST", "/api/v1/courses"),
        ("GET", "/api/v1/keys"),
        ("POST", "/api/v1/keys"),
        ("PATCH", "/api/v1/submissions/1"),
    ],
)
async def test_a_key_with_every_scope_opens_no_route_that_names_none(
    world: World, client: httpx.AsyncClient, method: str, path: str
) -> None:
    _, text = await new_key(world)

    refused = await client.request(method, path, json={}, headers=bearer(text))

    assert refused.status_code == 403
    assert "takes no API keys" in refused.text


async def test_a_key_with_the_scope_of_webhooks_does_what_administrators_do(world: World, client: httpx.AsyncClient) -> None:
    scopes: dict[bool, list[Scope]] = {
        True: [Scope.WEBHOOKS_WRITE],
        False: [each for each in Scope if each is not Scope.WEBHOOKS_WRITE],
    }
    keys = {may: (await new_key(world, *some))[1] for may, some in scopes.items()}
    body = {"url": "https://hooks.example.org/in"}

    async def ask(method: str, path: str, *, may: bool) -> httpx.Response:
        return await client.request(method, f"/api/v1/webhooks{path}", json=body, headers=bearer(keys[may]))

    created = await ask("POST", "", may=True)
    assert created.status_code == 201
    path = f"/{created.json()['data']['id']}"
    calls = [("GET", ""), ("GET", path), ("GET", f"{path}/deliveries"), ("PATCH", path), ("POST", f"{path}/secret")]
    for method, each in [*calls, ("DELETE", path)]:
        assert (await ask(method, each, may=False)).json()["code"] == "INSUFFICIENT_SCOPE"
        assert (await ask(method, each, may=True)).is_success


async def test_a_key_is_no_session_and_no_token(world: World, client: httpx.AsyncClient) -> None:
    _, text = await new_key(world)

    page = await client.get("/app/account", headers={**bearer(text), "Cookie": f"headway-access={text}"})
    with pytest.raises(Unauthenticated):
        # What browsers' sessions and /ws ask.
        await authentication_of(world.services).verify(text)

    assert page.status_code in {302, 303}
    assert "/app/sign-in" in page.headers["location"]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"),
        lambda text: text.replace("hk_", "hk_9", 1),
        lambda text: text + "A",
        lambda text: text.rpartition("_")[0],
        lambda _text: "hk_",
        lambda _text: "hk_99999999999999999999_" + "A" * 43,
        lambda text: text.replace("hk_", "hk_0", 1),
    ],
)
async def test_a_key_with_another_character_is_none(world: World, change: Any) -> None:
    _, text = await new_key(world)
    asked = authentication_of(world.services)
    assert await is_accepted(asked, text)

    assert not await is_accepted(asked, change(text))


async def revoke(world: World, services: Services, key_id: int, _user: User) -> None:
    async with world.database.write() as tx:
        await services.api_keys.revoke(tx, key_id)


async def disable(world: World, services: Services, _key_id: int, user: User) -> None:
    async with world.database.write() as tx:
        await services.accounts.set_disabled(tx, user.id, is_disabled=True)


async def change_role(world: World, services: Services, _key_id: int, user: User) -> None:
    async with world.database.write() as tx:
        await services.accounts.change(tx, user.id, role=Role.ADMIN)


@pytest.mark.parametrize("end", [revoke, disable, change_role])
async def test_a_key_ends_at_once_where_it_is_ended_and_a_second_later_elsewhere(
    world: World, settings: Settings, end: Any
) -> None:
    user = await world.user(Role.SYSTEM)
    key_id, text = await new_key(world, user=user)
    elsewhere = Services(settings, world.database, world.clock)
    here, there = authentication_of(world.services), authentication_of(elsewhere)
    assert await is_accepted(here, text)
    assert await is_accepted(there, text)

    await end(world, world.services, key_id, user)

    assert not await is_accepted(here, text)
    world.clock.advance(seconds=1)
    assert not await is_accepted(there, text)
    # One of the same account that was made later is another one.
    if end is revoke:
        assert await is_accepted(there, (await new_key(world, user=user))[1])


async def test_a_key_costs_no_statement_once_it_is_known(world: World, settings: Settings) -> None:
    _, text = await new_key(world)
    database: Any = CountingDatabase(world.database)
    asked = authentication_of(Services(settings, database, world.clock))
    assert await is_accepted(asked, text)
    before = database.statements

    assert await is_accepted(asked, text)

    assert database.statements == before


async def test_the_last_use_of_a_key_is_known_to_the_minute(world: World, clock: FakeClock) -> None:
    key_id, text = await new_key(world)
    asked, keys = authentication_of(world.services), world.services.api_keys

    async def used_at() -> int | None:
        await keys.write_uses()
        (row,) = await world.rows(select(api_keys.c.used_at).where(api_keys.c.id == key_id))
        return row[0]  # type: ignore[no-any-return]

    assert await used_at() is None
    clock.advance(seconds=90)
    await is_accepted(asked, text)
    assert await used_at() == NOON + MINUTE
    clock.advance(seconds=-60)
    await is_accepted(asked, text)
    assert await used_at() == NOON + MINUTE


async def test_only_service_accounts_have_keys_and_only_so_many(world: World) -> None:
    create = world.services.api_keys.create
    service, learner = await world.user(Role.SYSTEM), await world.user()
    disabled = await world.user(Role.SYSTEM)
    await world.disable(disabled)

    for user_id, kind in ((learner.id, "NO_SERVICE_ACCOUNT"), (disabled.id, "USER_DISABLED")):
        with pytest.raises(Conflict) as conflict:
            await world.write(create, "Relay", [Scope.EVENTS_WRITE], user_id=user_id)
        assert conflict.value.kind == kind
    with pytest.raises(NotFound):
        await world.write(create, "Relay", [Scope.EVENTS_WRITE], user_id=999_999)
    for name, scopes, field in (("", [Scope.EVENTS_WRITE], "name"), ("Relay", [], "scopes")):
        with pytest.raises(Invalid) as invalid:
            await world.write(create, name, scopes)
        assert [each.field for each in invalid.value.fields] == [field]
    async with world.database.write() as tx:
        for _ in range(MAX_KEYS):
            await create(tx, "Relay", [Scope.EVENTS_WRITE], user_id=service.id)
        with pytest.raises(Conflict) as full:
            await create(tx, "Relay", [Scope.EVENTS_WRITE], user_id=service.id)
    assert full.value.kind == "TOO_MANY_KEYS"


async def test_administrators_create_list_and_revoke_keys_over_http(world: World, client: httpx.AsyncClient) -> None:
    admin = world.bearer(await world.user(Role.ADMIN))
    course = await world.course()
    body = {"name": "Dashboard", "scopes": ["progress:read", "courses:read"]}

    made = (await client.post("/api/v1/keys", json=body, headers=admin)).json()["data"]
    read = await client.get(f"/user-progress/course/{course.id}/all", headers=bearer(made["key"]))
    (listed,) = (await client.get("/api/v1/keys", headers=admin)).json()["data"]
    revoked = await client.delete(f"/api/v1/keys/{made['id']}", headers=admin)
    again = await client.delete(f"/api/v1/keys/{made['id']}", headers=admin)
    after = await client.get(f"/user-progress/course/{course.id}/all", headers=bearer(made["key"]))
    (ended,) = (await client.get("/api/v1/keys", headers=admin)).json()["data"]

    assert read.status_code == 200
    assert listed == {name: value for name, value in made.items() if name != "key"} | {"userName": "Dashboard"}
    assert (listed["scopes"], listed["lastUsedAt"], listed["revokedAt"]) == (["courses:read", "progress:read"], None, None)
    assert [each.status_code for each in (revoked, again, after)] == [204, 204, 401]
    assert ended["revokedAt"] == "2026-01-01T12:00:00.000Z"
    assert (await client.delete("/api/v1/keys/999", headers=admin)).json()["code"] == "API_KEY_NOT_FOUND"


async def test_commands_create_list_and_revoke_keys(world: World, settings: Settings) -> None:
    async def run(*arguments: str) -> Any:
        ended = await run_headway("key", *arguments, "--database", settings.database_url, secret_key=SECRET_KEY)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    made = await run("create", "--name", "Relay", "--scope", "events:write", "--scope", "progress:read")
    asked = authentication_of(world.services)
    assert await is_accepted(asked, made["key"])
    (listed,) = await run("list")
    assert (listed["id"], listed["scopes"]) == (made["id"], ["events:write", "progress:read"])
    assert "key" not in listed

    assert await run("revoke", made["id"]) == {"id": made["id"], "revoked": True}

    world.clock.advance(seconds=1)
    assert not await is_accepted(asked, made["key"])
