"""From wire to domain and back."""

import re
from datetime import UTC, date, datetime

import msgspec

from headway import instants
from headway.accounts.model import is_email
from headway.audit.model import Actor, AuditEntry, Context, EntryDraft, EntryFilter, Target
from headway.contracts.activity_log import wire
from headway.errors import FieldError, Invalid
from headway.http.decoding import check_json
from headway.instants import DAY, END_OF_TIME, Instant, Milliseconds, iso

_ENTRY_ID = re.compile("[0-9a-f]{24}")


def entry_draft(body: wire.ActivityBody, *, max_bytes: int) -> EntryDraft:
    """Read an activity. Raises Invalid naming every field at fault."""
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
    """Read which entries are wanted. Raises Invalid."""
    errors: list[FieldError] = []
    since = _bound(errors, "from", query.since, is_end=False)
    until = _bound(errors, "to", query.until, is_end=True)
    if since is not None and until is not None and until <= since:
        errors.append(FieldError("to", "must not be before from"))
    if errors:
        raise Invalid(errors)
    return EntryFilter(query.action, query.actor_id, query.target_type, query.target_id, since, until)


def entry_id(text: str) -> str:
    """Read an id from a path. Raises Invalid."""
    if not _ENTRY_ID.fullmatch(text):
        raise Invalid.field("id", "must have 24 hexadecimal digits")
    return text


def activity(entry: AuditEntry) -> wire.Activity:
    """Write an entry."""
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
    """Say what is wrong beyond types and lengths."""
    found: list[tuple[str, str | None]] = [("action", None if body.action.strip() else "is required")]
    if body.actor is not None:
        found.append(("actor.name", None if body.actor.name.strip() else "is required"))
        found.append(("actor.email", None if is_email(body.actor.email) else "must be a valid e-mail address"))
    for field, part in (("actor", body.actor), ("target", body.target), ("context", context)):
        known = () if part is None else msgspec.structs.fields(part)
        found += [(f"{field}.{each.encode_name}", check_json(getattr(part, each.name))) for each in known]
    found.append(("metadata", check_json(body.metadata)))
    # What is nested too deeply cannot be encoded, nor measured.
    refused = {field for field, fault in found if fault is not None}
    for field, value in (("context.additionalInfo", context.additional_info), ("metadata", body.metadata)):
        if field not in refused and len(msgspec.json.encode(value)) > max_bytes:
            found.append((field, f"must not be larger than {max_bytes} bytes"))
    return found


def _bound(errors: list[FieldError], field: str, text: str | None, *, is_end: bool) -> Instant | None:
    """Read a time, or a whole day of UTC; an end gives the first instant after it."""
    if text is None:
        return None
    try:
        first, length = _span(text)
    except (ValueError, OverflowError):
        first, length = -1, 0
    if not 0 <= first <= END_OF_TIME:
        errors.append(FieldError(field, "must be an ISO 8601 time such as 2026-01-31T12:00:00Z, or a date"))
        return None
    return min(first + length, END_OF_TIME) if is_end else first


def _span(text: str) -> tuple[Instant, Milliseconds]:
    """Give the first instant of a time or a day, in any of the spellings of ISO 8601, and how long it lasts."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return instants.from_datetime(datetime.fromisoformat(text)), 1
    return instants.from_datetime(datetime(day.year, day.month, day.day, tzinfo=UTC)), DAY
