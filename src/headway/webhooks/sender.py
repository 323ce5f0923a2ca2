"""The sender of webhooks: delivers what is in their outbox; see `deliveries_store` for how that is claimed."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import msgspec
import structlog
from standardwebhooks import Webhook as Signer

from headway.audit.model import Action, Actor, Target, TargetType
from headway.audit.service import AuditRecorder
from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.disclosures.model import EVERYBODY, Disclosed, RecordKind
from headway.disclosures.service import DisclosureLog
from headway.identity import NOBODY, Channel, Role
from headway.instants import SECOND, Clock, Instant, iso
from headway.sending import CLAIM_MARGIN, Sender
from headway.telemetry import Metrics
from headway.webhooks import deliveries_store as deliveries
from headway.webhooks import store
from headway.webhooks.model import (
    Attempt,
    Delivery,
    DeliveryStatus,
    DisabledReason,
    Webhook,
    random_jitter,
    read_retry_after,
)
from headway.webhooks.outbox import Outbox
from headway.webhooks.transport import Transport

_WITH_EXTERNAL_IDS = ("learner", "course", "module", "unit")
_HEADWAY = Actor(None, "Headway", None, Role.SYSTEM.value)

log = structlog.get_logger(__name__)


class _Parcel(NamedTuple):
    """A claimed delivery, where it goes, and what is sent."""

    delivery: Delivery
    webhook: Webhook
    body: bytes


class WebhookSender(Sender[_Parcel]):
    """Sends deliveries; the queues are the webhooks."""

    name = "webhooks"
    at_once = 16

    def __init__(  # noqa: PLR0913 - what sending needs of other rooms
        self,
        database: Database,
        clock: Clock,
        outbox: Outbox,
        audit: AuditRecorder,
        metrics: Metrics,
        transport: Transport,
        *,
        disclosures: DisclosureLog,
    ) -> None:
        super().__init__(database, clock)
        self._disclosures = disclosures
        self._outbox = outbox
        self._audit = audit
        self._metrics = metrics
        self._transport = transport
        self._claimed_for = round(transport.timeout_seconds * SECOND) + CLAIM_MARGIN
        self._asked_to_wait: dict[int, Instant] = {}
        """Until when webhooks want to be left alone, which is not stored yet."""
        self.jitter: Callable[[], float] = random_jitter

    def _listen(self, wake: Callable[[], None]) -> None:
        self._outbox.on_written = wake

    def _queue_of(self, parcel: _Parcel) -> int:
        return parcel.webhook.id

    async def _find_queues(self, tx: ReadTransaction, now: Instant) -> list[int]:
        return await deliveries.list_webhooks_with_due(tx, now)

    async def _measure(self, tx: ReadTransaction, now: Instant) -> None:
        backlogs = [await deliveries.read_backlog(tx, each.webhook_id) for each in await store.list_subscriptions(tx)]
        oldest = min((each.oldest_at for each in backlogs if each.oldest_at is not None), default=now)
        self._metrics.webhooks_pending.set(sum(each.pending for each in backlogs))
        self._metrics.webhooks_oldest_seconds.set(max(now - oldest, 0) / SECOND)

    async def _claim(self, tx: WriteTransaction, webhook_id: int, room: int, now: Instant) -> list[_Parcel]:
        webhook = await store.find(tx, webhook_id, now)
        if webhook is None or not webhook.is_enabled or webhook.paused_until is not None:
            return []
        claimed = await deliveries.claim(tx, webhook_id, now, limit=room, until=now + self._claimed_for)
        bodies = await _bodies(tx, claimed)
        return [_Parcel(each, webhook, body) for each, body in zip(claimed, bodies, strict=True)]

    async def _send(self, parcel: _Parcel) -> None:
        delivery, webhook, body = parcel
        at = self._clock()
        # Whole seconds, as the header has them.
        moment = datetime.fromtimestamp(at // SECOND, tz=UTC)
        signed = [Signer(secret).sign(delivery.message_id, moment, body.decode()) for secret in webhook.secrets]
        headers = {
            "Content-Type": "application/json",
            "webhook-id": delivery.message_id,
            "webhook-timestamp": str(at // SECOND),
            "webhook-signature": " ".join(signed),
        }
        answer = await self._transport.post(webhook.url, headers, body)
        ended_at = max(self._clock(), at)
        asked = read_retry_after(answer.status, answer.retry_after, ended_at)
        if asked is not None:
            self._asked_to_wait[webhook.id] = max(asked, self._asked_to_wait.get(webhook.id, 0))
        attempt = Attempt(at, ended_at - at, answer.status, answer.error, answer.excerpt)
        delivery.settle(attempt, jitter=self.jitter(), not_before=asked or 0)
        outcome = "retried" if delivery.status is DeliveryStatus.PENDING else delivery.status.value
        self._metrics.webhook_attempts.labels(outcome).inc()

    async def _store(self, tx: WriteTransaction, settled: Sequence[_Parcel], now: Instant) -> None:
        """Store what became of deliveries; pause webhooks that ask for it, and disable those that want or take no more."""
        settled_deliveries = [each.delivery for each in settled]
        await deliveries.settle(tx, settled_deliveries, now)
        # A test is of no course.
        delivered = [each for each in settled_deliveries if each.status is DeliveryStatus.DELIVERED and each.course_id]
        await self._disclosures.record_in(tx, [_shown_by(each) for each in delivered])
        asked_to_wait = dict(self._asked_to_wait)
        for webhook_id, until in sorted(asked_to_wait.items()):
            await store.pause(tx, webhook_id, until)
        tx.after_commit(partial(self._forget_pauses, asked_to_wait))
        for each in settled_deliveries:
            if each.status is not DeliveryStatus.FAILED:
                continue
            reason = DisabledReason.GONE if each.is_gone else DisabledReason.FAILING
            if not each.is_gone and await deliveries.has_delivered_since(tx, each.webhook_id, each.began_at):
                # Others get through: it is this one that is refused.
                continue
            webhook = await store.lock(tx, each.webhook_id, now)
            if webhook is not None and webhook.is_enabled:
                await store.set_state(tx, webhook.id, reason, now)
                tx.after_commit(self._outbox.forget)
                target = Target(TargetType.OTHER, str(webhook.id), None, webhook.host)
                record = {"isEnabled": False, "reason": reason.value}
                await self._audit.record(tx, Action.CHANGE_WEBHOOK, _HEADWAY, target, metadata=record)
                log.warning("A webhook is disabled.", webhook=webhook.id, reason=reason.value)

    def _forget_pauses(self, stored: dict[int, Instant]) -> None:
        self._asked_to_wait = {each: at for each, at in self._asked_to_wait.items() if stored.get(each) != at}

    async def _release(self, tx: WriteTransaction, claimed: Sequence[_Parcel], now: Instant) -> None:
        await deliveries.release(tx, [each.delivery for each in claimed], now)

    async def _close(self) -> None:
        await self._transport.close()


def _shown_by(delivery: Delivery) -> Disclosed:
    """Return what a delivery shows to a webhook: something about the learners of a course."""
    kind, channel = RecordKind.WEBHOOK, Channel.WEBHOOK
    return Disclosed(EVERYBODY, NOBODY, delivery.course_id, kind, channel, delivery.webhook_id, Role.SYSTEM)


async def _bodies(tx: WriteTransaction, claimed: Sequence[Delivery]) -> list[bytes]:
    """Return what is sent: the fields of the announcements, with the external ids of what they name."""
    fields: list[dict[str, Any]] = [msgspec.json.decode(each.data) for each in claimed]
    ids = [{(name, int(data[f"{name}Id"])) for name in _WITH_EXTERNAL_IDS if data.get(f"{name}Id")} for data in fields]
    external_ids = await deliveries.read_external_ids(tx, set().union(*ids))
    for data, named in zip(fields, ids, strict=True):
        data |= {f"{name}ExternalId": external_ids.get((name, number)) for name, number in sorted(named)}
    return [
        msgspec.json.encode({"type": each.type.value, "timestamp": iso(each.at), "data": data})
        for each, data in zip(claimed, fields, strict=True)
    ]
