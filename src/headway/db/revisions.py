"""Revision numbers that invalidate what server processes cache in memory."""

from sqlalchemy import bindparam, select

from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.dialects import insert
from headway.db.tables import revisions

ACCOUNTS = "accounts"
SESSIONS = "sessions"

_all = select(revisions.c.name, revisions.c.revision)
_first = insert(revisions).values(name=bindparam("name"), revision=1)
_grow = _first.on_conflict_do_update(index_elements=[revisions.c.name], set_={"revision": revisions.c.revision + 1})


async def read(tx: ReadTransaction) -> dict[str, int]:
    """Return the numbers by name; a missing one has never grown."""
    return {row["name"]: row["revision"] for row in await tx.all(_all)}


async def grow(tx: WriteTransaction, name: str) -> None:
    """Invalidate what all server processes cache under this name."""
    await tx.run(_grow, name=name)
