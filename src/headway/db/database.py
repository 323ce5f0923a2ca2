"""The interface of a database: read and write transactions, of different types so that a read cannot write.

Times are integers (milliseconds since 1970, UTC) on both sides of this interface, whatever the database stores.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, TypeAlias, TypeVar

from prometheus_client import Counter, Histogram
from sqlalchemy import Table

from headway.db.dialects import Dialect, RowsStatement, RowValues, Statement, WriteRows
from headway.db.keyring import Keyring
from headway.db.known_keys import KnownKeys
from headway.errors import Raced, Unavailable
from headway.telemetry import Metrics

RowsToWrite: TypeAlias = tuple[RowsStatement, RowValues]
"""A statement that writes rows, with the rows."""
Kind = TypeVar("Kind", bound="ReadTransaction")
OnFirstKey: TypeAlias = Callable[["WriteTransaction"], Awaitable[None]]
OnDisclosed: TypeAlias = Callable[[Sequence[Any]], Awaitable[None]]
Outbox: TypeAlias = Callable[["WriteTransaction", Sequence[Any]], Awaitable[None]]
Listener: TypeAlias = Callable[[str | None], None]


class Row(Protocol):
    """One row of a result, by the name or the position of a column."""

    def __getitem__(self, key: str | int, /) -> Any:
        """Return a column's value."""

    def __iter__(self) -> Iterator[Any]:
        """Iterate over all values in order."""


class ReadTransaction(ABC):
    """Statements that see one snapshot of the database."""

    def __init__(self, database: "Database") -> None:
        self._dialect = database.dialect
        self.keyring = database.keyring
        self.disclosed: list[Any] = []
        self.known_keys = database.known_keys
        self.keys_as_of = database.known_keys.changes
        self.own_keys: dict[int, bytes] = {}
        """The personal keys that this transaction has made."""

    @abstractmethod
    async def all(self, statement: Statement, **params: Any) -> Sequence[Row]:
        """Run a statement and return all its rows. Pass a set of rows as a list of tuples."""

    def disclose(self, disclosed: object) -> None:
        """Note that what is read here is shown to somebody: the database is told after the read, before the result is used."""
        self.disclosed.append(disclosed)

    async def first(self, statement: Statement, **params: Any) -> Row | None:
        """Return the first row, or None."""
        found = await self.all(statement, **params)
        return found[0] if found else None

    async def one(self, statement: Statement, **params: Any) -> Row:
        """Return the only row of a statement that always has one."""
        (row,) = await self.all(statement, **params)
        return row


class WriteTransaction(ReadTransaction):
    """Statements that are committed together or not at all."""

    def __init__(self, database: "Database") -> None:
        super().__init__(database)
        self.on_first_key = database.on_first_key
        self._outbox = database.outbox
        self._announced: list[object] = []
        self._after_commit: list[Callable[[], None]] = []

    def disclose(self, disclosed: object) -> None:
        """Note nothing: what is read here is for a change, which is recorded itself."""

    @abstractmethod
    async def run(self, statement: Statement, **params: Any) -> int:
        """Run a statement and return the number of rows that it changed."""

    @abstractmethod
    async def write_rows(self, *writes: RowsToWrite, new: tuple[WriteRows, RowValues] | None = None) -> None:
        """Write rows with several statements at once, none of which sees another's; no two may write the same row.

        Each row has its statement's columns in order. The keys of the rows `new` do not exist, as far as the caller has seen.
        Raises Raced if one exists by now.
        """

    @abstractmethod
    async def insert_new(self, statement: WriteRows, values: RowValues) -> set[tuple[Any, ...]]:
        """Insert the rows whose primary key does not exist yet, and return their keys.

        The key's columns must be the first ones of the statement. Safe against concurrent inserts of the same keys.
        """

    @abstractmethod
    async def new_ids(self, table: Table, count: int) -> list[int]:
        """Return unused numbers for the column `id` of a table; see `id_sequence`."""

    @property
    @abstractmethod
    def shard(self) -> int:
        """A small number that concurrent transactions rarely share."""

    @abstractmethod
    async def lock_course(self, course_id: int) -> None:
        """Lock a course against recording until the transaction ends, waiting for those who record now."""

    @abstractmethod
    async def share_course_locks(self, course_ids: Collection[int]) -> None:
        """Lock these courses against changes until the transaction ends, waiting for those who change them now."""

    @abstractmethod
    async def try_lock(self, name: str) -> bool:
        """Lock a name until the transaction ends, without waiting; return False if another open transaction holds it."""

    @abstractmethod
    async def lock_names(self, names: Collection[str]) -> None:
        """Lock names until the transaction ends, in their order, waiting for other open transactions that hold one."""

    @abstractmethod
    async def notify(self, payloads: Sequence[str]) -> None:
        """Pass payloads of up to 7,999 bytes to the listeners of all server processes after the commit, in order of commits."""

    def announce(self, *happened: object) -> None:
        """Pass what happened to the outbox of the database before the commit: in order, at once, and only if it commits."""
        self._announced += happened

    async def pass_on(self) -> None:
        """Pass what was announced so far to the outbox now: so a transaction that changes very much need not remember all."""
        if self._announced:
            announced, self._announced = self._announced, []
            await self._outbox(self, announced)

    def after_commit(self, hook: Callable[[], None]) -> None:
        """Run a hook once the transaction is committed, or may be; never if it is rolled back."""
        self._after_commit.append(hook)

    def run_after_commit_hooks(self) -> None:
        """Run the hooks of `after_commit`; called by the database."""
        for hook in self._after_commit:
            hook()


