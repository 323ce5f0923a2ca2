"""Conversion between wire structs and models: pure functions."""

import re

import msgspec

from headway.accounts.model import is_email
from headway.audit.model import Actor, AuditEntry, Context, EntryDraft, EntryFilter, Target
from headway.contracts.activity_log import wire
from headway.errors import FieldError, Invalid
from headway.http.decoding import check_json
from headway.http.params import DateBounds
from headway.instants import iso
from headway.text import is_blank

_ENTRY_ID = re.compile("[0-9a-f]{24}")
_DATES = DateBounds("from", "to")


def entry_draft(body: wire.ActivityBody, *, max_bytes: int) -> EntryDraft:
    """Return the activity to log. Raises Invalid naming every invalid field."""
    context = body.context or wire.ContextBody()
    errors = [FieldError(field, fault) for field, fault in _faults(body, context, max_bytes) if fault is not None]
    if errors:
        raise Invalid(errors)
    actor, target = body.actor, body.target
    return EntryDraft(
        action=body.action,
        actor=None if actor is None else Actor(actor.user_id, actor.name, actor.email, actor.role),
        target=Target(target.type, target.id, target.model or target.type.model, target.name),
        context=Context(context.description, context.source, context.additional_info or {}),
        metadata=body.metadata or {},
        size_bytes=len(msgspec.json.encode((context.additional_info, body.metadata))),
    )


def entry_filter(query: wire.ActivitiesQuery) -> EntryFilter:
    """Return the filter of a list of activities. Raises Invalid."""
    since, until = _DATES.parse(query.since, query.until)
    actor_ids, target_ids = (None if each is None else [each] for each in (query.actor_id, query.target_id))
    return EntryFilter(query.action, actor_ids, query.target_type, target_ids, since, until)


def entry_id(text: str) -> str:
    """Return the id of an activity in a path. Raises Invalid."""
    if not _ENTRY_ID.fullmatch(text):
        raise Invalid.field("id", "must have 24 hexadecimal digits")
    return text


def activity(entry: AuditEntry) -> wire.Activity:
    """Render an activity."""
    actor, target, context, client = entry.actor, entry.target, entry.context, entry.client
    performed_at = iso(entry.performed_at)
    return wire.Activity(
        id=entry.id,
        action=entry.action,
        actor=wire.Actor(actor.user_id, actor.name, actor.email, actor.role),
        target=wire.Target(target.type, target.id, target.model, target.name),
        context=wire.Context(context.description, context.source, context.additional_info),
        metadata=entry.metadata,
        status=entry.status,
        performed_at=performed_at,
        ip_address=None if client is None else client.address,
        user_agent=None if client is None else client.user_agent,
        created_at=performed_at,
        updated_at=performed_at,
        recorded_by=wire.Recorder(None if entry.recorded_by is None else str(entry.recorded_by), entry.recorded_role.value),
        actor_verified=entry.is_actor_verified,
    )


def _faults(body: wire.ActivityBody, context: wire.ContextBody, max_bytes: int) -> list[tuple[str, str | None]]:
    """Return fields with their errors, or None where there is none, beyond those of types and lengths."""
    faults: list[tuple[str, str | None]] = [("action", "is required" if is_blank(body.action) else None)]
    if body.actor is not None:
        faults.append(("actor.name", "is required" if is_blank(body.actor.name) else None))
        faults.append(("actor.email", None if is_email(body.actor.email) else "must be a valid e-mail address"))
    for field, part in (("actor", body.actor), ("target", body.target), ("context", context)):
        fields = () if part is None else msgspec.structs.fields(part)
        faults += [(f"{field}.{each.encode_name}", check_json(getattr(part, each.name))) for each in fields]
    faults.append(("metadata", check_json(body.metadata)))
    # A value that is nested too deeply cannot be encoded to measure its size.
    refused = {field for field, fault in faults if fault is not None}
    for field, value in (("context.additionalInfo", context.additional_info), ("metadata", body.metadata)):
        if field not in refused and len(msgspec.json.encode(value)) > max_bytes:
            faults.append((field, f"must not be larger than {max_bytes} bytes"))
    return faults
