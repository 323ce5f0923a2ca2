"""The numbered changes of accounts, by which server processes forget what they cache of an account that changed."""

import asyncio
from collections.abc import Callable, Collection
from typing import TypeAlias

from sqlalchemy import bindparam, delete, select

from headway.db.database import Database, WriteTransaction
from headway.db.dialects import insert
from headway.db.tables import account_changes, revisions
from headway.instants import SECOND, Clock, Instant

OnChange: TypeAlias = Callable[[Collection[int] | None], None]
"""Gets the ids of the accounts that changed; None if it can be any."""

_FRESH_FOR = SECOND
_KEPT = 10_000
"""How many changes are kept: a process that has not looked for longer forgets all accounts."""

_grow = (
    insert(revisions)
    .values(name="accounts", revision=1)
    .on_conflict_do_update(index_elements=[revisions.c.name], set_={"revision": revisions.c.revision + 1})
    .returning(revisions.c.revision)
)
_insert = insert(account_changes).values(revision=bindparam("number"), user_id=bindparam("of_user"))
_delete_old = delete(account_changes).where(account_changes.c.revision <= bindparam("oldest"))
_newest_first = (
    select(account_changes.c.revision, account_changes.c.user_id)
    .where(account_changes.c.revision >= bindparam("known"))
    .order_by(account_changes.c.revision.desc())
    .limit(_KEPT + 1)
)

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
    """The changes of accounts as this process knows them: its own at once, those of others after a second at most."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known = 0
        """The number of the newest change that this process has read."""
        self._looked_at: Instant | None = None
        self._looking = asyncio.Lock()
        self._listeners: list[OnChange] = []

    def listen(self, listener: OnChange) -> None:
        """Call `listener` after each commit of this process that changes an account, and when others turn out to have."""
        self._listeners.append(listener)

    async def record(self, tx: WriteTransaction, user_id: int) -> None:
        """Notify all listeners of a change of an account or its rights: here at the commit, elsewhere within two seconds.

        Until the commit others who record one wait, so a number that can be read has no smaller one to come.
        """
        number = (await tx.one(_grow))["revision"]
        await tx.run(_insert, number=number, of_user=user_id)
        await tx.run(_delete_old, oldest=number - _KEPT)
        tx.after_commit(lambda: self._notify([user_id]))

    async def catch_up(self) -> None:
        """Notify the listeners of what others changed, unless that was done less than a second ago. Raises Unavailable."""
        if not self._is_fresh():
            # Others wait for the one that looks: what they know may be stale.
            async with self._looking:
                if not self._is_fresh():
                    await self._look()

    def _is_fresh(self) -> bool:
        return self._looked_at is not None and 0 <= self._clock() - self._looked_at < _FRESH_FOR

    async def _look(self) -> None:
        now = self._clock()
        async with self._database.read(single_statement=True) as tx:
            found = [(row["revision"], row["user_id"]) for row in await tx.all(_newest_first, known=self._known)]
        newest, oldest = (found[0][0], found[-1][0]) if found else (0, 0)
        # The change that was known is among those found, unless others were deleted, or the database is a restored one.
        is_complete = oldest <= self._known + 1 and newest >= self._known
        changed = {user_id for number, user_id in found if number > self._known}
        self._known, self._looked_at = newest, now
        if changed or not is_complete:
            self._notify(changed if is_complete else None)

    def _notify(self, user_ids: Collection[int] | None) -> None:
        for listener in self._listeners:
            listener(user_ids)


async def prove_write(tx: WriteTransaction) -> None:
    """Write numbers that nothing follows from. They change: SQLite writes no page whose content stays the same."""
    await tx.run(_prove)
