"""Deliveries: in order, at least once, signed, tried again, and ended where a receiver is gone."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from standardwebhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from headway.audit.tables import audit_entries
from headway.disclosures.tables import disclosures
from headway.errors import Conflict
from headway.instants import SECOND, system_clock
from headway.paging.service import Walk
from headway.webhooks.announcements import Dropped, Enrolled
from headway.webhooks.model import RETRY_AFTER, Delivery, DeliveryStatus, DisabledReason, NewWebhook, Webhook
from headway.webhooks.transport import Answer
from tests.integration.receivers import FakeTransport, Hooks, Received
from tests.world import World

FAILURE, SLOW = Answer(500, excerpt="Oops"), Answer(error="no answer within 15 seconds")
ALL_RETRIES = [pause / SECOND for pause in RETRY_AFTER]


@pytest.fixture
def hooks(world: World) -> Hooks:
    return Hooks(world)


async def announce(world: World, *steps: tuple[int, int]) -> None:
    """Announce something of learners in courses, in one transaction each."""
    for number, (learner_id, course_id) in enumerate(steps):
        async with world.database.write() as tx:
            kind = Dropped if number % 2 else Enrolled
            tx.announce(kind(learner_id=learner_id, course_id=course_id))


async def log_of(world: World, webhook: Webhook) -> Sequence[Delivery]:
    """The deliveries of a webhook, the oldest first."""
    found = await world.read(world.services.webhooks.list_deliveries, None, webhook.id, Walk(100, 1))
    return found[::-1]


async def find(world: World, webhook: Webhook) -> Webhook:
    return await world.read(world.services.webhooks.find, None, webhook.id)


def has_signed(secret: str, received: Received) -> bool:
    at = datetime.fromtimestamp(int(received.headers["webhook-timestamp"]), UTC)
    signature = Verifier(secret).sign(received.message_id, at, received.body.decode())
    return signature in received.headers["webhook-signature"].split(" ")


async def test_a_delivery_is_signed_as_standard_webhooks_are(world: World, hooks: Hooks) -> None:
    # The library accepts what was signed just now alone.
    world.clock.now = system_clock()
    webhook = await hooks.subscribe()
    await announce(world, (1, 1))

    (received,) = await hooks.send()

    assert received.headers["webhook-timestamp"] == str(world.clock() // SECOND)
    assert Verifier(webhook.secrets[0]).verify(received.body, received.headers) == received.event
    with pytest.raises(WebhookVerificationError):
        Verifier(webhook.secrets[0]).verify(received.body + b" ", received.headers)


async def test_what_was_delivered_is_in_the_disclosure_log_once_a_day_for_a_course(world: World, hooks: Hooks) -> None:
    webhook = await hooks.subscribe()
    hooks.transport.answer = lambda received: FAILURE if received.event["data"]["courseId"] == "3" else Answer(200)
    await announce(world, (1, 1), (2, 1), (1, 2), (1, 3))
    await hooks.send()

    shown = select(disclosures.c.course_id, disclosures.c.key_id, disclosures.c.kind, disclosures.c.times)
    rows = await world.rows(shown.order_by(disclosures.c.course_id))
    assert rows == [(1, webhook.id, "WEBHOOK", 2), (2, webhook.id, "WEBHOOK", 1)]


async def test_a_new_secret_signs_at_once_and_the_old_one_for_a_day_too(world: World, hooks: Hooks) -> None:
    webhook = await hooks.subscribe()
    rotated = await world.write(world.services.webhooks.rotate, None, webhook.id)
    await announce(world, (1, 1))
    (during,) = await hooks.send()
    world.clock.advance(seconds=86_400)
    await announce(world, (2, 1))
    (after,) = await hooks.send()

    secrets = (webhook.secrets[0], rotated.secrets[0])
    assert [has_signed(secret, during) for secret in secrets] == [True, True]
    assert [has_signed(secret, after) for secret in secrets] == [False, True]


async def test_what_happens_to_a_learner_in_a_course_arrives_in_order(world: World, hooks: Hooks) -> None:
    webhook = await hooks.subscribe()
    fails = {"left": 3}

    def answer(received: Received) -> Answer:
        if received.event["data"]["learnerId"] == "1" and fails["left"]:
            fails["left"] -= 1
            return FAILURE
        return Answer(200)

    hooks.transport.answer = answer
    await announce(world, (1, 1), (1, 1), (2, 1), (1, 1), (1, 2))

    first = await hooks.send()
    later = [*await hooks.pass_time(seconds=5), *await hooks.pass_time(seconds=60), *await hooks.pass_time(seconds=300)]

    # The other learner, and the other course, do not wait.
    data = [(each.event["data"]["learnerId"], each.event["data"]["courseId"]) for each in first]
    assert sorted(data) == [("1", "1"), ("1", "2"), ("2", "1")]
    order = [each.message_id for each in await log_of(world, webhook) if (each.user_id, each.course_id) == (1, 1)]
    accepted = [each.message_id for each in later][-3:]
    assert accepted == order
    assert {each.status for each in await log_of(world, webhook)} == {DeliveryStatus.DELIVERED}


async def test_attempts_are_repeated_with_growing_pauses_for_three_days(world: World, hooks: Hooks) -> None:
    webhook = await hooks.subscribe()
    hooks.transport.answer = lambda _received: SLOW
    await announce(world, (1, 1))
    await hooks.send()

    for pause in ALL_RETRIES:
        assert await hooks.pass_time(seconds=pause - 0.001) == []
        assert len(await hooks.pass_time(seconds=0.001)) == 1
    ended = await hooks.pass_time(seconds=30 * 86_400)

    assert ended == []
    assert len({each.message_id for each in hooks.transport.received}) == 1
    assert 71 < sum(ALL_RETRIES) / 3_600 < 73
    (delivery,) = await log_of(world, webhook)
    assert delivery.status is DeliveryStatus.FAILED
    assert [each.error for each in delivery.attempts] == [SLOW.error] * 11


async def test_a_webhook_that_takes_nothing_for_three_days_is_disabled_until_it_is_enabled(world: World, hooks: Hooks) -> None:
    webhook = await hooks.subscribe()
    hooks.transport.answer = lambda _received: FAILURE
    await announce(world, (1, 1), (1, 1), (2, 1))
    await hooks.send()
    for pause in ALL_RETRIES:
        await hooks.pass_time(seconds=pause)

    disabled = await find(world, webhook)
    assert not disabled.is_enabled
    assert disabled.disabled_reason is DisabledReason.FAILING
    recorded = await world.rows(select(audit_entries.c.action, audit_entries.c.recorded_by).order_by(audit_entries.c.seq))
    assert recorded[-1] == ("CHANGE_WEBHOOK", None)
    assert await hooks.pass_time(seconds=86_400) == []

    hooks.transport.answer = lambda _received: Answer(200)
    await world.write(world.services.webhooks.change, None, webhook.id, lambda stored: stored, enable=True)

    # What waited behind the failed one is not lost.
    waited = [each.event["data"]["learnerId"] for each in await hooks.send()]
    assert waited == ["1"]
    failed = [each for each in await log_of(world, webhook) if each.status is DeliveryStatus.FAILED]
    assert sorted(each.user_id for each in failed) == [1, 2]
    for each in failed:
        await world.write(world.services.webhooks.redeliver, None, webhook.id, each.id)
    assert {each.message_id for each in await hooks.send()} == {each.message_id for each in failed}
    assert {each.status for each in await log_of(world, webhook)} == {DeliveryStatus.DELIVERED}


async def test_one_delivery_that_is_refused_for_ever_ends_alone(world: World, hooks: Hooks) -> None:
    webhook = await hooks.subscribe()
    hooks.transport.answer = lambda received: FAILURE if received.event["data"]["learnerId"] == "1" else Answer(200)
    await announce(world, (1, 1))
    await hooks.send()
    for pause in ALL_RETRIES:
        await announce(world, (2, 1))
        await hooks.pass_time(seconds=pause)

    assert (await find(world, webhook)).is_enabled
    assert [each.status for each in await log_of(world, webhook)].count(DeliveryStatus.FAILED) == 1


async def test_a_receiver_that_is_gone_gets_nothing_any_more(world: World, hooks: Hooks) -> None:
    webhook = await hooks.subscribe()
    hooks.transport.answer = lambda _received: Answer(410)
    await announce(world, (1, 1), (1, 1))

    assert len(await hooks.send()) == 1

    assert (await find(world, webhook)).disabled_reason is DisabledReason.GONE
    await announce(world, (3, 1))
    assert await hooks.pass_time(seconds=86_400) == []
    with pytest.raises(Conflict, match="disabled"):
        await world.write(world.services.webhooks.test, None, webhook.id)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 429, 503])
async def test_any_answer_but_success_is_a_failure(world: World, hooks: Hooks, status: int) -> None:
    webhook = await hooks.subscribe()
    hooks.transport.answer = lambda _received: Answer(status)
    await announce(world, (1, 1))

    await hooks.send()

    (delivery,) = await log_of(world, webhook)
    assert delivery.status is DeliveryStatus.PENDING
    assert [each.status for each in delivery.attempts] == [status]


async def test_a_delivery_whose_sender_was_killed_is_sent_again_with_the_same_id(world: World, hooks: Hooks) -> None:
    webhook = await hooks.subscribe()
    await announce(world, (1, 1), (1, 1))
    killed = hooks.another_sender(_Hanging())
    await killed.look()
    await asyncio.sleep(0)
    for task in killed._sending:
        task.cancel()

    assert await hooks.send() == []
    received = await hooks.pass_time(seconds=60)

    assert [each.message_id for each in received] == [each.message_id for each in await log_of(world, webhook)]


async def test_a_sender_that_stops_leaves_what_it_has_not_sent_to_others(world: World, hooks: Hooks) -> None:
    await hooks.subscribe()
    await announce(world, (1, 1))
    stopping = hooks.another_sender(_Hanging())
    running = asyncio.create_task(stopping.run())
    while not stopping._sending:
        await asyncio.sleep(0.01)
    stopping.finish_within_seconds = 0.01
    running.cancel()
    await asyncio.wait([running])

    assert len(await hooks.send()) == 1


class _Hanging(FakeTransport):
    """Never answers."""

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError("nobody wakes it")


async def test_two_senders_share_the_work_and_keep_the_order(world: World, hooks: Hooks) -> None:
    await hooks.subscribe()
    other = FakeTransport()
    other.received = hooks.transport.received
    steps = [(learner, 1) for _ in range(6) for learner in range(1, 11)]
    await announce(world, *steps)
    senders = [hooks.sender, hooks.another_sender(other)]

    for _ in range(20):
        await asyncio.gather(*(each.drain() for each in senders))
        world.clock.advance(seconds=1)

    received = hooks.transport.received
    assert len(received) == len({each.message_id for each in received}) == len(steps)
    stamps = {
        each.id: each.message_id for each in await world.read(world.services.webhooks.list_deliveries, None, 1, Walk(100, 1))
    }
    in_order = [stamps[key] for key in sorted(stamps)]
    for learner in range(1, 11):
        own = [each.message_id for each in received if each.event["data"]["learnerId"] == str(learner)]
        assert own == [each for each in in_order if each in own]


async def test_a_test_is_sent_to_its_webhook_alone(world: World, hooks: Hooks) -> None:
    await hooks.subscribe(url="https://a.example.org/")
    webhook = await hooks.subscribe(url="https://b.example.org/")

    sent = await world.write(world.services.webhooks.test, None, webhook.id)

    (received,) = await hooks.send()
    assert (received.url, received.message_id) == ("https://b.example.org/", sent.message_id)
    assert received.event["type"] == "webhook.test"
    assert received.event["data"] == {}


async def test_deliveries_are_deleted_after_some_days(world: World, hooks: Hooks) -> None:
    webhook = await hooks.subscribe()
    await announce(world, *((learner, 1) for learner in range(1, 151)))
    await hooks.send()
    world.clock.advance(seconds=30 * 86_400 + 1)
    await announce(world, (1, 1))

    await world.services.webhooks.purge(world.database)

    assert [each.at for each in await log_of(world, webhook)] == [world.clock()]


async def test_a_deleted_webhook_leaves_nothing(world: World, hooks: Hooks) -> None:
    webhook = await hooks.subscribe()
    await announce(world, (1, 1))

    await world.write(world.services.webhooks.delete, None, webhook.id)

    assert await hooks.send() == []
    await announce(world, (1, 1))
    assert await hooks.send() == []


async def test_what_waits_is_measured(world: World, hooks: Hooks) -> None:
    webhook = await hooks.subscribe()
    hooks.transport.answer = lambda _received: FAILURE
    await announce(world, (1, 1), (2, 1))
    await hooks.send()
    await hooks.pass_time(seconds=15)

    page = world.services.metrics.page().decode()
    assert "headway_webhooks_pending 2.0" in page
    assert "headway_webhooks_oldest_seconds 15.0" in page
    assert 'headway_webhook_attempts_total{outcome="retried"} 4.0' in page
    backlog = await world.read(world.services.webhooks.read_backlog, webhook)
    assert backlog.pending == 2


BUSY = Answer(503, retry_after="90")


async def test_a_receiver_that_asks_to_wait_is_left_alone_until_then(world: World, hooks: Hooks) -> None:
    webhook, other = await hooks.subscribe(), await hooks.subscribe(url="https://other.example.org/in")
    hooks.transport.answer = lambda received: BUSY if received.url == webhook.url else Answer(204)
    await announce(world, (1, 1))
    assert len(await hooks.send()) == 2

    hooks.transport.answer = lambda _received: Answer(204)
    await announce(world, (2, 1))

    # Neither the delivery that was refused, which is due in 5 seconds, nor that of anybody else.
    assert [each.url for each in await hooks.send()] == [other.url]
    assert await hooks.pass_time(seconds=89) == []
    assert (await find(world, webhook)).paused_until == world.clock() + SECOND
    assert len(await hooks.pass_time(seconds=1)) == 2
    assert (await find(world, webhook)).paused_until is None
    assert {each.status for each in await log_of(world, webhook)} == {DeliveryStatus.DELIVERED}


@pytest.mark.parametrize("act", ["test", "redeliver", "another url", "enable"])
async def test_who_administers_a_webhook_ends_its_pause(world: World, hooks: Hooks, act: str) -> None:
    webhook, services = await hooks.subscribe(), world.services.webhooks
    hooks.transport.answer = lambda _received: BUSY
    await announce(world, (1, 1))
    await hooks.send()
    await announce(world, (2, 1))
    assert await hooks.send() == []
    hooks.transport.answer = lambda _received: Answer(204)

    if act == "test":
        await world.write(services.test, None, webhook.id)
    elif act == "redeliver":
        await world.write(services.redeliver, None, webhook.id, (await log_of(world, webhook))[0].id)
    elif act == "another url":
        moved = NewWebhook(f"{webhook.url}/2")
        await world.write(services.change, None, webhook.id, lambda _stored: moved)
    else:
        for enable in (False, True):
            await world.write(services.change, None, webhook.id, lambda stored: stored, enable=enable)

    assert (await find(world, webhook)).paused_until is None
    learners = [each.event["data"].get("learnerId", "test") for each in await hooks.send()]
    assert sorted(learners) == {"test": ["2", "test"], "redeliver": ["1", "2"]}.get(act, ["2"])


async def test_two_processes_leave_a_receiver_alone(world: World, hooks: Hooks) -> None:
    await hooks.subscribe()
    hooks.transport.answer = lambda _received: BUSY
    await announce(world, (1, 1))
    await hooks.send()
    transport = FakeTransport()
    other = hooks.another_sender(transport)
    await announce(world, (2, 1))

    await other.drain()

    assert transport.received == []
