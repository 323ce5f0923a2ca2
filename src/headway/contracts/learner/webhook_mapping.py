"""Conversion between the bodies of webhooks and models: pure functions."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from headway import instants
from headway.contracts.learner import webhook_wire as wire
from headway.http.params import parse_id
from headway.instants import Instant
from headway.paging.service import Walk
from headway.webhooks.announcements import SUBSCRIBABLE
from headway.webhooks.model import Backlog, Delivery, NewWebhook, Webhook


def new_webhook(body: wire.WebhookBody) -> NewWebhook:
    """Return the webhook to create."""
    events = SUBSCRIBABLE if body.events is None else tuple(dict.fromkeys(body.events))
    return NewWebhook(body.url, events, None if body.course_id is None else parse_id(body.course_id), body.description)


def changed_webhook(body: wire.WebhookChangeBody, stored: NewWebhook) -> NewWebhook:
    """Return a stored webhook with the changes applied."""
    changes: dict[str, Any] = {"url": body.url, "description": body.description}
    if body.events is not UNSET:
        changes["events"] = tuple(dict.fromkeys(body.events))
    if body.course_id is not UNSET:
        changes["course_id"] = None if body.course_id is None else parse_id(body.course_id)
    return msgspec.structs.replace(stored, **{name: value for name, value in changes.items() if value is not UNSET})


def webhook(stored: Webhook, backlog: Backlog) -> wire.Webhook:
    """Render a webhook."""
    return wire.Webhook(**_fields(stored, backlog))


def with_secret(stored: Webhook, backlog: Backlog) -> wire.NewWebhook:
    """Render a webhook with its secret."""
    return wire.NewWebhook(**_fields(stored, backlog), secret=stored.secrets[0])


def delivery(stored: Delivery) -> wire.Delivery:
    """Render a delivery."""
    return wire.Delivery(
        id=str(stored.id),
        webhook_id=stored.message_id,
        type=stored.type,
        timestamp=instants.iso(stored.at),
        data=msgspec.json.decode(stored.data),
        status=stored.status,
        next_attempt_at=_iso(stored.next_at),
        ended_at=_iso(stored.ended_at),
        attempts=[
            wire.Attempt(instants.iso(each.at), each.took_ms, each.status, each.error, each.excerpt) for each in stored.attempts
        ],
    )


def deliveries(found: Sequence[Delivery], walk: Walk) -> wire.Deliveries:
    """Render a page of deliveries."""
    paging = wire.DeliveryPaging(walk.limit, walk.next_cursor)
    return wire.Deliveries(data=[delivery(each) for each in found], metadata=paging)


def _fields(stored: Webhook, backlog: Backlog) -> dict[str, Any]:
    return {
        "id": str(stored.id),
        "url": stored.url,
        "events": list(stored.events),
        "course_id": None if stored.course_id is None else str(stored.course_id),
        "description": stored.description,
        "enabled": stored.is_enabled,
        "disabled_at": _iso(stored.disabled_at),
        "disabled_reason": stored.disabled_reason,
        "paused_until": _iso(stored.paused_until),
        "created_at": instants.iso(stored.created_at),
        "updated_at": instants.iso(stored.updated_at),
        "pending": backlog.pending,
        "oldest_at": _iso(backlog.oldest_at),
    }


def _iso(instant: Instant | None) -> str | None:
    return None if instant is None else instants.iso(instant)
