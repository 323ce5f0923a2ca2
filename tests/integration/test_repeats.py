"""Requests that are repeated under an Idempotency-Key: done once, answered alike, and all or nothing."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from headway.db.database import WriteTransaction
from headway.errors import Conflict, KeyReused
from headway.http.request import Transactions
from headway.idempotency.model import RequestKey, StoredResponse
from headway.idempotency.service import LIFETIME, Idempotency
from headway.idempotency.tables import idempotency_keys
from headway.messaging.tables import messages
from headway.settings import Settings
from tests.integration.concurrency import Request, differences, open_world, run_servers, send_all
from tests.world import World

_messages = select(func.count()).select_from(messages)
_keys = select(func.count()).select_from(idempotency_keys)
KEY = "3f0c8a51"


async def test_a_key_that_is_used_many_times_at_once_acts_once(settings: Settings, tmp_path: Path) -> None:
    async with open_world(settings) as world:
        course = await world.course()
        ada, bob = await world.learner(course), await world.learner(course)
        headers = world.bearer(ada) | {"Idempotency-Key": KEY}
        body = {"receiverId": str(bob.id), "message": "Once"}
        asked: list[Request] = [("POST", "/api/v1/learner/messages", headers, body)] * 30
        with run_servers(settings, tmp_path) as urls:
            answers = await send_all(urls, asked)
            answers += await send_all(urls, asked[:2])

        good = [answer for answer in answers if answer.status_code == 201]
        others = {(each.status_code, each.json()["code"]) for each in answers if each.status_code != 201}
        assert others <= {(409, "IDEMPOTENCY_KEY_IN_USE")}
        assert len({answer.text for answer in good}) == 1
        assert [answer.headers.get("Idempotency-Replayed") for answer in good].count(None) == 1
        assert [answer.headers.get("Idempotency-Replayed") for answer in answers[-2:]] == ["true", "true"]
        assert await world.rows(_messages) == [(2,)], "each side has its copy"
        assert await differences(world) == []


@pytest.fixture
def transactions(world: World) -> Transactions:
    return Transactions(world.database, Idempotency(world.clock, secret_key="key"))


async def test_what_fails_after_its_effect_leaves_nothing_and_may_be_repeated(world: World, transactions: Transactions) -> None:
    course = await world.course()
    ada, bob = await world.learner(course), await world.learner(course)

    async def send(tx: WriteTransaction) -> StoredResponse:
        sent = await world.services.messaging.send(tx, ada.id, bob.id, "Hello")
        return StoredResponse(201, sent.id)

    async def send_and_fail(tx: WriteTransaction) -> StoredResponse:
        await send(tx)
        raise RuntimeError("the power failed")

    with pytest.raises(RuntimeError):
        await transactions.once(RequestKey(ada.id, KEY, "request"), send_and_fail)
    assert await world.rows(_messages) == await world.rows(_keys) == [(0,)]

    answer, is_repeated = await transactions.once(RequestKey(ada.id, KEY, "request"), send)
    again = await transactions.once(RequestKey(ada.id, KEY, "request"), send_and_fail)

    assert not is_repeated
    assert again == (answer, True)
    assert await world.rows(_messages) == [(2,)]


async def test_a_key_belongs_to_one_request_of_one_user(world: World, transactions: Transactions) -> None:
    async def act(_tx: WriteTransaction) -> StoredResponse:
        return StoredResponse(201, "{}")

    await transactions.once(RequestKey(1, KEY, "request"), act)

    with pytest.raises(KeyReused):
        await transactions.once(RequestKey(1, KEY, "another"), act)
    assert await transactions.once(RequestKey(2, KEY, "another"), act) == (StoredResponse(201, "{}"), False)


async def test_a_key_that_is_under_way_is_refused(world: World, transactions: Transactions) -> None:
    async def act_within(_tx: WriteTransaction) -> StoredResponse:
        with pytest.raises(Conflict) as refused:
            await transactions.once(RequestKey(1, KEY, "request"), act_within)
        assert refused.value.kind == "IDEMPOTENCY_KEY_IN_USE"
        return StoredResponse(201, "{}")

    assert (await transactions.once(RequestKey(1, KEY, "request"), act_within))[1] is False


async def test_answers_are_forgotten_after_a_day(world: World, transactions: Transactions) -> None:
    async def act(_tx: WriteTransaction) -> StoredResponse:
        return StoredResponse(201, "{}")

    await transactions.once(RequestKey(1, KEY, "request"), act)
    world.clock.advance(seconds=LIFETIME / 1000 + 1)
    await transactions.once(RequestKey(1, "other", "request"), act)

    assert await world.rows(_keys) == [(1,)]
