"""Webhooks: who gets what, and the log of what was sent. For administrators, and for keys with the scope."""

from collections.abc import Callable, Sequence

from headway.accounts.administration import require_admin
from headway.audit.model import Action, Target, TargetType
from headway.audit.service import AuditRecorder
from headway.courses import structure_store
from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.errors import Conflict, FieldError, Invalid, NotFound
from headway.identity import Caller, Client, Scope
from headway.ids import NewId
from headway.instants import DAY, Clock
from headway.paging.service import Walk
from headway.settings import Settings
from headway.webhooks import deliveries_store as deliveries
from headway.webhooks import store
from headway.webhooks.model import (
    MAX_WEBHOOKS,
    OLD_SECRET_FOR,
    Backlog,
    Delivery,
    DeliveryStatus,
    DisabledReason,
    NewWebhook,
    Webhook,
    check,
    new_secret,
)
from headway.webhooks.outbox import Outbox


class Webhooks:
    """Every method raises Forbidden for callers without the right; with a caller of None it acts for an operator."""

    def __init__(self, clock: Clock, new_id: NewId, audit: AuditRecorder, outbox: Outbox, settings: Settings) -> None:
        self._clock = clock
        self._new_id = new_id
        self._audit = audit
        self._outbox = outbox
        self._allows_http = settings.webhook_allow_http
        self._allows_private = settings.webhook_allow_private_addresses
        self._kept = settings.webhook_kept_days * DAY

    async def create(
        self, tx: WriteTransaction, caller: Caller | None, new: NewWebhook, *, client: Client | None = None
    ) -> Webhook:
        """Create a webhook; its secret is shown this once. Raises Invalid, Conflict TOO_MANY_WEBHOOKS."""
        await _require(tx, caller)
        await self._check(tx, new)
        if await store.count(tx) >= MAX_WEBHOOKS:
            raise Conflict(f"There are {MAX_WEBHOOKS} webhooks already.", code="TOO_MANY_WEBHOOKS")
        webhook_id = await store.insert_webhook(tx, new, new_secret(), self._clock())
        created = await self._find(tx, webhook_id)
        await self._record(tx, Action.CREATE_WEBHOOK, caller, created, _describe(new), client)
        return created

    async def list_all(self, tx: ReadTransaction, caller: Caller | None) -> list[Webhook]:
        """List all webhooks."""
        await _require(tx, caller)
        return await store.list_all(tx, self._clock())

    async def list_page(self, tx: ReadTransaction, caller: Caller | None, walk: Walk) -> tuple[list[Webhook], int]:
        """List some webhooks by id, and how many there are."""
        found, part = await self.list_all(tx, caller), walk.slice
        rest = [each for each in found if part.after is None or each.id > part.after]
        return walk.cut(rest[part.offset : part.offset + part.limit], lambda each: each.id), len(found)

    async def find(self, tx: ReadTransaction, caller: Caller | None, webhook_id: int) -> Webhook:
        """Read a webhook. Raises NotFound WEBHOOK_NOT_FOUND."""
        await _require(tx, caller)
        return await self._find(tx, webhook_id)

    async def read_backlog(self, tx: ReadTransaction, webhook: Webhook) -> Backlog:
        """Return what waits to be delivered to a webhook that was read."""
        return await deliveries.read_backlog(tx, webhook.id)

    async def change(
        self,
        tx: WriteTransaction,
        caller: Caller | None,
        webhook_id: int,
        edit: Callable[[NewWebhook], NewWebhook],
        *,
        enable: bool | None = None,
        client: Client | None = None,
    ) -> Webhook:
        """Change a webhook to what `edit` returns for the stored one, and enable or disable it.

        What waits for a disabled one stays, and is sent when it is enabled. A pause that the receiver has asked for ends with
        another URL, and when it is enabled. Raises Invalid, NotFound WEBHOOK_NOT_FOUND.
        """
        await _require(tx, caller)
        stored, now = await self._lock(tx, webhook_id), self._clock()
        before = NewWebhook(stored.url, stored.events, stored.course_id, stored.description)
        new = edit(before)
        record: dict[str, object] = {}
        if new != before:
            await self._check(tx, new)
            await store.change(tx, webhook_id, new, now)
            record |= _describe(new)
        if enable is not None and enable is not stored.is_enabled:
            await store.set_state(tx, webhook_id, None if enable else DisabledReason.BY_HAND, now)
            record["isEnabled"] = enable
        if new.url != before.url or enable:
            await store.resume(tx, webhook_id)
        changed = await self._find(tx, webhook_id)
        if record:
            await self._record(tx, Action.CHANGE_WEBHOOK, caller, changed, record, client)
        return changed

    async def rotate(
        self, tx: WriteTransaction, caller: Caller | None, webhook_id: int, *, client: Client | None = None
    ) -> Webhook:
        """Replace the secret; the new one is shown this once. The one before signs too for a day.

        Raises NotFound WEBHOOK_NOT_FOUND.
        """
        await _require(tx, caller)
        await self._lock(tx, webhook_id)
        now = self._clock()
        await store.set_secret(tx, webhook_id, new_secret(), old_until=now + OLD_SECRET_FOR, now=now)
        changed = await self._find(tx, webhook_id)
        await self._record(tx, Action.CHANGE_WEBHOOK, caller, changed, {"secret": "rotated"}, client)
        return changed

    async def delete(
        self, tx: WriteTransaction, caller: Caller | None, webhook_id: int, *, client: Client | None = None
    ) -> None:
        """Delete a webhook with the log of its deliveries; what waits is not sent. Raises NotFound WEBHOOK_NOT_FOUND."""
        await _require(tx, caller)
        webhook = await self._lock(tx, webhook_id)
        await store.delete_webhook(tx, webhook_id)
        await self._record(tx, Action.DELETE_WEBHOOK, caller, webhook, {}, client)

    async def test(
        self, tx: WriteTransaction, caller: Caller | None, webhook_id: int, *, client: Client | None = None
    ) -> Delivery:
        """Send a test at once, though the receiver may have asked to wait.

        Raises NotFound WEBHOOK_NOT_FOUND, Conflict WEBHOOK_DISABLED.
        """
        await _require(tx, caller)
        webhook = await self._lock(tx, webhook_id)
        _require_enabled(webhook)
        await store.resume(tx, webhook_id)
        sent = await deliveries.insert_test(tx, webhook_id, self._new_id(), self._clock())
        tx.after_commit(self._outbox.on_written)
        await self._record(tx, Action.CHANGE_WEBHOOK, caller, webhook, {"tested": sent.message_id}, client)
        return sent

    async def list_deliveries(
        self,
        tx: ReadTransaction,
        caller: Caller | None,
        webhook_id: int,
        walk: Walk,
        *,
        status: DeliveryStatus | None = None,
    ) -> list[Delivery]:
        """List what was and will be sent to a webhook, the newest first. Raises NotFound WEBHOOK_NOT_FOUND."""
        await _require(tx, caller)
        await self._find(tx, webhook_id)
        return walk.cut(await deliveries.list_page(tx, webhook_id, walk.slice, status), lambda each: each.id)

    async def redeliver(
        self, tx: WriteTransaction, caller: Caller | None, webhook_id: int, delivery_id: int, *, client: Client | None = None
    ) -> Delivery:
        """Send a delivery at once: again, with the same id, or before its time, though the receiver may have asked to wait.

        Its attempts are counted anew.
        Deliveries of the same learner and course that are newer and not sent yet wait for it.
        Raises NotFound WEBHOOK_NOT_FOUND or DELIVERY_NOT_FOUND, Conflict WEBHOOK_DISABLED.
        """
        await _require(tx, caller)
        webhook = await self._find(tx, webhook_id)
        found = await deliveries.lock(tx, webhook_id, delivery_id)
        if found is None:
            raise NotFound("There is no such delivery.", code="DELIVERY_NOT_FOUND")
        _require_enabled(webhook)
        now = self._clock()
        found.status, found.next_at, found.tries, found.ended_at = DeliveryStatus.PENDING, now, 0, None
        await deliveries.settle(tx, [found], now)
        await store.resume(tx, webhook_id)
        tx.after_commit(self._outbox.on_written)
        record: dict[str, object] = {"redelivered": found.message_id, "event": found.type.value}
        await self._record(tx, Action.CHANGE_WEBHOOK, caller, webhook, record, client)
        return found

    async def purge(self, database: Database) -> None:
        """Delete what happened longer ago than deliveries are kept. It opens a transaction for each part."""
        before = self._clock() - self._kept
        while True:
            async with database.write() as tx:
                if not await deliveries.purge(tx, before):
                    return

    async def _find(self, tx: ReadTransaction, webhook_id: int) -> Webhook:
        return _found(await store.find(tx, webhook_id, self._clock()))

    async def _lock(self, tx: WriteTransaction, webhook_id: int) -> Webhook:
        return _found(await store.lock(tx, webhook_id, self._clock()))

    async def _check(self, tx: ReadTransaction, new: NewWebhook) -> None:
        errors = check(new, allows_http=self._allows_http, allows_private=self._allows_private)
        if new.course_id is not None and not await structure_store.revisions(tx, [new.course_id]):
            errors.append(FieldError("course_id", "does not exist"))
        if errors:
            raise Invalid(errors)

    async def _record(
        self,
        tx: WriteTransaction,
        action: Action,
        caller: Caller | None,
        webhook: Webhook,
        record: dict[str, object],
        client: Client | None,
    ) -> None:
        """Record a change, and have the outbox see it once it is committed."""
        tx.after_commit(self._outbox.forget)
        target = Target(TargetType.OTHER, str(webhook.id), None, webhook.host)
        await self._audit.record_for(tx, action, caller, target, metadata=record, client=client)


async def _require(tx: ReadTransaction, caller: Caller | None) -> None:
    if caller is not None and Scope.WEBHOOKS_WRITE not in (caller.scopes or ()):
        await require_admin(tx, caller)


def _require_enabled(webhook: Webhook) -> None:
    if not webhook.is_enabled:
        raise Conflict("The webhook is disabled: enable it first.", code="WEBHOOK_DISABLED")


def _found(webhook: Webhook | None) -> Webhook:
    if webhook is None:
        raise NotFound("There is no such webhook.", code="WEBHOOK_NOT_FOUND")
    return webhook


def _describe(new: NewWebhook) -> dict[str, object]:
    """Return what the audit log records of a webhook: not its URL, which may hold a secret."""
    events: Sequence[str] = new.events
    return {"events": list(events), "courseId": None if new.course_id is None else str(new.course_id)}
