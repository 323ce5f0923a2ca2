"""Key rotation: encrypts all encrypted columns with the newest key, while servers run."""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from sqlalchemy import Column, Select, Table, bindparam, func, select, tuple_

from headway.accounts import store as users
from headway.audit.model import Action, Target, TargetType
from headway.audit.service import AuditRecorder
from headway.db import index_keys
from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.db.dialects import UpdateRows
from headway.db.types import ENCRYPTED_ROWS
from headway.enrollments import invitations_store as invitations
from headway.schema import metadata

Advance = Callable[[int, int], None]
"""A function called with the number of encrypted texts so far and the number of all texts."""
_ROWS_PER_TRANSACTION = 500


class EncryptedColumn:
    """An encrypted column of a table."""

    def __init__(self, table: Table, column: Column[str]) -> None:
        self.place = table.name, column.name
        key = list(table.primary_key)
        self._after_names = [f"after_{each.name}" for each in key]
        condition = (column.is_not(None), column.info[ENCRYPTED_ROWS](table))
        self._count = select(func.count().label("count")).select_from(table).where(*condition)
        in_order = select(*key, column).where(*condition).order_by(*key)
        self._first_page: Select[Any] = in_order.limit(_ROWS_PER_TRANSACTION).with_for_update()
        after = tuple_(*(bindparam(name, type_=each.type) for name, each in zip(self._after_names, key, strict=True)))
        self._next_page = self._first_page.where(tuple_(*key) > after)
        self._update = UpdateRows(table, [column.name])

    async def count(self, tx: ReadTransaction) -> int:
        """Count its encrypted texts."""
        return int((await tx.one(self._count))["count"])

    async def rotate(self, database: Database) -> AsyncIterator[int]:
        """Encrypt its texts with the newest key, one page in each transaction. Yield the number of rows of each page."""
        after: Sequence[Any] | None = None
        while True:
            async with database.write() as tx:
                page = await self._page(tx, after)
                keyring = tx.keyring
                old = [row for row in page if not keyring.is_newest(row[-1])]
                await tx.write_rows((self._update, [(keyring.encrypt(keyring.decrypt(row[-1])), *row[:-1]) for row in old]))
            if not page:
                return
            yield len(page)
            after = page[-1][:-1]

    async def _page(self, tx: WriteTransaction, after: Sequence[Any] | None) -> list[tuple[Any, ...]]:
        if after is None:
            return [tuple(row) for row in await tx.all(self._first_page)]
        return [tuple(row) for row in await tx.all(self._next_page, **dict(zip(self._after_names, after, strict=True)))]


def encrypted_columns() -> list[EncryptedColumn]:
    """List the encrypted columns of all rooms."""
    tables = metadata.sorted_tables
    return [EncryptedColumn(table, column) for table in tables for column in table.c if ENCRYPTED_ROWS in column.info]


async def rotate_keys(database: Database, audit: AuditRecorder, *, advance: Advance = lambda _done, _all: None) -> int:
    """Encrypt all texts with the newest key, replace the key of e-mail hashes, and sign the audit log with the newest key.

    All servers must have the new key already, as the first of their keys. To continue an interrupted rotation, run it
    again: it skips texts that are encrypted with the newest key. Return the number of texts. Raises Unavailable, WrongKeyError.
    """
    key = secrets.token_urlsafe(32)
    async with database.read() as tx:
        await index_keys.prove(tx)
        hashes = await users.hash_addresses(tx, key)
        invited = await invitations.hash_addresses(tx, key)
    async with database.write() as tx:
        await users.find_addresses_under(tx, key, hashes)
        await invitations.find_addresses_under(tx, key, invited)
    columns = encrypted_columns()
    async with database.read() as tx:
        total = sum([await column.count(tx) for column in columns])
    done = 0
    for column in columns:
        async for count in column.rotate(database):
            done += count
            advance(min(done, total), total)
    async with database.write() as tx:
        await audit.record_as_operator(tx, Action.ROTATE_KEYS, Target(TargetType.SYSTEM), metadata={"texts": done})
    return done
