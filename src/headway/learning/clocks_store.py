"""The offsets of clients' clocks as rows: a row only for clocks of which some report deviates, for 30 days."""

from collections.abc import Mapping
from typing import TypeAlias

from sqlalchemy import Text, and_, select

from headway.db.database import WriteTransaction
from headway.db.dialects import WriteRows, delete_before, lookup, rows
from headway.db.types import Id
from headway.instants import DAY, Instant, Milliseconds
from headway.learning.tables import client_clocks

ClockKey: TypeAlias = tuple[int, str]
"""(user_id, session_id), an empty session for all reports without one."""

_MEMORY = 30 * DAY

_insert = WriteRows(client_clocks, ["user_id", "session_id", "offset_ms", "learned_at"])
_keys = rows("keys", {"user_id": Id, "session_id": Text()})
_by_key = and_(client_clocks.c.user_id == _keys.c.user_id, client_clocks.c.session_id == _keys.c.session_id)
_known = select(*list(client_clocks.c)[:3]).select_from(lookup(_keys, client_clocks, _by_key))
_forget = delete_before(client_clocks.c.learned_at)


async def learn(tx: WriteTransaction, offsets: Mapping[ClockKey, Milliseconds], now: Instant) -> dict[ClockKey, Milliseconds]:
    """Store the offsets of clocks that are not known yet, and return those that are stored: the first of a clock stays."""
    learned = await tx.insert_new(_insert, [(*key, offset, now) for key, offset in sorted(offsets.items())])
    known = sorted(offsets.keys() - learned)
    found = await tx.all(_known, keys=known) if known else ()
    if learned:
        await tx.run(_forget, before=now - _MEMORY)
    return {**offsets, **{(row["user_id"], row["session_id"]): row["offset_ms"] for row in found}}
