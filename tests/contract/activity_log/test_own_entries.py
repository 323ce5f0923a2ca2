"""What operators do, and clients that say nothing of themselves, as the contract shows it; on both databases."""

from typing import Any

import httpx
import pytest

from headway.identity import Role
from tests.contract.activity_log.scene import ENTRY_ID, SCENE
from tests.contract.server import CaseServer

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def entries(server: CaseServer, token: str, query: str) -> list[dict[str, Any]]:
    answer = await server.client.get(f"{SCENE.prefix}?{query}", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    return list(answer.json()["data"])


async def test_what_operators_do_with_an_account_is_logged_as_theirs_for_administrators_to_read(server: CaseServer) -> None:
    names = await server.new_names()
    world, accounts, learner = server.world, server.world.services.accounts, int(names["learner"])

    await world.write(accounts.change, learner, role=Role.INSTRUCTOR)
    await world.write(accounts.change, learner, name="Ada")
    await world.write(accounts.set_disabled, learner, is_disabled=True)
    await world.write(accounts.set_disabled, learner, is_disabled=False)
    await server.world.set_password(learner, "Engine-1843")

    found = await entries(server, names["token_of_admin"], f"targetType=USER&targetId={learner}")
    assert [each["action"] for each in found] == [
        "CHANGE_PASSWORD",
        "ENABLE_USER",
        "DISABLE_USER",
        "CHANGE_NAME",
        "CHANGE_ROLE",
    ]
    assert found[-1] == {
        "_id": ENTRY_ID,
        "action": "CHANGE_ROLE",
        "actor": {"userId": None, "name": "Operator", "email": None, "role": "SYSTEM"},
        "target": {"type": "USER", "id": names["learner"], "model": "User", "name": names["name_of_learner"]},
        "context": {"description": None, "source": "COMMAND_LINE", "additionalInfo": {}},
        "metadata": {"from": "PARTICIPANT", "to": "INSTRUCTOR"},
        "status": "SUCCESS",
        "performedAt": names["now"],
        "ipAddress": None,
        "userAgent": None,
        "createdAt": names["now"],
        "updatedAt": names["now"],
        "recordedBy": {"userId": None, "role": "SYSTEM"},
        "actorVerified": True,
    }
    told_of_all = ("actor", "recordedBy", "context", "status", "actorVerified")
    assert all(each[part] == found[-1][part] for each in found for part in told_of_all)
    assert [each["metadata"] for each in found[:-1]] == [{}, {}, {}, {}]
    assert await entries(server, names["token_of_classmate"], f"targetType=USER&targetId={learner}") == []


async def test_what_changes_no_role_is_not_logged_as_a_change_of_role(server: CaseServer) -> None:
    names = await server.new_names()

    await server.world.write(server.world.services.accounts.change, int(names["learner"]), role=Role.PARTICIPANT, name="Ada")

    found = await entries(server, names["token_of_admin"], f"targetId={names['learner']}")
    assert [each["action"] for each in found] == ["CHANGE_NAME"]


async def test_a_sign_in_that_is_refused_for_a_disabled_account_is_logged_as_failed(server: CaseServer) -> None:
    names = await server.new_names()
    learner = int(names["learner"])
    await server.world.set_password(learner, "Engine-1843")
    await server.world.write(server.world.services.accounts.set_disabled, learner, is_disabled=True)

    answer = await server.client.post(
        "/api/v1/learner/auth/login", json={"email": names["email_of_learner"], "password": "Engine-1843"}
    )

    assert answer.status_code == 401
    (failed,) = await entries(server, names["token_of_admin"], f"actorId={learner}")
    assert (failed["action"], failed["status"], failed["actorVerified"]) == ("LOGIN_FAILED", "FAILURE", False)


async def test_a_client_that_does_not_say_what_it_is_has_no_user_agent(server: CaseServer) -> None:
    names = await server.new_names()
    request = server.client.build_request(
        "POST",
        SCENE.prefix,
        json={"action": "ACT", "target": {"type": "OTHER"}},
        headers={"Authorization": f"Bearer {names['token_of_learner']}"},
    )
    del request.headers["User-Agent"]

    made = (await server.client.send(request)).json()["data"]

    assert (made["ipAddress"], made["userAgent"]) == ("127.0.0.1", None)


async def test_paging_gives_every_entry_once_whatever_the_size_of_the_page(server: CaseServer) -> None:
    names = await server.new_names()
    headers = {"Authorization": f"Bearer {names['token_of_learner']}"}
    body = {"action": "ACT", "target": {"type": "OTHER"}}
    made = [(await server.client.post(SCENE.prefix, json=body, headers=headers)).json()["data"] for _ in range(7)]

    for limit in (1, 2, 3, 6, 7, 8):
        pages = [page async for page in pages_of(server.client, headers, limit)]
        assert [each for page in pages for each in page] == made[::-1]
        assert all(len(page) == limit for page in pages[:-1])
        assert pages[-1]


async def pages_of(client: httpx.AsyncClient, headers: dict[str, str], limit: int) -> Any:
    cursor = ""
    while cursor is not None:
        answer = (await client.get(f"{SCENE.prefix}?limit={limit}{cursor and f'&cursor={cursor}'}", headers=headers)).json()
        yield answer["data"]
        cursor = answer["nextCursor"]
