"""What the use cases see of a database: read and write transactions, of different types so that a read cannot write.

Times are integers (milliseconds since 1970, UTC) on both sides of this interface, whatever the database stores.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeAlias, TypeVar

from prometheus_client import Counter, Histogram
from sqlalchemy import Table

from headway.db.dialects import Dialect, RowsStatement, RowValues, Statement, WriteRows
from headway.db.keyring import Keyring
from headway.errors import Unavailable
from headway.telemetry import Metrics

RowsToWrite: TypeAlias = tuple[RowsStatement, RowValues]
"""A statement that writes rows, with the rows."""
Kind = TypeVar("Kind", bound="ReadTransaction")
OnFirstKey: TypeAlias = Callable[["WriteTransaction"], Awaitable[None]]


class Row(Protocol):
    """One row of a result, by the name or the position of a column."""

    def __getitem__(self, key: str | int, /) -> Any:
        """Give a column's value."""

    def __iter__(self) -> Iterator[Any]:
        """Give all values in order."""


class ReadTransaction(ABC):
    """Statements that see one snapshot of the database."""

    def __init__(self, database: "Database") -> None:
        self._dialect = database.dialect
        self.keyring = database.keyring

    @abstractmethod
    async def all(self, statement: Statement, **given: Any) -> Sequence[Row]:
        """Run a statement and give all its rows. A set of rows is given as a list of tuples."""

    async def first(self, statement: Statement, **given: Any) -> Row | None:
        """Give the first row, or None."""
        found = await self.all(statement, **given)
        return found[0] if found else None

    async def one(self, statement: Statement, **given: Any) -> Row:
        """Give the only row of a statement that always has one."""
        (row,) = await self.all(statement, **given)
        return row


class WriteTransaction(ReadTransaction):
    """Statements that are committed together or not at all."""

    def __init__(self, database: "Database") -> None:
        super().__init__(database)
        self.on_first_key = database.on_first_key
        self._after_commit: list[Callable[[], None]] = []

    @abstractmethod
    async def run(self, statement: Statement, **given: Any) -> int:
        """Run a statement and say how many rows it touched."""

    @abstractmethod
    async def write_rows(self, *writes: RowsToWrite) -> None:
        """Write many rows, each statement's in the order of its columns; several statements, on different tables, at once."""

    @abstractmethod
    async def insert_new(self, statement: WriteRows, values: RowValues) -> set[tuple[Any, ...]]:
        """Insert the rows whose primary key is not there yet and give the keys of those.

        The key's columns must be the first ones of the statement. Safe against others that insert the same keys meanwhile.
        """

    @abstractmethod
    async def new_ids(self, table: Table, count: int) -> list[int]:
        """Give numbers that no row of a table has in its column `id`; see `id_sequence`."""

    @property
    @abstractmethod
    def shard(self) -> int:
        """A number that transactions which run at the same time rarely have in common."""

    @abstractmethod
    async def lock_course(self, course_id: int) -> None:
        """Wait until nobody records anything in a course, and keep others from it until the transaction ends."""

    @abstractmethod
    async def share_courses(self, course_ids: Collection[int]) -> None:
        """Keep everybody from changing these courses until the transaction ends, waiting for those who are at it."""

    @abstractmethod
    async def claim(self, name: str) -> bool:
        """Claim a name until the transaction ends; False if another transaction that is under way has it."""

    @abstractmethod
    async def announce(self, topics: Collection[str]) -> None:
        """Tell the listeners of all server processes, once this is committed, that there is something new in these topics."""

    def after_commit(self, action: Callable[[], None]) -> None:
        """Have something done once the transaction is committed, or may be: not if it is rolled back."""
        self._after_commit.append(action)

    def committed(self) -> None:
        """Do what was to be done after the commit; called by the database."""
        for action in self._after_commit:
            action()


