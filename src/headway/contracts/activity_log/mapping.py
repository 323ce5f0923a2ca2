"""Between wire structs and the model: pure functions."""

import re

import msgspec

from headway.accounts.service import is_email
from headway.audit.model import Activity, Actor, Context, Filter, Target
from headway.audit.service import Told
from headway.contracts.activity_log import wire
from headway.errors import FieldError, Invalid
from headway.http.decoding import check_json
from headway.http.params import DateBounds
from headway.instants import iso

_ENTRY_ID = re.compile("[0-9a-f]{24}")
_DATES = DateBounds("from", "to", "must be an ISO 8601 time such as 2026-01-31T12:00:00Z, or a date", since_1970=True)


def new_activity(body: wire.ActivityBody, *, max_bytes: int) -> Told:
    """Return the activity to log. Raises Invalid naming every field at fault."""
    context = body.context or wire.ContextBody()
    errors = [FieldError(field, fault) for field, fault in _faults(body, context, max_bytes) if fault is not None]
    if errors:
        raise Invalid(errors)
    actor, target = body.actor, body.target
    return Told(
        action=body.action,
        actor=None if actor is None else Actor(actor.user_id, actor.name, actor.email, actor.role),
        target=Target(target.type, target.id, target.model or target.type.model, target.name),
        context=Context(context.description, context.source, context.additional_info or {}),
        metadata=body.metadata or {},
        size_bytes=len(msgspec.json.encode((context.additional_info, body.metadata))),
    )


def criteria(query: wire.ActivitiesQuery) -> Filter:
    """Return which activities to list. Raises Invalid."""
    since, until = _DATES.parse(query.since, query.until)
    return Filter(query.action, query.actor_id, query.target_type, query.target_id, since, until)


def entry_id(text: str) -> str:
    """Return an id in a path. Raises Invalid."""
    if not _ENTRY_ID.fullmatch(text):
        raise Invalid.field("id", "must have 24 hexadecimal digits")
    return text


def activity(found: Activity) -> wire.Activity:
    """Render an activity."""
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


def _faults(body: wire.ActivityBody, context: wire.ContextBody, max_bytes: int) -> list[tuple[str, str | None]]:
    """Return the fields with what is wrong with them beyond types and lengths, or None."""
    found: list[tuple[str, str | None]] = [("action", None if body.action.strip() else "is required")]
    if body.actor is not None:
        found.append(("actor.name", None if body.actor.name.strip() else "is required"))
        found.append(("actor.email", None if is_email(body.actor.email) else "must be a valid e-mail address"))
    for field, part in (("actor", body.actor), ("target", body.target), ("context", context)):
        known = () if part is None else msgspec.structs.fields(part)
        found += [(f"{field}.{each.encode_name}", check_json(getattr(part, each.name))) for each in known]
    found.append(("metadata", check_json(body.metadata)))
    # A value that is nested too deeply cannot be encoded to measure it.
    refused = {field for field, fault in found if fault is not None}
    for field, value in (("context.additionalInfo", context.additional_info), ("metadata", body.metadata)):
        if field not in refused and len(msgspec.json.encode(value)) > max_bytes:
            found.append((field, f"must not be larger than {max_bytes} bytes"))
    return found
