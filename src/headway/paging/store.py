"""Stored orders as rows."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import bindparam, delete, select

from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.dialects import WriteRows, delete_before
from headway.instants import SECOND, Instant
from headway.paging.tables import list_orders

PART = 1_000
"""The number of keys of a part."""
LIFETIME = 3_600 * SECOND
KEPT = 20
"""The number of orders that a caller keeps; the oldest go first."""

_decode = msgspec.json.Decoder(list[int]).decode
_own = list_orders.c.user_id == bindparam("of_user")
_insert = WriteRows(list_orders, ["user_id", "id", "number", "keys", "size", "created_at"])
_parts = (
    select(list_orders.c["keys"], list_orders.c.size, list_orders.c.created_at)
    .where(
        _own,
        list_orders.c.id == bindparam("order_id"),
        list_orders.c.number >= bindparam("first"),
        list_orders.c.number <= bindparam("last"),
    )
    .order_by(list_orders.c.number)
)
_newest = (
    select(list_orders.c.id)
    .where(_own, list_orders.c.number == 0)
    .order_by(list_orders.c.created_at.desc(), list_orders.c.id.desc())
    .limit(bindparam("kept"))
)
_delete_others = delete(list_orders).where(_own, list_orders.c.id.not_in(_newest))
_delete_old = delete_before(list_orders.c.created_at)


async def insert(tx: WriteTransaction, user_id: int, order_id: str, keys: Sequence[int], now: Instant) -> None:
    """Store an order that is not empty, in place of those that have expired and of the caller's oldest ones."""
    parts = [keys[first : first + PART] for first in range(0, len(keys), PART)]
    rows = [
        (user_id, order_id, number, msgspec.json.encode(part).decode(), len(keys), now) for number, part in enumerate(parts)
    ]
    await tx.write_rows((_insert, rows))
    await tx.run(_delete_others, of_user=user_id, kept=KEPT)
    # As many parts as were added, and some more.
    for _ in range(len(parts) // 100 + 1):
        await tx.run(_delete_old, before=now - LIFETIME)


async def read(
    tx: ReadTransaction, user_id: int, order_id: str, *, offset: int, limit: int, now: Instant
) -> tuple[list[int], int] | None:
    """Return the keys of some positions of an order, and how many it has in all; None if it is no longer stored."""
    first, last = offset // PART, (offset + limit - 1) // PART
    found = await tx.all(_parts, of_user=user_id, order_id=order_id, first=first, last=last)
    if not found or found[0]["created_at"] < now - LIFETIME:
        return None
    keys = [key for row in found for key in _decode(row["keys"])]
    start = offset - first * PART
    return keys[start : start + limit], found[0]["size"]
