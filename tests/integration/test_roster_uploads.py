"""Rosters over HTTP."""

from typing import Any

import httpx
import pytest
from sqlalchemy import select

from headway.enrollments.tables import enrollments
from headway.identity import Role, Scope
from tests.roster_inputs import OneRosterFiles
from tests.world import World

PATH = "/api/v1/rosters"
ZIP, CSV = {"Content-Type": "application/zip"}, {"Content-Type": "text/csv"}
ON_ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def send(client: httpx.AsyncClient, world: World, content: bytes, kind: dict[str, str], query: str = "") -> Any:
    admin = await world.user(Role.ADMIN)
    return await client.post(f"{PATH}{query}", content=content, headers=world.bearer(admin) | kind)


async def test_a_roster_is_compared_and_then_imported(client: httpx.AsyncClient, world: World) -> None:
    content = OneRosterFiles(3).zip()

    compared = await send(client, world, content, ZIP, "?dryRun=true")
    before = await world.rows(select(enrollments.c.user_id))
    imported = await send(client, world, content, ZIP)
    again = await send(client, world, content, ZIP)

    assert [each.status_code for each in (compared, imported, again)] == [200] * 3
    assert before == []
    assert len(await world.rows(select(enrollments.c.user_id))) == 3
    data = imported.json()["data"]
    assert compared.json()["data"]["counts"] == data["counts"]
    assert data["counts"]["enrollment"] == {"created": 3, "changed": 0, "dropped": 0, "unchanged": 0}
    assert (data["source"], data["mode"], data["isDryRun"], data["hasChanges"]) == ("School office", "bulk", False, True)
    learner = next(each for each in data["changes"] if each["kind"] == "enrollment")
    assert learner | {"userId": "", "courseId": ""} == {
        "kind": "enrollment",
        "did": "created",
        "name": "s-1",
        "externalId": None,
        "userId": "",
        "courseId": "",
        "course": "Algebra 7b",
        "fields": [],
    }
    assert not again.json()["data"]["hasChanges"]


@ON_ONE_DATABASE
async def test_what_cannot_be_read_names_file_and_line(client: httpx.AsyncClient, world: World) -> None:
    files = OneRosterFiles(1, mode="weekly").zip()

    for content, kind, field in (
        (files, ZIP, "manifest.csv, line 5"),
        (b"PK\x03\x04", ZIP, "roster"),
        (b"", CSV, "roster"),
        (b"email,name\n", CSV, "roster, header"),
        (b"email,course\n", CSV, "roster"),
    ):
        answer = await send(client, world, content, kind)
        assert answer.status_code == 400, answer.text
        assert [each["field"] for each in answer.json()["errors"]][:1] == [field]


@ON_ONE_DATABASE
async def test_other_types_and_large_bodies_are_refused(client: httpx.AsyncClient, world: World) -> None:
    assert (await send(client, world, b"{}", {"Content-Type": "application/json"})).status_code == 415
    assert (await send(client, world, bytes(2_000_001), CSV)).status_code == 413
    rows = "".join(f"a{n}@example.org,x\n" for n in range(10_001))
    too_many = await send(client, world, f"email,course\n{rows}".encode(), CSV)
    assert too_many.status_code == 400
    assert "headway import roster" in too_many.json()["errors"][0]["message"]


@ON_ONE_DATABASE
async def test_options_are_in_the_query(client: httpx.AsyncClient, world: World) -> None:
    course = await world.course()
    content = b"email,name\nada@example.org,Ada\n"

    answer = await send(client, world, content, CSV, f"?course={course.id}&source=office&mode=bulk&allowDrops=true")

    data = answer.json()["data"]
    assert (data["source"], data["mode"], data["counts"]["enrollment"]["created"]) == ("office", "bulk", 1)
    assert (await send(client, world, content, CSV, "?mode=weekly")).status_code == 400


@ON_ONE_DATABASE
@pytest.mark.parametrize("role", [Role.PARTICIPANT, Role.INSTRUCTOR])
async def test_only_administrators_and_services_import(client: httpx.AsyncClient, world: World, role: Role) -> None:
    user = await world.user(role)

    answer = await client.post(PATH, content=OneRosterFiles(1).zip(), headers=world.bearer(user) | ZIP)

    assert answer.status_code == 403


@ON_ONE_DATABASE
async def test_a_key_needs_the_scope(client: httpx.AsyncClient, world: World) -> None:
    statuses = {}
    for scope in (Scope.ROSTER_WRITE, Scope.ROSTER_READ):
        _, key = await world.write(world.services.api_keys.create, "Office", [scope])
        headers = {"Authorization": f"Bearer {key}", **ZIP}
        statuses[scope] = (await client.post(PATH, content=OneRosterFiles(1).zip(), headers=headers)).status_code

    assert statuses == {Scope.ROSTER_WRITE: 200, Scope.ROSTER_READ: 403}