class Database(ABC):
    """One of the two databases. It is opened in the event loop that uses it; a server's transactions are measured."""

    dialect: Dialect
    useful_writers: int
    """How many write transactions of one process get more done than one: they wait for the database in turn."""

    def __init__(self, dialect: Dialect, keyring: Keyring, metrics: Metrics | None = None) -> None:
        self.dialect = dialect
        self.keyring = keyring
        self.on_first_key: OnFirstKey = _do_nothing
        """Runs in the transaction that makes the first key of an index; see `index_keys.encrypting`."""
        self._metrics = metrics
        if metrics is not None:
            self._meters = {
                kind: (metrics.transaction_seconds.labels(kind), metrics.transactions_failed.labels(kind))
                for kind in ("read", "write")
            }
        self._whole: ContextVar[tuple[WriteTransaction, asyncio.Task[Any] | None] | None] = ContextVar("whole", default=None)
        self._listeners: list[Listener] = []

    @abstractmethod
    async def open(self) -> None:
        """Connect. Raises Unavailable if the database cannot be reached."""

    def read(self, *, is_single: bool = False) -> AbstractAsyncContextManager[ReadTransaction]:
        """Open a read-only snapshot. Raises Unavailable while the database cannot be reached.

        `is_single` says that one statement is run, which sees one snapshot by itself: that saves PostgreSQL two round trips.
        """
        whole = self._whole_of_task()
        return self._timed("read", self._read(is_single=is_single)) if whole is None else _part(whole, ())

    def write(self, *, in_courses: Collection[int] = ()) -> AbstractAsyncContextManager[WriteTransaction]:
        """Open a transaction, committed at the end of the block, rolled back if it raises.

        Until it ends nobody else changes the courses `in_courses`: whoever changes a course takes `lock_course` first.
        Raises Unavailable while the database cannot be reached, or cannot say whether it committed.
        """
        whole = self._whole_of_task()
        return self._timed("write", self._write(in_courses)) if whole is None else _part(whole, in_courses)

    @asynccontextmanager
    async def whole(self) -> AsyncIterator[WriteTransaction]:
        """Make one transaction of everything that this task reads and writes within the block."""
        async with self.write() as tx:
            token = self._whole.set((tx, asyncio.current_task()))
            try:
                yield tx
            finally:
                self._whole.reset(token)

    def listen(self, listener: "Listener") -> None:
        """Have `listener` called with the topics of each announcement, and with None if some may have been missed."""
        self._listeners.append(listener)

    @abstractmethod
    async def close(self) -> None:
        """Let go of all connections."""

    @abstractmethod
    def _read(self, *, is_single: bool) -> AbstractAsyncContextManager[ReadTransaction]: ...

    @abstractmethod
    def _write(self, in_courses: Collection[int]) -> AbstractAsyncContextManager[WriteTransaction]: ...

    def _timed(self, kind: str, transaction: AbstractAsyncContextManager[Kind]) -> AbstractAsyncContextManager[Kind]:
        return transaction if self._metrics is None else _timed(transaction, *self._meters[kind])

    def _tell(self, topics: Collection[str] | None) -> None:
        for listener in self._listeners:
            listener(topics)

    def _whole_of_task(self) -> WriteTransaction | None:
        # A task that was started within the block has the variable too, but outlives the transaction.
        tx, task = self._whole.get() or (None, None)
        return tx if task is not None and task is asyncio.current_task() else None


Listener: TypeAlias = Callable[[Collection[str] | None], None]


async def _do_nothing(_tx: WriteTransaction) -> None:
    """Stand in where the composition sets no hook."""


@asynccontextmanager
async def _timed(transaction: AbstractAsyncContextManager[Kind], seconds: Histogram, failed: Counter) -> AsyncIterator[Kind]:
    started = time.perf_counter()
    try:
        async with transaction as tx:
            yield tx
    except Unavailable:
        failed.inc()
        raise
    finally:
        seconds.observe(time.perf_counter() - started)


@asynccontextmanager
async def _part(whole: WriteTransaction, in_courses: Collection[int]) -> AsyncIterator[WriteTransaction]:
    await whole.share_courses(in_courses)
    yield whole
