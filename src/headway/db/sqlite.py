"""SQLite through the standard library: one file, one writer at a time, write-ahead log, every commit on the disk.

Statements take microseconds and run on the event loop's thread; what can block, waiting for another process's write and
waiting for the disk, runs in a thread of its own. A transaction with much to do lets others run between its statements.
"""

import asyncio
import fcntl
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Table, bindparam

from headway.db import dialects
from headway.db.database import Database, Listener, ReadTransaction, Row, RowsToWrite, WriteTransaction
from headway.db.dialects import RowValues, Statement, WriteRows, insert
from headway.db.keyring import Keyring
from headway.db.private_files import make_private, withdraw_rights_of_others
from headway.db.tables import revisions
from headway.errors import OperatorError, Unavailable
from headway.telemetry import Metrics

READERS = 4
_TURN_SECONDS = 0.005
_PRAGMAS = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -16000;
PRAGMA wal_autocheckpoint = 8000;
PRAGMA journal_size_limit = 67108864;
"""
_PRAGMAS_OF_COPIES = """
PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -16000;
"""
_OUTAGES = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
}
_DAMAGES = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


_first_ids = insert(revisions).values(name=bindparam("name"), revision=bindparam("count"))
_take_ids = _first_ids.on_conflict_do_update(
    index_elements=["name"], set_={"revision": revisions.c.revision + _first_ids.excluded.revision}
).returning(revisions.c.revision)


class FileInUseError(OperatorError):
    """Another server process owns the file."""


@contextmanager
def own(path: Path, *, wait_seconds: float = 0) -> Iterator[None]:
    """Lock the file for this process within the block, by whatever name it is known. Raises FileInUseError, OperatorError.

    Symbolic links and relative paths lead to the same lock beside the file. On Linux the file is locked too, which
    hard links and mounts share, and SQLite's own locks do not mind. This process must have no connection to it that
    outlives the block: closing the file ends the locks that SQLite holds on it.
    """
    file = path.resolve()
    lock = file.with_name(file.name + ".lock")
    with ExitStack() as owned:
        try:
            make_private(lock)
            handles = [owned.enter_context(lock.open("w"))]
            if sys.platform == "linux":
                make_private(file)
                handles.append(owned.enter_context(file.open("r")))
        except OSError as error:
            raise OperatorError(f"{path} cannot be used as a database: {error.strerror}") from error
        give_up = time.monotonic() + wait_seconds
        while not all(map(_try_lock, handles)):
            if time.monotonic() >= give_up:
                message = f"{path} is in use by another Headway server; one server process owns a SQLite file."
                raise FileInUseError(message)
            time.sleep(0.05)
        yield


def is_there(path: Path) -> bool:
    """Return whether there is a database, and not only the empty file that a lock has made. Raises OSError."""
    return path.exists() and path.stat().st_size > 0


def owner_of(path: Path) -> str | None:
    """Return which process owns a file, such as `process 123`; None if none does. Raises OSError."""
    file = path.resolve()
    lock = file.with_name(file.name + ".lock")
    if not lock.exists():
        return None
    with lock.open("r") as handle:
        if _try_lock(handle):
            return None
    # Linux tells who holds a lock, but for processes that it hides.
    inode, locks = f":{lock.stat().st_ino} ", Path("/proc/locks")
    lines = locks.read_text().splitlines() if locks.exists() else []
    found = [line.split()[4] for line in lines if "FLOCK" in line and inode in line and "->" not in line]
    return f"process {found[0]}" if found else "a process that cannot be seen"


def _try_lock(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def protect(path: Path) -> None:
    """Make the file its owner's only, with the log beside it; create it if there is none.

    SQLite creates the log with the mode of the file. What is wrong with the folder, SQLite says when it opens the file.
    """
    file = path.resolve()
    with suppress(OSError):
        make_private(file)
    for suffix in ("-wal", "-shm", "-journal"):
        withdraw_rights_of_others(file.with_name(file.name + suffix))


def connect(path: Path, *, timeout_seconds: float) -> sqlite3.Connection:
    """Open a connection whose transactions the caller begins and ends."""
    protect(path)
    connection = sqlite3.connect(
        path, timeout=timeout_seconds, isolation_level=None, check_same_thread=False, cached_statements=512
    )
    connection.executescript(_PRAGMAS)
    connection.row_factory = sqlite3.Row
    return connection


def connect_to_copy(path: Path) -> sqlite3.Connection:
    """Open a connection that only reads a file which nobody changes: nothing is written, nor are there files beside it."""
    url = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
    connection = sqlite3.connect(url, uri=True, isolation_level=None, check_same_thread=False)
    connection.executescript(_PRAGMAS_OF_COPIES)
    connection.row_factory = sqlite3.Row
    return connection


class SqliteReadTransaction(ReadTransaction):
    """A snapshot of the file."""

    def __init__(self, database: Database, connection: sqlite3.Connection) -> None:
        super().__init__(database)
        self._connection = connection
        self._took_turn_at = time.monotonic()

    async def _take_turns(self) -> None:
        """Yield to others on the event loop if this transaction has held it for long."""
        if time.monotonic() - self._took_turn_at > _TURN_SECONDS:
            await asyncio.sleep(0)
            self._took_turn_at = time.monotonic()

    async def all(self, statement: Statement, **params: Any) -> Sequence[Row]:
        """Run a statement and return all its rows."""
        await self._take_turns()
        compiled = self._dialect.compile(statement)
        return self._connection.execute(compiled.sql, compiled.bind(params)).fetchall()


class SqliteWriteTransaction(SqliteReadTransaction, WriteTransaction):
    """The one write transaction that is open."""

    def __init__(self, database: Database, connection: sqlite3.Connection, notify: Listener) -> None:
        super().__init__(database, connection)
        self._notify = notify

    async def run(self, statement: Statement, **params: Any) -> int:
        """Run a statement and return the number of rows that it changed."""
        await self._take_turns()
        compiled = self._dialect.compile(statement)
        return self._connection.execute(compiled.sql, compiled.bind(params)).rowcount

    async def write_rows(self, *writes: RowsToWrite, new: tuple[WriteRows, RowValues] | None = None) -> None:
        """Write each set of rows with one prepared statement; nobody else can have written meanwhile."""
        for statement, values in writes if new is None else (new, *writes):
            await self._take_turns()
            compiled = self._dialect.compile(statement)
            assert compiled.arrange is not None  # noqa: S101 - statements that write rows have it
            self._connection.executemany(compiled.sql, map(compiled.arrange, values))

    async def insert_new(self, statement: WriteRows, values: RowValues) -> set[tuple[Any, ...]]:
        """Insert the rows whose key does not exist yet; nobody else writes meanwhile, so a SELECT before is enough."""
        if not values:
            return set()
        width = len(statement.table.primary_key)
        keys = [row[:width] for row in values]
        known = {tuple(row) for row in await self.all(statement.keys_that_exist, keys=keys)}
        await self.write_rows((statement, [row for row, key in zip(values, keys, strict=True) if key not in known]))
        return set(keys) - known

    async def new_ids(self, table: Table, count: int) -> list[int]:
        """Count on from the last number that was taken."""
        if not count:
            return []
        last: int = (await self.one(_take_ids, name=f"ids of {table.name}", count=count))[0]
        return list(range(last - count + 1, last + 1))

    @property
    def shard(self) -> int:
        """Always 0: nobody else writes."""
        return 0

    async def lock_course(self, course_id: int) -> None:
        """Do nothing: nobody else writes while this transaction is open."""

    async def share_course_locks(self, course_ids: Collection[int]) -> None:
        """Do nothing: nobody else writes while this transaction is open."""

    async def try_lock(self, name: str) -> bool:
        """Return True: nobody else writes while this transaction is open."""
        return True

    async def lock_names(self, names: Collection[str]) -> None:
        """Do nothing: nobody else writes while this transaction is open."""

    async def notify(self, payloads: Sequence[str]) -> None:
        """Notify the listeners of this process after the commit; there is no other server process."""
        for payload in payloads:
            self.after_commit(partial(self._notify, payload))


class SqliteDatabase(Database):
    """A SQLite file with one connection for writing and several for reading; with `is_copy`, one that is only read."""

    def __init__(
        self,
        path: Path,
        keyring: Keyring,
        *,
        timeout_seconds: float,
        readers: int = READERS,
        metrics: Metrics | None = None,
        is_copy: bool = False,
    ) -> None:
        super().__init__(dialects.sqlite3(), keyring, metrics)
        self._path = path
        self._is_copy = is_copy
        self._reader_count = readers
        self._timeout_seconds = timeout_seconds
        self._free_readers = asyncio.Queue[sqlite3.Connection]()
        self._write_lock = asyncio.Lock()

    async def open(self) -> None:
        """Open the connections."""
        # In the threads of the event loop, a commit would wait for the bodies that they decode.
        self._thread = ThreadPoolExecutor(1, "sqlite")
        with _outages():
            self._writer = self._connect()
            self._seen_version = self._writer.execute("PRAGMA data_version").fetchone()[0]
            self._readers = [self._connect() for _ in range(self._reader_count)]
        for reader in self._readers:
            self._free_readers.put_nowait(reader)

    def _connect(self) -> sqlite3.Connection:
        if self._is_copy:
            return connect_to_copy(self._path)
        return connect(self._path, timeout_seconds=self._timeout_seconds)

    @asynccontextmanager
    async def _read(self, *, single_statement: bool) -> AsyncIterator[ReadTransaction]:
        connection = await self._free_readers.get()
        try:
            with _outages():
                if not single_statement:
                    connection.execute("BEGIN")
                yield SqliteReadTransaction(self, connection)
        finally:
            if connection.in_transaction:
                connection.rollback()
            self._free_readers.put_nowait(connection)

    @asynccontextmanager
    async def _write(self, in_courses: Collection[int]) -> AsyncIterator[WriteTransaction]:
        async with self._write_lock:
            with _outages():
                transaction = SqliteWriteTransaction(self, self._writer, self._notify_listeners)
                is_ending = False
                try:
                    await self._begin()
                    # Before this transaction is told: whoever hears of it must have read what others changed.
                    self._notice_others()
                    yield transaction
                    is_ending = True
                    await in_thread(self._writer.commit, self._thread)
                finally:
                    if self._writer.in_transaction:
                        self._writer.rollback()
                    elif is_ending:
                        transaction.run_after_commit_hooks()

    async def look_for_others(self) -> None:
        """Call the listeners with None if another process has committed."""
        async with self._write_lock:
            with _outages():
                self._notice_others()

    def _notice_others(self) -> None:
        # This number changes when another connection than the writer commits.
        version = self._writer.execute("PRAGMA data_version").fetchone()[0]
        if version != self._seen_version:
            self._seen_version = version
            self._notify_listeners(None)

    async def _begin(self) -> None:
        # Nearly always nobody else is writing: then there is nothing to wait for, and no thread is needed.
        self._writer.execute("PRAGMA busy_timeout = 0")
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
        else:
            return
        self._writer.execute(f"PRAGMA busy_timeout = {int(self._timeout_seconds * 1000)}")
        await in_thread(lambda: self._writer.execute("BEGIN IMMEDIATE"), self._thread)

    async def close(self) -> None:
        """Close all connections; the last one folds the write-ahead log into the file."""
        async with self._write_lock:
            for connection in (*self._readers, self._writer):
                connection.close()
            self._thread.shutdown()


class _outages:  # noqa: N801 - reads as a word in a with statement
    """Raise Unavailable for what an operator can mend: another process writes, the disk is full, the file is damaged."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        # Faults of a connection's use have no code of SQLite's.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF if isinstance(error, sqlite3.DatabaseError) else 0
        if code in _OUTAGES:
            raise Unavailable("The database cannot be written now.", retry_after_seconds=2) from error
        if code in _DAMAGES:
            raise Unavailable("The database file is damaged.", retry_after_seconds=60) from error


async def in_thread(blocking: Callable[[], object], thread: Executor) -> None:
    """Run a blocking call in a thread; a caller waits for its end, however often it is cancelled, and is cancelled then."""
    call = asyncio.get_running_loop().run_in_executor(thread, blocking)
    cancellation: asyncio.CancelledError | None = None
    while not call.done():
        try:
            await asyncio.wait([call])
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is not None:
        raise cancellation from call.exception()
    call.result()
