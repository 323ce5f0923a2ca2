"""Revision numbers that invalidate what server processes cache in memory."""

import asyncio
from collections.abc import Callable, Mapping

from sqlalchemy import bindparam, or_, select

from headway.db.database import Database, WriteTransaction
from headway.db.dialects import insert
from headway.db.tables import revisions
from headway.instants import SECOND, Clock, Instant

ACCOUNTS = "accounts"
SESSIONS = "sessions"
STAFF = "staff"

_NAMES = (ACCOUNTS, SESSIONS, STAFF)
_FRESH_FOR = SECOND

_all = select(revisions.c.name, revisions.c.revision).where(or_(*(revisions.c.name == name for name in _NAMES)))
_first = insert(revisions).values(name=bindparam("name"), revision=1)
_grow = _first.on_conflict_do_update(index_elements=[revisions.c.name], set_={"revision": revisions.c.revision + 1})

_PROOF_PAGES = 16
"""How many pages of SQLite a proof writes, which is more than an event does: small writes find room that others do not."""
_proof_names = [f"readiness {number:02} {'.' * 3_000}" for number in range(_PROOF_PAGES)]
"""Names so long that no two rows share a page of SQLite. PostgreSQL compresses them."""
_prove = (
    insert(revisions)
    .values([{"name": name, "revision": 1} for name in _proof_names])
    .on_conflict_do_update(index_elements=[revisions.c.name], set_={"revision": revisions.c.revision + 1})
)


class Revisions:
    """The revision numbers as this process knows them: at most a second old, and never older than its own last commit."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._numbers: Mapping[str, int] = {}
        self._read_at: Instant | None = None
        self._reading = asyncio.Lock()
        self._commits = 0
        self._listeners: list[Callable[[], None]] = []

    async def read(self) -> Mapping[str, int]:
        """Return the numbers by name; a missing one has never grown. Raises Unavailable.

        Until one of them grows, the same object is returned.
        """
        if not self._is_fresh():
            # Others wait for the one that reads: what they know may be stale.
            async with self._reading:
                if not self._is_fresh():
                    await self._look()
        return self._numbers

    async def grow(self, tx: WriteTransaction, name: str) -> None:
        """Invalidate what all server processes cache under this name: here at the commit, elsewhere within two seconds."""
        await tx.run(_grow, name=name)
        tx.after_commit(self._expire)

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each commit of this process that makes a number grow."""
        self._listeners.append(listener)

    def _is_fresh(self) -> bool:
        return self._read_at is not None and 0 <= self._clock() - self._read_at < _FRESH_FOR

    async def _look(self) -> None:
        now, commits = self._clock(), self._commits
        async with self._database.read(single_statement=True) as tx:
            newest = {row["name"]: row["revision"] for row in await tx.all(_all)}
        if newest != self._numbers:
            self._numbers = newest
        # What this process has committed meanwhile may not have been seen.
        self._read_at = now if commits == self._commits else None

    def _expire(self) -> None:
        self._commits += 1
        self._read_at = None
        for listener in self._listeners:
            listener()


async def prove_write(tx: WriteTransaction) -> None:
    """Write numbers that nothing follows from. They change: SQLite writes no page whose content stays the same."""
    await tx.run(_prove)
