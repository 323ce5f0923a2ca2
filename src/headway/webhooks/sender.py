"""The sender: delivers what is in the outbox, as a task of each server process.

It claims deliveries, sends them beside one another, and stores what became of them: see `deliveries_store`.
A process that is killed leaves its claims, which end by themselves: their deliveries are sent again with the same ids.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import structlog
from standardwebhooks import Webhook as Signer

from headway.audit.model import Action, Actor, Target, TargetType
from headway.audit.service import AuditRecorder
from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.errors import Unavailable
from headway.identity import Role
from headway.instants import SECOND, Clock, Instant, iso
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

_POLL_SECONDS = 1.0
_AT_ONCE = 16
"""How many deliveries a process sends to one webhook beside one another."""
_CLAIM_MARGIN = 15 * SECOND
"""How long a claim outlasts the longest attempt: for storing what became of it, and for clocks that differ."""
_MEASURED_EVERY = 10 * SECOND
_WITH_EXTERNAL_IDS = ("learner", "course", "module", "unit")
_HEADWAY = Actor(None, "Headway", None, Role.SYSTEM.value)

log = structlog.get_logger(__name__)


class Sender:
    """Sends deliveries until it is cancelled; then those that are under way get a moment to end."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        outbox: Outbox,
        audit: AuditRecorder,
        metrics: Metrics,
        transport: Transport,
    ) -> None:
        self._database = database
        self._clock = clock
        self._outbox = outbox
        self._audit = audit
        self._metrics = metrics
        self._transport = transport
        self._claimed_for = round(transport.timeout_seconds * SECOND) + _CLAIM_MARGIN
        self.jitter: Callable[[], float] = random_jitter
        self.finish_within_seconds = 2.0
        self._news = asyncio.Event()
        self._sending: dict[asyncio.Task[None], Delivery] = {}
        self._settled: list[Delivery] = []
        self._asked_to_wait: dict[int, Instant] = {}
        """Until when webhooks want to be left alone, which is not stored yet."""
        self._measured_at: Instant | None = None

    def wake(self) -> None:
        """Look for deliveries at once."""
        self._news.set()

    async def run(self) -> None:
        """Send for ever. It looks for deliveries when something was written or has ended, and once a second."""
        self._outbox.on_written = self.wake
        try:
            while True:
                self._news.clear()
                try:
                    await self.look()
                except Unavailable:
                    # What is not stored yet is kept; requests log the outage.
                    pass
                except Exception:
                    log.exception("Webhooks cannot be sent now; it is tried again.")
                await self._wait()
        finally:
            await self._finish()

    async def look(self) -> None:
        """Store what has ended, claim what is due, and begin to send it. Raises Unavailable."""
        now = self._clock()
        async with self._database.read() as tx:
            waiting = await deliveries.list_webhooks_with_due(tx, now)
            if self._measured_at is None or not 0 <= now - self._measured_at < _MEASURED_EVERY:
                self._measured_at = now
                await self._measure(tx, now)
        under_way = Counter(each.webhook_id for each in self._sending.values())
        with_room = [(each, _AT_ONCE - under_way[each]) for each in waiting if under_way[each] < _AT_ONCE]
        if not with_room and not self._settled:
            return
        settled = list(self._settled)
        begun: list[_Parcel] = []
        async with self._database.write() as tx:
            asked_to_wait = dict(self._asked_to_wait)
            await self._store(tx, settled, now)
            for webhook_id, room in with_room:
                begun += await self._claim(tx, webhook_id, room, now)
        del self._settled[: len(settled)]
        self._asked_to_wait = {each: at for each, at in self._asked_to_wait.items() if asked_to_wait.get(each) != at}
        for parcel in begun:
            task = asyncio.create_task(self._send(parcel))
            self._sending[task] = parcel.delivery
            task.add_done_callback(self._forget)
        if begun or settled:
            # There may be more of them.
            self.wake()

    async def drain(self) -> None:
        """Send all that is due, and store what became of it; for tests and commands."""
        while True:
            self._news.clear()
            await self.look()
            if self._sending:
                await asyncio.wait(self._sending)
            elif not self._news.is_set() and not self._settled:
                return

    async def _measure(self, tx: ReadTransaction, now: Instant) -> None:
        backlogs = [await deliveries.read_backlog(tx, each.webhook_id) for each in await store.list_subscriptions(tx)]
        oldest = min((each.oldest_at for each in backlogs if each.oldest_at is not None), default=now)
        self._metrics.webhooks_pending.set(sum(each.pending for each in backlogs))
        self._metrics.webhooks_oldest_seconds.set(max(now - oldest, 0) / SECOND)

    async def _claim(self, tx: WriteTransaction, webhook_id: int, room: int, now: Instant) -> "list[_Parcel]":
        webhook = await store.find(tx, webhook_id, now)
        if webhook is None or not webhook.is_enabled or webhook.paused_until is not None:
            return []
        claimed = await deliveries.claim(tx, webhook_id, now, limit=room, until=now + self._claimed_for)
        bodies = await _bodies(tx, claimed)
        return [_Parcel(each, webhook, body) for each, body in zip(claimed, bodies, strict=True)]

    async def _send(self, parcel: "_Parcel") -> None:
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
        self._settled.append(delivery)

    def _forget(self, task: asyncio.Task[None]) -> None:
        del self._sending[task]
        if not task.cancelled() and task.exception() is not None:
            # The claim ends by itself.
            log.error("A webhook could not be sent.", exc_info=task.exception())
        self.wake()

    async def _store(self, tx: WriteTransaction, settled: Sequence[Delivery], now: Instant) -> None:
        """Store what became of deliveries; pause webhooks that ask for it, and disable those that want or take no more."""
        await deliveries.settle(tx, settled, now)
        for webhook_id, until in sorted(self._asked_to_wait.items()):
            await store.pause(tx, webhook_id, until)
        for each in settled:
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

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_POLL_SECONDS):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _finish(self) -> None:
        """Wait for what is under way, store what became of it, and end the claims of the rest."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=self.finish_within_seconds)
        rest = dict(self._sending)
        for task in rest:
            task.cancel()
        now = self._clock()
        try:
            if self._settled or rest:
                async with self._database.write() as tx:
                    await self._store(tx, self._settled, now)
                    await deliveries.release(tx, list(rest.values()), now)
        except Unavailable:
            pass
        await self._transport.close()


class _Parcel(NamedTuple):
    """A claimed delivery, where it goes, and what is sent."""

    delivery: Delivery
    webhook: Webhook
    body: bytes


async def _bodies(tx: WriteTransaction, claimed: Sequence[Delivery]) -> list[bytes]:
    """Return what is sent: the fields of the announcements, with the external ids of what they name."""
    fields: list[dict[str, Any]] = [msgspec.json.decode(each.data) for each in claimed]
    ids = [{(name, int(data[f"{name}Id"])) for name in _WITH_EXTERNAL_IDS if f"{name}Id" in data} for data in fields]
    external_ids = await deliveries.read_external_ids(tx, set().union(*ids))
    for data, named in zip(fields, ids, strict=True):
        data |= {f"{name}ExternalId": external_ids.get((name, number)) for name, number in sorted(named)}
    return [
        msgspec.json.encode({"type": each.type.value, "timestamp": iso(each.at), "data": data})
        for each, data in zip(claimed, fields, strict=True)
    ]
