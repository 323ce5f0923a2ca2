"""Everything that is stored encrypted, to be encrypted anew with another key."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, bindparam, func, or_, select, tuple_

from headway.accounts.tables import users
from headway.assessments.tables import submissions
from headway.audit.tables import audit_entries
from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.db.dialects import UpdateRows
from headway.feed.model import PERSONAL
from headway.feed.tables import feed
from headway.idempotency.tables import idempotency_keys
from headway.messaging.tables import messages

_AT_ONCE = 500


class Texts:
    """A column of encrypted texts."""

    def __init__(self, table: Table, column: str, *where: ColumnElement[bool]) -> None:
        self.place = table.name, column
        key = list(table.primary_key)
        self._keys = [f"after_{each.name}" for each in key]
        chosen = [table.c[column].is_not(None), *where]
        self._count = select(func.count().label("count")).select_from(table).where(*chosen)
        self._first: Select[Any] = select(*key, table.c[column]).where(*chosen).order_by(*key).limit(_AT_ONCE).with_for_update()
        after = tuple_(*(bindparam(name, type_=each.type) for name, each in zip(self._keys, key, strict=True)))
        self._next = self._first.where(tuple_(*key) > after)
        self._update = UpdateRows(table, [column])

    async def count(self, tx: ReadTransaction) -> int:
        """Count them."""
        return int((await tx.one(self._count))["count"])

    async def rotate(self, database: Database) -> AsyncIterator[int]:
        """Encrypt them with the first key, some in each transaction; give how many were looked at in each."""
        last: Sequence[Any] | None = None
        while True:
            async with database.write() as tx:
                found = await self._page(tx, last)
                keyring = tx.keyring
                old = [row for row in found if not keyring.is_newest(row[-1])]
                await tx.write_rows((self._update, [(keyring.encrypt(keyring.decrypt(row[-1])), *row[:-1]) for row in old]))
            if not found:
                return
            yield len(found)
            last = found[-1][:-1]

    async def _page(self, tx: WriteTransaction, last: Sequence[Any] | None) -> list[tuple[Any, ...]]:
        if last is None:
            return [tuple(row) for row in await tx.all(self._first)]
        return [tuple(row) for row in await tx.all(self._next, **dict(zip(self._keys, last, strict=True)))]


TEXTS = (
    Texts(users, "email"),
    Texts(messages, "message"),
    Texts(submissions, "feedback"),
    Texts(idempotency_keys, "answer"),
    Texts(feed, "data", or_(*(feed.c.type == kind.value for kind in sorted(PERSONAL)))),
    Texts(audit_entries, "content"),
)
"""All of them, but for the key of addresses, which is replaced."""
