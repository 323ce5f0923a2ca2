"""Deliveries as rows: written with what happened, claimed by a server process to be sent, and settled.

A claim sets the time at which the delivery is due again, so what a process claimed and did not settle is sent by another one.
Of the line of a learner's deliveries in a course to a webhook, only the first one that is pending is claimed; others are put
off until it is due, and called up when it ends. One that the call misses is due when the claim would have ended.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Integer, Text, and_, bindparam, func, literal_column, select, union_all

from headway.accounts.tables import users
from headway.courses.tables import courses, modules, units
from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import UpdateRows, delete_before, insert, lookup, rows
from headway.db.types import Id, Timestamp
from headway.instants import SECOND, Instant
from headway.paging.service import Slice
from headway.webhooks.announcements import EventType
from headway.webhooks.model import NO_COURSE, NO_LEARNER, Attempt, Backlog, Delivery, DeliveryStatus, Line
from headway.webhooks.tables import webhook_deliveries, webhooks

_CANDIDATES = 100
_PUT_OFF_FOR = SECOND
"""At least. Who comes first and is due now is claimed within that time."""
MOST_COUNTED = 10_000
"""Of the pending deliveries of a webhook."""

_PENDING = literal_column(f"'{DeliveryStatus.PENDING.value}'", Text())
"""Written out: PostgreSQL does not see that a parameter has the value of a partial index."""
_d = webhook_deliveries.c
_is_pending = _d.status == _PENDING
_of_webhook = _d.webhook_id == bindparam("of_webhook")

_announced = rows(
    "announced",
    {
        "position": Integer(),
        "webhook_id": Id,
        "message_id": Text(),
        "type": Text(),
        "user_id": Id,
        "course_id": Id,
        "data": Text(),
        "at": Timestamp,
    },
)
_insert = insert(webhook_deliveries).from_select(
    ["webhook_id", "message_id", "type", "user_id", "course_id", "data", "at", "next_at", "status", "tries", "attempts"],
    select(
        *list(_announced.c)[1:],
        _announced.c.at.label("next_at"),
        *(_PENDING, literal_column("0", Integer()), literal_column("'[]'", Text())),
    )
    .select_from(lookup(_announced, webhooks, webhooks.c.id == _announced.c.webhook_id))
    .where(webhooks.c.is_enabled.is_(True))
    .order_by(_announced.c.position),
)

_insert_one = _insert.returning(_d.id)

_is_due = and_(_is_pending, _d.next_at <= bindparam("now", type_=Timestamp))
# With EXISTS, PostgreSQL may read what waits for all webhooks, disabled ones too.
_first_due = (
    select(_d.id)
    .where(_d.webhook_id == webhooks.c.id, _is_due)
    .order_by(_d.next_at)
    .limit(1)
    .correlate(webhooks)
    .scalar_subquery()
)
_is_paused = webhooks.c.paused_until > bindparam("now", type_=Timestamp)
_webhooks_with_due = (
    select(webhooks.c.id)
    .where(webhooks.c.is_enabled.is_(True), _is_paused.is_not(True), _first_due.is_not(None))
    .order_by(webhooks.c.id)
)
_due = (
    select(webhook_deliveries)
    .where(_of_webhook, _is_due)
    .order_by(_d.next_at, _d.id)
    .limit(_CANDIDATES)
    .with_for_update(skip_locked=True)
)
_LINE = ("webhook_id", "user_id", "course_id")
_lines = rows("lines", dict.fromkeys(_LINE, Id))
_other = webhook_deliveries.alias("other")
_first_in_line = (
    select(func.min(_other.c.id))
    .where(*(_other.c[name] == _lines.c[name] for name in _LINE), _other.c.status == _PENDING)
    .correlate(_lines)
    .scalar_subquery()
)
_firsts = select(*_lines.c, _d.id, _d.next_at).select_from(lookup(_lines, webhook_deliveries, _d.id == _first_in_line))
_put_off = UpdateRows(webhook_deliveries, ["next_at"])
_settle = UpdateRows(webhook_deliveries, ["status", "next_at", "tries", "attempts", "ended_at"])
_find = select(webhook_deliveries).where(_of_webhook, _d.id == bindparam("of_id"))
_lock = _find.with_for_update()
_log = (
    select(webhook_deliveries).where(_of_webhook).order_by(_d.id.desc()).limit(bindparam("limit")).offset(bindparam("offset"))
)
_log_after = _log.where(_d.id < bindparam("after"))
_with_status = _d.status == bindparam("of_status")
_logs = {
    (has_after, has_status): (_log_after if has_after else _log).where(*([_with_status] if has_status else []))
    for has_after in (False, True)
    for has_status in (False, True)
}
_pending = select(_d.at).where(_of_webhook, _is_pending).limit(MOST_COUNTED).subquery("some_pending")
_backlog = select(func.count().label("pending"), func.min(_pending.c.at).label("oldest_at")).select_from(_pending)
_was_delivered = (
    select(_d.id)
    .where(_of_webhook, _d.status == bindparam("of_status"), _d.ended_at >= bindparam("since", type_=Timestamp))
    .limit(1)
)
_purge = delete_before(_d.at)

_named = {"learner": users, "course": courses, "module": modules, "unit": units}
"""What deliveries name, by the beginning of the field that holds its id."""
_of = {name: rows(f"{name}_ids", {"id": Id}) for name in _named}
_external_ids = union_all(
    *(
        select(literal_column(f"'{name}'", Text()).label("name"), table.c.id, table.c.external_id)
        .select_from(lookup(_of[name], table, table.c.id == _of[name].c.id))
        .where(table.c.external_id.is_not(None))
        for name, table in _named.items()
    )
)


async def insert_announced(tx: WriteTransaction, announced: Sequence[tuple[int, str, str, int, int, str, Instant]]) -> None:
    """Insert deliveries in order, those of webhooks that are enabled: webhook, message, type, learner, course, data, time."""
    await tx.run(_insert, announced=[(position, *each) for position, each in enumerate(announced)])


async def insert_test(tx: WriteTransaction, webhook_id: int, message_id: str, now: Instant) -> Delivery:
    """Insert a test of an enabled webhook."""
    announced = (0, webhook_id, message_id, EventType.TEST.value, NO_LEARNER, NO_COURSE, "{}", now)
    row = await tx.one(_insert_one, announced=[announced])
    inserted = await find(tx, webhook_id, row["id"])
    assert inserted is not None  # noqa: S101 - it was inserted just now
    return inserted


async def list_webhooks_with_due(tx: ReadTransaction, now: Instant) -> list[int]:
    """Return the enabled webhooks to which something is due."""
    return [row["id"] for row in await tx.all(_webhooks_with_due, now=now)]


async def claim(tx: WriteTransaction, webhook_id: int, now: Instant, *, limit: int, until: Instant) -> list[Delivery]:
    """Claim some deliveries that are due, the first ones in their lines, until a time; put off others that are due."""
    due = [_delivery(row) for row in await tx.all(_due, of_webhook=webhook_id, now=now)]
    if not due:
        return []
    # A statement of its own: it sees what ended while the rows were being locked.
    first_of = await _read_firsts(tx, {each.line for each in due})
    claimed = [each for each in due if first_of[each.line].delivery_id == each.id][:limit]
    ids = {each.id for each in claimed}
    put_off = [(until, each.id) for each in claimed]
    for each in due:
        first = first_of[each.line]
        if each.id != first.delivery_id:
            due_then = until if first.delivery_id in ids else first.next_at
            put_off.append((max(due_then, now + _PUT_OFF_FOR), each.id))
    await tx.write_rows((_put_off, put_off))
    return claimed


async def settle(tx: WriteTransaction, settled: Sequence[Delivery], now: Instant) -> None:
    """Store what became of claimed deliveries, and call up those that come next."""
    await tx.write_rows(
        (
            _settle,
            [(each.status.value, each.next_at, each.tries, _text(each.attempts), each.ended_at, each.id) for each in settled],
        )
    )
    ended = {each.line for each in settled if each.status is not DeliveryStatus.PENDING}
    if ended:
        following = await _read_firsts(tx, ended)
        await tx.write_rows((_put_off, sorted((now, each.delivery_id) for each in following.values())))


async def release(tx: WriteTransaction, claimed: Sequence[Delivery], now: Instant) -> None:
    """End claims of which no attempt was made."""
    await tx.write_rows((_put_off, [(now, each.id) for each in claimed]))


async def find(tx: ReadTransaction, webhook_id: int, delivery_id: int) -> Delivery | None:
    """Read a delivery of a webhook; None if there is none."""
    row = await tx.first(_find, of_webhook=webhook_id, of_id=delivery_id)
    return None if row is None else _delivery(row)


async def lock(tx: WriteTransaction, webhook_id: int, delivery_id: int) -> Delivery | None:
    """Lock a delivery of a webhook and read it; None if there is none."""
    row = await tx.first(_lock, of_webhook=webhook_id, of_id=delivery_id)
    return None if row is None else _delivery(row)


async def list_page(tx: ReadTransaction, webhook_id: int, part: Slice, status: DeliveryStatus | None = None) -> list[Delivery]:
    """List deliveries of a webhook, the newest first; the key of a part is an id."""
    params = {"offset": 0, **part.params} | ({} if status is None else {"of_status": status.value})
    statement = _logs[part.after is not None, status is not None]
    return [_delivery(row) for row in await tx.all(statement, of_webhook=webhook_id, **params)]


async def read_backlog(tx: ReadTransaction, webhook_id: int) -> Backlog:
    """Return what waits to be delivered to a webhook, counted up to `MOST_COUNTED`."""
    row = await tx.one(_backlog, of_webhook=webhook_id)
    return Backlog(row["pending"], row["oldest_at"])


async def has_delivered_since(tx: ReadTransaction, webhook_id: int, since: Instant) -> bool:
    """Return whether a webhook has taken anything since a time."""
    delivered = DeliveryStatus.DELIVERED.value
    return await tx.first(_was_delivered, of_webhook=webhook_id, of_status=delivered, since=since) is not None


async def purge(tx: WriteTransaction, before: Instant) -> int:
    """Delete some deliveries of what happened before a time; return how many."""
    return await tx.run(_purge, before=before)


async def read_external_ids(tx: ReadTransaction, ids: Collection[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """Return the external ids of a `learner`, `course`, `module` or `unit`, by that name and the id, where there are any."""
    of = {f"{name}_ids": sorted((number,) for kind, number in ids if kind == name) for name in _named}
    return {(row["name"], row["id"]): row["external_id"] for row in await tx.all(_external_ids, **of)}


class _First(NamedTuple):
    """The first delivery of a line that is pending."""

    delivery_id: int
    next_at: Instant


async def _read_firsts(tx: ReadTransaction, lines: Collection[Line]) -> dict[Line, _First]:
    found = await tx.all(_firsts, lines=sorted(lines))
    return {(row["webhook_id"], row["user_id"], row["course_id"]): _First(row["id"], row["next_at"]) for row in found}


def _text(attempts: Sequence[Attempt]) -> str:
    return msgspec.json.encode(attempts).decode()


def _delivery(row: Row) -> Delivery:
    fields = {name: row[name] for name in Delivery.__struct_fields__}
    return Delivery(
        **fields
        | {
            "type": EventType(row["type"]),
            "status": DeliveryStatus(row["status"]),
            "attempts": msgspec.json.decode(row["attempts"], type=tuple[Attempt, ...]),
        }
    )
