"""The longest external ids of users, wherever they are stored, shown and used."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest
from sqlalchemy import select

from headway.accounts.model import NewUser
from headway.accounts.naming import find_user
from headway.accounts.tables import users
from headway.db.database import Database
from headway.errors import Invalid
from headway.identity import Caller, Role, Scope
from headway.ids import MAX_EXTERNAL_ID
from headway.instants import SECOND
from headway.settings import Settings
from tests.integration.roster_imports import bring, differences, summary
from tests.pages.visitor import Visitor
from tests.roster_inputs import OneRosterFiles
from tests.unit.provider import CLAIMS, key_set, rsa_key
from tests.world import NOON, World

PROVIDER = rsa_key("rsa-1")
LONGEST = ["\U0001f600" * MAX_EXTERNAL_ID, "/" * MAX_EXTERNAL_ID, "https://school.example/people/" + "7" * 470]
CASES = pytest.mark.parametrize("name", LONGEST, ids=["faces", "slashes", "address"])


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    keys = tmp_path / "keys.json"
    keys.write_bytes(key_set(PROVIDER))
    given: dict[str, Any] = {"idp_issuer": CLAIMS["iss"], "idp_audience": CLAIMS["aud"], "idp_keys": str(keys)}
    return msgspec.structs.replace(settings, create_reported_learners=True, **given)


@CASES
async def test_a_subject_of_the_longest_length_is_an_account_that_every_call_names(
    client: httpx.AsyncClient, world: World, name: str
) -> None:
    await world.course(external_id=name, is_published=True)
    token = {"Authorization": f"Bearer {PROVIDER.token(sub=name, exp=NOON // SECOND + 60)}"}
    admin, path = world.bearer(await world.user(Role.ADMIN)), quote(f"ext:{name}", safe="")

    me = await client.get("/api/v1/learner/me", headers=token)
    by_staff = await client.post(
        f"/api/v1/courses/{path}/enrollments", json={"items": [{"user": f"ext:{name}"}]}, headers=admin
    )
    own = await client.get(f"/user-progress/{path}/{path}", headers=token)
    all_rows = await client.get(f"/user-progress/course/{path}/all", headers=admin)
    tutorial = await client.get("/v1/tutorials/progress/t-1", headers=token)
    logged = await client.post("/api/v1/activities", json={"action": "X", "target": {"type": "OTHER"}}, headers=token)
    extended = await client.patch(
        f"/api/v1/courses/{path}/enrollments/{path}", json={"expiresAt": "2026-02-01T00:00:00Z"}, headers=admin
    )
    appointed = await client.put(f"/api/v1/courses/{path}/staff/{path}", json={"role": "instructor"}, headers=admin)
    exported = await client.get(f"/api/v1/courses/{path}/export", headers=admin)

    assert [each.status_code for each in (me, by_staff, own, all_rows, extended)] == [200] * 5
    assert by_staff.json()["metadata"]["created"] == 1
    assert own.json()["results"]["enrollments"]["userId"] == int(me.json()["data"]["id"])
    assert tutorial.json()["userId"] == name
    assert logged.json()["data"]["actor"]["userId"] == me.json()["data"]["id"]
    assert (appointed.status_code, appointed.json()["code"]) == (409, "NOT_AN_INSTRUCTOR"), appointed.text
    assert name in exported.text
    assert await differences(world.database) == []


@CASES
async def test_a_longest_id_is_reported_for_and_comes_in_a_roster(
    client: httpx.AsyncClient, world: World, tmp_path: Path, name: str
) -> None:
    course = await world.course()
    _, key = await world.write(world.services.api_keys.create, "Relay", [Scope.EVENTS_WRITE])
    item = {"user": f"ext:{name}", "event_id": "one", "activity_type": "unit_view", "course_id": course.id}

    reported = await client.post("/api/v1/events", json={"events": [item]}, headers={"Authorization": f"Bearer {key}"})
    files = OneRosterFiles(0)
    files.person(name, "Ada", "Lovelace", "student", email="ada@example.org")
    files.enroll(name)
    brought = await bring(world, tmp_path, files)
    again = await bring(world, tmp_path, files)

    assert reported.json()["data"]["accepted"] == 1, reported.text
    assert summary(brought)["user"] == {"created": 1, "changed": 1}
    assert not again.has_changes
    assert len(await world.rows(select(users.c.id).where(users.c.external_id == name))) == 1
    assert await differences(world.database) == []


@CASES
async def test_an_administrator_finds_the_account_by_the_whole_id(client: httpx.AsyncClient, world: World, name: str) -> None:
    admin = Visitor(client, world, await world.user(Role.ADMIN))
    found = await world.user(external_id=name)

    shown = await admin.open(f"/app/admin/users?q={quote(name, safe='')}")

    assert [row[0] for row in shown.rows()] == [found.name]


async def test_an_id_that_is_longer_by_one_is_refused_wherever_it_comes_from(
    client: httpx.AsyncClient, world: World, tmp_path: Path, database: Database
) -> None:
    name = "\U0001f600" * (MAX_EXTERNAL_ID + 1)
    course = await world.course()
    _, key = await world.write(world.services.api_keys.create, "Relay", [Scope.EVENTS_WRITE])
    item = {"user": f"ext:{name}", "event_id": "one", "activity_type": "unit_view", "course_id": course.id}
    files = OneRosterFiles(0)
    files.person(name, "Ada", "Lovelace", "student", email="ada@example.org")

    with pytest.raises(Invalid) as refused:
        await world.write(world.services.accounts.add, NewUser(Role.PARTICIPANT, "Ada", None, name))
    token = PROVIDER.token(sub=name, exp=NOON // SECOND + 60)
    me = await client.get("/api/v1/learner/me", headers={"Authorization": f"Bearer {token}"})
    reported = await client.post("/api/v1/events", json={"events": [item]}, headers={"Authorization": f"Bearer {key}"})
    brought = await bring(world, tmp_path, files)

    assert [(each.field, each.message) for each in refused.value.fields] == [("external_id", "must have 1 to 500 characters")]
    assert me.status_code == 401
    (verdict,) = reported.json()["data"]["results"]
    assert verdict["errors"] == [{"field": "user", "message": "must have 1 to 500 characters"}]
    assert [(fault.line, fault.reason) for fault in brought.not_taken] == [(3, "external_id must have 1 to 500 characters")]
    assert await differences(database) == []


async def test_nobody_learns_by_an_external_id_whether_somebody_has_it(client: httpx.AsyncClient, world: World) -> None:
    course = await world.course(external_id="c", is_published=True)
    learner = await world.learner(course)
    await world.user(external_id="there")

    answers = [
        await client.get(f"/user-progress/{course.id}/ext:{name}", headers=world.bearer(learner))
        for name in ("there", "nowhere")
    ]

    assert [each.status_code for each in answers] == [403, 403]
    assert await world.read(find_user, Caller(learner.id, learner.role), "ext:nowhere") is None
