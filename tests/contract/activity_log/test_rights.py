"""Who may do what with the activity log: every route, asked by everybody, about what is theirs and what is not."""

from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import select

from headway.audit.tables import audit_entries
from headway.identity import Role
from tests.contract.activity_log.scene import SCENE
from tests.contract.rights.conftest import ROLES, School
from tests.contract.rights.test_rights import Access, stored
from tests.contract.server import CaseServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENTRY = {"action": "ACT", "target": {"type": "OTHER"}}
ALL = {"admin": 200, "system": 200}

MATRIX = [
    Access("POST", {}, body=ENTRY, else_=201),
    Access("POST", {}, body={**ENTRY, "actor": {"name": "A", "email": "a@b.cd", "userId": "{admin_id}"}}, else_=201),
    Access("POST", {}, body={**ENTRY, "actor": {"name": "A", "email": "a@b.cd", "role": "SYSTEM"}}, else_=400),
    Access("POST", {}, body={**ENTRY, "target": {}}, else_=400),
    Access("GET", {}, else_=200),
    Access("GET", {}, "?actorId={learner_id}", else_=200),
    Access("GET", {}, "?limit=0", else_=400),
    Access("GET /{activity_id}", {"learner": 200, **ALL}, "/{by_learner}", else_=404),
    Access("GET /{activity_id}", {"peer": 200, "tutor": 200, **ALL}, "/{of_peer_by_tutor}", else_=404),
    Access("GET /{activity_id}", ALL, "/{by_admin}", else_=404),
    Access("GET /{activity_id}", {}, "/ffffffffffffffffffffffff", else_=404),
    Access("GET /{activity_id}", {}, "/x", else_=400),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def school(server: CaseServer) -> School:
    """One school for all tests: none changes what another one looks at."""
    built = School(server.world, server.client)
    await built.build()

    async def log(role: str, **more: Any) -> str:
        return str((await built.ask(role, "POST", SCENE.prefix, {**ENTRY, "action": "KEPT", **more})).json()["data"]["_id"])

    peer = {"name": "P", "email": "p@school.test", "userId": "{peer_id}"}
    built.ids["by_learner"] = await log("learner")
    built.ids["of_peer_by_tutor"] = await log("tutor", actor=peer)
    built.ids["by_admin"] = await log("admin")
    return built


async def logged(school: School) -> list[tuple[Any, ...]]:
    return await school.world.rows(select(audit_entries).order_by(audit_entries.c.seq))


@pytest.mark.parametrize("access", MATRIX, ids=lambda access: f"{access} {access.body or ''}".strip())
async def test_everybody_gets_what_is_theirs_and_no_refusal_is_stored(school: School, access: Access) -> None:
    method, _, _ = access.route.partition(" ")
    everything, log = await stored(school), await logged(school)
    made = 0

    for role in ROLES:
        answer = await school.ask(role, method, SCENE.prefix + access.path, access.body)

        status = access.expected(role)
        assert (role, answer.status_code, answer.json()["ok"]) == (role, status, status < 400)
        made += status == 201
        assert len(await logged(school)) == len(log) + made
    # What was there stands as it was, and nothing but the log is written.
    assert (await logged(school))[: len(log)] == log
    assert await stored(school) == everything


async def test_a_list_holds_what_can_be_read_one_by_one(school: School) -> None:
    own = {"learner": ["by_learner"], "peer": ["of_peer_by_tutor"], "tutor": ["of_peer_by_tutor"]}
    everything = ["by_admin", "of_peer_by_tutor", "by_learner"]
    for role in ROLES[1:]:
        names = everything if role in ALL else own.get(role, [])
        found = (await school.ask(role, "GET", f"{SCENE.prefix}?action=KEPT")).json()
        assert [each["_id"] for each in found["data"]] == [school.ids[name] for name in names]
        about_peer = (await school.ask(role, "GET", f"{SCENE.prefix}?action=KEPT&actorId={{peer_id}}")).json()
        assert len(about_peer["data"]) == (role in {"peer", "tutor", *ALL})


async def test_a_learner_who_becomes_an_administrator_reads_all_from_then_on(school: School) -> None:
    accounts = school.world.services.accounts
    school.people["promoted"] = await school.world.user()
    assert (await school.ask("promoted", "GET", f"{SCENE.prefix}/{{by_admin}}")).status_code == 404

    school.people["promoted"] = await school.world.write(accounts.change, school.people["promoted"].id, role=Role.ADMIN)
    school.world.clock.advance(seconds=2)

    assert (await school.ask("promoted", "GET", f"{SCENE.prefix}/{{by_admin}}")).status_code == 200


async def test_every_route_of_the_contract_is_asked(school: School) -> None:
    paths = (await school.client.get("/openapi.json")).json()["paths"]
    routes = {
        f"{method.upper()} {path.removeprefix(SCENE.prefix)}".strip()
        for path, operations in paths.items()
        for method in operations
        if path.startswith(SCENE.prefix)
    }

    assert {access.route for access in MATRIX} == routes
