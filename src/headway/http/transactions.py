"""The transaction of a request: opened here and nowhere else, and committed before the response is sent."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from enum import Enum

from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.idempotency.model import RequestKey, StoredResponse
from headway.idempotency.service import Idempotency


class TransactionKind(Enum):
    """Which transaction a route's handler gets."""

    READ = "read"
    WRITE = "write"


READ, WRITE = TransactionKind.READ, TransactionKind.WRITE


class Transactions:
    """Opens the transactions of requests."""

    def __init__(self, database: Database, idempotency: Idempotency) -> None:
        self._database = database
        self.idempotency = idempotency

    def read(self, *, single_statement: bool = False) -> AbstractAsyncContextManager[ReadTransaction]:
        """Open a read-only snapshot; `single_statement` saves PostgreSQL two round trips where one statement is run."""
        return self._database.read(single_statement=single_statement)

    def write(self) -> AbstractAsyncContextManager[WriteTransaction]:
        """Open a write transaction, committed at the end of the block."""
        return self._database.write()

    async def once(
        self, key: RequestKey, act: Callable[[WriteTransaction], Awaitable[StoredResponse]]
    ) -> tuple[StoredResponse, bool]:
        """Act in a write transaction that stores the response, or return the stored one and True.

        Raises KeyReused if the key belongs to another request, Conflict IDEMPOTENCY_KEY_IN_USE while the request is in flight.
        """
        async with self.read(single_statement=True) as snapshot:
            stored = await self.idempotency.find(snapshot, key)
        if stored is not None:
            return stored, True
        with self.idempotency.reserve(key):
            async with self.write() as tx:
                return await self.idempotency.once(tx, key, act)