class Database(ABC):
    """A database, opened in the event loop that uses it. With metrics, its transactions are measured."""

    dialect: Dialect

    def __init__(self, dialect: Dialect, keyring: Keyring, metrics: Metrics | None = None) -> None:
        self.dialect = dialect
        self.keyring = keyring
        self.known_keys = KnownKeys()
        self.on_first_key: OnFirstKey = _do_nothing
        """Runs in the transaction that makes the first key of an index; see `index_keys.encrypting`."""
        self.outbox: Outbox = _drop
        """Stores what a transaction announces, within it."""
        self.on_disclosed: OnDisclosed = _forget
        """Stores what a read shows to whom, before whoever reads goes on."""
        self._metrics = metrics
        if metrics is not None:
            seconds, failed = metrics.transaction_seconds, metrics.transactions_failed
            self._meters = {kind: (seconds.labels(kind), failed.labels(kind)) for kind in ("read", "write")}
        self._listeners: list[Listener] = []
        self._writers: set[asyncio.Task[Any] | None] = set()
        """The tasks that have a write transaction open, or wait for one to begin."""

    @abstractmethod
    async def open(self) -> None:
        """Connect. Raises Unavailable if the database cannot be reached."""

    def read(self, *, single_statement: bool = False) -> AbstractAsyncContextManager[ReadTransaction]:
        """Open a read-only snapshot. Raises Unavailable while the database cannot be reached.

        With `single_statement` the caller runs one statement only: it sees one snapshot by itself, which saves PostgreSQL
        two round trips.
        """
        return self._then_disclosed(self._timed("read", self._read(single_statement=single_statement)))

    @asynccontextmanager
    async def write(self, *, in_courses: Collection[int] = ()) -> AsyncIterator[WriteTransaction]:
        """Open a transaction that commits at the end of the block and rolls back if the block raises.

        Until it ends nobody else changes the courses `in_courses`: whoever changes a course takes `lock_course` first.
        Raises Unavailable while the database cannot be reached, or cannot say whether it committed; RuntimeError if this
        task has a write transaction open already, because it would wait for itself.
        """
        task = asyncio.current_task()
        if task in self._writers:
            raise RuntimeError("This task has a write transaction open: pass it on instead of opening another.")
        self._writers.add(task)
        try:
            async with self._timed("write", self._write(in_courses)) as tx:
                yield tx
                await tx.pass_on()
        finally:
            self._writers.discard(task)

    def is_writing(self) -> bool:
        """Return whether this task has a write transaction open, or waits for one to begin."""
        return asyncio.current_task() in self._writers

    def listen(self, listener: Listener) -> None:
        """Call `listener` with the payload of each notification, and with None if some may have been missed."""
        self._listeners.append(listener)

    @abstractmethod
    async def look_for_others(self) -> None:
        """Call the listeners with None if others have committed without notifying this process. Raises Unavailable."""

    @abstractmethod
    async def close(self) -> None:
        """Close all connections."""

    @abstractmethod
    def _read(self, *, single_statement: bool) -> AbstractAsyncContextManager[ReadTransaction]: ...

    @abstractmethod
    def _write(self, in_courses: Collection[int]) -> AbstractAsyncContextManager[WriteTransaction]: ...

    def _timed(self, kind: str, transaction: AbstractAsyncContextManager[Kind]) -> AbstractAsyncContextManager[Kind]:
        return transaction if self._metrics is None else _timed(transaction, *self._meters[kind])

    @asynccontextmanager
    async def _then_disclosed(self, reading: AbstractAsyncContextManager[ReadTransaction]) -> AsyncIterator[ReadTransaction]:
        async with reading as tx:
            yield tx
        if tx.disclosed:
            await self.on_disclosed(tx.disclosed)

    def _notify_listeners(self, payload: str | None) -> None:
        for listener in self._listeners:
            listener(payload)


async def _forget(_disclosed: Sequence[Any]) -> None:
    """Stand in where nobody stores what is shown."""


async def _do_nothing(_tx: WriteTransaction) -> None:
    """Stand in where the composition sets no hook."""


async def _drop(_tx: WriteTransaction, _announced: Sequence[Any]) -> None:
    """Stand in where nobody is told of anything."""


@asynccontextmanager
async def _timed(transaction: AbstractAsyncContextManager[Kind], seconds: Histogram, failed: Counter) -> AsyncIterator[Kind]:
    started = time.perf_counter()
    try:
        async with transaction as tx:
            yield tx
    except Raced:
        raise
    except Unavailable:
        failed.inc()
        raise
    finally:
        seconds.observe(time.perf_counter() - started)
