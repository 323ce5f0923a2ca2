"""Retention runs as a row: one goes on at a time, and the last one is told."""

from typing import NamedTuple

import msgspec
from sqlalchemy import bindparam, or_, select, update

from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.dialects import insert
from headway.instants import Instant
from headway.privacy.tables import retention_runs as _table

_at = _table.c.claimed_until.type
_last = select(_table.c.finished_at, _table.c.removed).where(_table.c.finished_at.is_not(None))
_is_free = or_(
    _table.c.claimed_by.is_(None),
    _table.c.claimed_by == bindparam("run"),
    _table.c.claimed_until <= bindparam("now", type_=_at),
)
_claim = (
    insert(_table)
    .values(id=1, claimed_by=bindparam("run"), claimed_until=bindparam("until", type_=_at))
    .on_conflict_do_update(
        index_elements=["id"],
        set_={"claimed_by": bindparam("run"), "claimed_until": bindparam("until", type_=_at)},
        where=_is_free,
    )
)
_finish = (
    update(_table)
    .where(_table.c.claimed_by == bindparam("run"))
    .values(claimed_by=None, claimed_until=None, finished_at=bindparam("at", type_=_at), removed=bindparam("what"))
)
_decode = msgspec.json.Decoder(dict[str, int]).decode


class LastRun(NamedTuple):
    """When the last run ended, and how much of what it removed."""

    finished_at: Instant
    removed: dict[str, int]


async def claim(tx: WriteTransaction, run: str, now: Instant, until: Instant) -> bool:
    """Claim the right to run until an instant, or keep it; return False while another run has it."""
    return await tx.run(_claim, run=run, now=now, until=until) > 0


async def finish(tx: WriteTransaction, run: str, now: Instant, removed: dict[str, int]) -> None:
    """End the claim of a run, and store what it did."""
    await tx.run(_finish, run=run, at=now, what=msgspec.json.encode(removed).decode())


async def read_last(tx: ReadTransaction) -> LastRun | None:
    """Return the last run that ended."""
    row = await tx.first(_last)
    return None if row is None else LastRun(row["finished_at"], _decode(row["removed"]))
