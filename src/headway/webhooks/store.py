"""Webhooks as rows. URLs and secrets are encrypted."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, delete, func, or_, select, update

from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import insert
from headway.db.index_keys import encrypting
from headway.db.keyring import Keyring
from headway.instants import Instant
from headway.webhooks.announcements import EventType
from headway.webhooks.model import DisabledReason, NewWebhook, Subscription, Webhook
from headway.webhooks.tables import webhook_deliveries, webhooks

_CONTENT = ("url", "events", "course_id", "description")
_insert = (
    insert(webhooks)
    .values(
        {name: bindparam(name) for name in (*_CONTENT, "secret", "created_at")}
        | {"updated_at": bindparam("created_at"), "is_enabled": True}
    )
    .returning(webhooks.c.id)
)
_with_id = webhooks.c.id == bindparam("of_id")
_find = select(webhooks).where(_with_id)
_lock = _find.with_for_update()
_list = select(webhooks).order_by(webhooks.c.id)
_enabled = (
    select(webhooks.c.id, webhooks.c.events, webhooks.c.course_id)
    .where(webhooks.c.is_enabled.is_(True))
    .order_by(webhooks.c.id)
)
_count = select(func.count().label("count")).select_from(webhooks)
_change = (
    update(webhooks)
    .where(_with_id)
    .values({name: bindparam(f"to_{name}", type_=webhooks.c[name].type) for name in (*_CONTENT, "updated_at")})
)
_states = ("is_enabled", "disabled_at", "disabled_reason", "updated_at")
_set_state = (
    update(webhooks).where(_with_id).values({name: bindparam(f"to_{name}", type_=webhooks.c[name].type) for name in _states})
)
_set_secret = (
    update(webhooks)
    .where(_with_id)
    .values(
        secret=bindparam("to_secret"),
        previous_secret=webhooks.c.secret,
        previous_until=bindparam("to_until", type_=webhooks.c.previous_until.type),
        updated_at=bindparam("to_updated_at", type_=webhooks.c.updated_at.type),
    )
)
_until = bindparam("until", type_=webhooks.c.paused_until.type)
_pause = (
    update(webhooks)
    .where(_with_id, or_(webhooks.c.paused_until.is_(None), webhooks.c.paused_until < _until))
    .values(paused_until=_until)
)
_resume = update(webhooks).where(_with_id).values(paused_until=None)
_delete = delete(webhooks).where(_with_id)
_delete_deliveries = delete(webhook_deliveries).where(webhook_deliveries.c.webhook_id == bindparam("of_id"))


async def insert_webhook(tx: WriteTransaction, new: NewWebhook, secret: str, now: Instant) -> int:
    """Insert a webhook; return its id."""
    keyring = await encrypting(tx)
    row = await tx.one(_insert, **_values(keyring, new), secret=keyring.encrypt(secret), created_at=now)
    webhook_id: int = row["id"]
    return webhook_id


async def count(tx: ReadTransaction) -> int:
    """Count all webhooks."""
    number: int = (await tx.one(_count))["count"]
    return number


async def list_all(tx: ReadTransaction, now: Instant) -> list[Webhook]:
    """List all webhooks by id; `now` decides which secrets sign."""
    return [_webhook(tx.keyring, row, now) for row in await tx.all(_list)]


async def find(tx: ReadTransaction, webhook_id: int, now: Instant) -> Webhook | None:
    """Read a webhook; None if there is none."""
    row = await tx.first(_find, of_id=webhook_id)
    return None if row is None else _webhook(tx.keyring, row, now)


async def lock(tx: WriteTransaction, webhook_id: int, now: Instant) -> Webhook | None:
    """Lock a webhook and read it; None if there is none."""
    row = await tx.first(_lock, of_id=webhook_id)
    return None if row is None else _webhook(tx.keyring, row, now)


async def list_subscriptions(tx: ReadTransaction) -> list[Subscription]:
    """List what the enabled webhooks get."""
    return [Subscription(row["id"], frozenset(row["events"].split()), row["course_id"]) for row in await tx.all(_enabled)]


async def change(tx: WriteTransaction, webhook_id: int, new: NewWebhook, now: Instant) -> None:
    """Change what a webhook gets, and where."""
    values = {f"to_{name}": value for name, value in _values(await encrypting(tx), new).items()}
    await tx.run(_change, of_id=webhook_id, to_updated_at=now, **values)


async def pause(tx: WriteTransaction, webhook_id: int, until: Instant) -> None:
    """Send nothing to a webhook until then, or until it is to be sent later anyway."""
    await tx.run(_pause, of_id=webhook_id, until=until)


async def resume(tx: WriteTransaction, webhook_id: int) -> None:
    """End the pause of a webhook."""
    await tx.run(_resume, of_id=webhook_id)


async def set_state(tx: WriteTransaction, webhook_id: int, reason: DisabledReason | None, now: Instant) -> None:
    """Disable a webhook for a reason, or enable it."""
    await tx.run(
        _set_state,
        of_id=webhook_id,
        to_is_enabled=reason is None,
        to_disabled_at=None if reason is None else now,
        to_disabled_reason=None if reason is None else reason.value,
        to_updated_at=now,
    )


async def set_secret(tx: WriteTransaction, webhook_id: int, secret: str, *, old_until: Instant, now: Instant) -> None:
    """Replace the secret; the one before signs until then, too."""
    keyring = await encrypting(tx)
    await tx.run(_set_secret, of_id=webhook_id, to_secret=keyring.encrypt(secret), to_until=old_until, to_updated_at=now)


async def delete_webhook(tx: WriteTransaction, webhook_id: int) -> None:
    """Delete a webhook with all its deliveries."""
    await tx.run(_delete_deliveries, of_id=webhook_id)
    await tx.run(_delete, of_id=webhook_id)


def _values(keyring: Keyring, new: NewWebhook) -> dict[str, Any]:
    content = {"course_id": new.course_id, "description": new.description}
    return content | {"url": keyring.encrypt(new.url), "events": " ".join(sorted(new.events))}


def _webhook(keyring: Keyring, row: Row, now: Instant) -> Webhook:
    secrets: Sequence[str] = [row["secret"]]
    if row["previous_secret"] is not None and row["previous_until"] > now:
        secrets = [row["secret"], row["previous_secret"]]
    reason = row["disabled_reason"]
    return Webhook(
        id=row["id"],
        url=keyring.decrypt(row["url"]),
        events=tuple(EventType(each) for each in row["events"].split()),
        course_id=row["course_id"],
        description=row["description"],
        secrets=tuple(map(keyring.decrypt, secrets)),
        is_enabled=bool(row["is_enabled"]),
        disabled_at=row["disabled_at"],
        disabled_reason=None if reason is None else DisabledReason(reason),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        paused_until=row["paused_until"] if (row["paused_until"] or 0) > now else None,
    )
