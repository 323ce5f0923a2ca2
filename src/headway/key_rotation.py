"""Key rotation: encrypts all encrypted columns with the newest key, while servers run.

Texts under personal keys stay as they are: the keys are encrypted anew. What is of somebody with an account, and was written
before there were personal keys, is moved under them.
"""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from sqlalchemy import Column, Select, Table, bindparam, func, select, tuple_

from headway.accounts import registrations_store as registrations
from headway.accounts import store as users
from headway.audit.model import Action, Target, TargetType
from headway.audit.service import AuditRecorder
from headway.db import index_keys
from headway.db.database import Database, ReadTransaction, Row, WriteTransaction
from headway.db.dialects import UpdateRows
from headway.db.personal_keys import PERSONAL, texts_for
from headway.db.types import ENCRYPTED_ROWS, PEOPLE, PeopleOf
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
        self._key_names = [each.name for each in key]
        self._after_names = [f"after_{each.name}" for each in key]
        self._people: PeopleOf | None = column.info[PEOPLE]
        condition = [column.is_not(None), column.info[ENCRYPTED_ROWS](table)]
        if self._people is not None:
            condition += [column.not_like(PERSONAL), column != ""]
        self._count = select(func.count().label("count")).select_from(table).where(*condition)
        others = [each for each in table.c if each is not column and each not in key]
        in_order = select(*key, *(others if self._people is not None else ()), column).where(*condition).order_by(*key)
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
                await tx.write_rows((self._update, await self._encrypt(tx, page)))
            if not page:
                return
            yield len(page)
            after = self._key_of(page[-1])

    async def _encrypt(self, tx: WriteTransaction, page: Sequence[Row]) -> list[tuple[Any, ...]]:
        """Return the rows to write: each text under the keys of its people, or else under the newest key."""
        name, keyring = self.place[1], tx.keyring
        if self._people is None:
            old = [row for row in page if not keyring.is_newest(row[name])]
            return [(keyring.encrypt(keyring.decrypt(row[name])), *self._key_of(row)) for row in old]
        people_of = self._people
        texts = [keyring.decrypt(row[name]) for row in page]
        people = [people_of(row, text) for row, text in zip(page, texts, strict=True)]
        personal = await texts_for(tx, {each for some in people for each in some})
        return [
            (personal.encrypt_about(text, some), *self._key_of(row))
            for row, text, some in zip(page, texts, people, strict=True)
            if some or not keyring.is_newest(row[name])
        ]

    def _key_of(self, row: Row) -> list[Any]:
        return [row[name] for name in self._key_names]

    async def _page(self, tx: WriteTransaction, after: Sequence[Any] | None) -> Sequence[Row]:
        if after is None:
            return await tx.all(self._first_page)
        return await tx.all(self._next_page, **dict(zip(self._after_names, after, strict=True)))


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
        await registrations.rehash(tx, key)
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
