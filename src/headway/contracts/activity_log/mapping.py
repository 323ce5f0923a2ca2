"""From wire to domain and back."""

import re
from datetime import datetime
from typing import Any

import msgspec

from headway.contracts.activity_log import wire
from headway.domain import instants
from headway.domain.audit import Activity, Actor, Context, Target
from headway.domain.errors import FieldError, Invalid
from headway.domain.instants import DAY, END_OF_TIME, Instant, iso
from headway.http.decoding import check_json
from headway.storage.activities import Filter
from headway.usecases.accounts import is_email
from headway.usecases.activity_log import Told

_ENTRY_ID = re.compile("[0-9a-f]{24}")


def told(body: wire.ActivityBody, *, most_bytes: int) -> Told:
    """Read an activity. Raises Invalid naming every field at fault."""
    context = body.context or wire.ContextBody()
    errors = [FieldError(field, fault) for field, fault in _faults(body, context, most_bytes) if fault is not None]
    if errors:
        raise Invalid(errors)
    actor, target = body.actor, body.target
    return Told(
        action=body.action,
        actor=None if actor is None else Actor(actor.user_id, actor.name, actor.email, actor.role),
        target=Target(target.type, target.id, target.model or target.type.model, target.name),
        context=Context(context.description, context.source, context.additional_info or {}),
        metadata=body.metadata or {},
    )


def wanted(query: wire.ActivitiesQuery) -> Filter:
    """Read which entries are wanted. Raises Invalid."""
    errors: list[FieldError] = []
    since = _bound(errors, "from", query.since, is_end=False)
    until = _bound(errors, "to", query.until, is_end=True)
    if since is not None and until is not None and until <= since:
        errors.append(FieldError("to", "must not be before from"))
    if errors:
        raise Invalid(errors)
    return Filter(query.action, query.actor_id, query.target_type, query.target_id, since, until)


def entry_id(text: str) -> str:
    """Read an id from a path. Raises Invalid."""
    if not _ENTRY_ID.fullmatch(text):
        raise Invalid.field("id", "must have 24 hexadecimal digits")
    return text


def activity(found: Activity) -> wire.Activity:
    """Write an entry."""
    told, at = found.told, iso(found.performed_at)
    return wire.Activity(
        id=found.id,
        action=told.action,
        actor=wire.Actor(told.actor.user_id, told.actor.name, told.actor.email, told.actor.role),
        target=wire.Target(told.target.type, told.target.id, told.target.model, told.target.name),
        context=wire.Context(told.context.description, told.context.source, told.context.additional_info),
        metadata=told.metadata,
        status=told.status,
        performed_at=at,
        ip_address=None if told.client is None else told.client.address,
        user_agent=None if told.client is None else told.client.user_agent,
        created_at=at,
        updated_at=at,
        recorded_by=wire.Recorder(None if told.recorded_by is None else str(told.recorded_by), told.recorded_role.value),
        actor_verified=told.is_actor_verified,
    )


def _faults(body: wire.ActivityBody, context: wire.ContextBody, most_bytes: int) -> list[tuple[str, str | None]]:
    """Say what is wrong beyond types and lengths."""
    found = [("action", None if body.action.strip() else "is required")]
    if body.actor is not None:
        found.append(("actor.name", None if body.actor.name.strip() else "is required"))
        found.append(("actor.email", None if is_email(body.actor.email) else "must be a valid e-mail address"))
    texts: dict[str, Any] = {"action": body.action}
    for field, part in (("actor", body.actor), ("target", body.target), ("context", body.context)):
        texts |= {f"{field}.{name}": value for name, value in (msgspec.to_builtins(part) or {}).items()}
    texts |= {"metadata": body.metadata}
    found += [(field, check_json(value)) for field, value in texts.items()]
    found += [
        (field, f"must not be larger than {most_bytes} bytes" if len(msgspec.json.encode(value)) > most_bytes else None)
        for field, value in (("context.additionalInfo", context.additional_info), ("metadata", body.metadata))
    ]
    return found


def _bound(errors: list[FieldError], field: str, text: str | None, *, is_end: bool) -> Instant | None:
    """Read a time, or a whole day of UTC; an end gives the first instant after it."""
    if text is None:
        return None
    try:
        moment = instants.from_datetime(datetime.fromisoformat(text))
    except ValueError:
        moment = -1
    if not 0 <= moment <= END_OF_TIME:
        errors.append(FieldError(field, "must be an ISO 8601 time such as 2026-01-31T12:00:00Z, or a date"))
        return None
    return moment + (DAY if is_end and len(text) == 10 else 1 if is_end else 0)
