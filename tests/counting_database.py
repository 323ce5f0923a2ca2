"""A database that counts the statements of its reads."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from headway.db.database import Database, ReadTransaction, Row
from headway.db.dialects import Statement


class CountingDatabase:
    """Stands before a database, and counts the statements of short reads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.statements = 0

    def __getattr__(self, name: str) -> Any:
        """Give everything else as it is, also write transactions."""
        return getattr(self._database, name)

    @asynccontextmanager
    async def read(self, *, single_statement: bool = False) -> AsyncIterator[ReadTransaction]:
        async with self._database.read(single_statement=single_statement) as tx:
            yield _CountingTransaction(self, tx)


class _CountingTransaction(ReadTransaction):
    def __init__(self, counted: CountingDatabase, tx: ReadTransaction) -> None:
        self._counted, self._tx, self.keyring = counted, tx, tx.keyring
        self.known_keys, self.own_keys, self.keys_as_of = tx.known_keys, tx.own_keys, tx.keys_as_of
        self.disclosed = tx.disclosed

    async def all(self, statement: Statement, **given: Any) -> Sequence[Row]:
        self._counted.statements += 1
        return await self._tx.all(statement, **given)
