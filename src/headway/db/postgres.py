"""PostgreSQL through asyncpg: a pool of connections that are replaced when the server went away."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, cast

import asyncpg
from sqlalchemy import Table

from headway.db import dialects
from headway.db.database import Database, ReadTransaction, Row, RowsToWrite, WriteTransaction
from headway.db.dialects import RowValues, Statement, WriteRows
from headway.db.keyring import Keyring
from headway.errors import Raced, Unavailable
from headway.telemetry import Metrics

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:  # the classes are generic for type checkers only
    Connection, Pool = asyncpg.Connection, asyncpg.Pool

_EPOCH_2000 = 946_684_800_000
"""PostgreSQL counts microseconds from 2000-01-01."""

_OUTAGES = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InternalClientError,
)
_COURSE_LOCKS = 0x4865
"""The first key of the advisory locks on courses; it keeps them apart from other advisory locks."""
_SHARDS = 16
_IDS_AT_ONCE = 1_000
_SESSION = {"application_name": "headway", "timezone": "UTC", "standard_conforming_strings": "on"}
"""Settings of every connection, whatever those of the server, the database or the user are."""
_CHANNEL = "headway_feed"
_LISTEN_AGAIN_SECONDS = 1.0
_PROBE_EVERY_SECONDS = 2.0
_PLANNED_AGAIN_SECONDS = 60
"""How long a connection keeps a statement with its plan. Of two indexes that cost the same while a table is nearly empty, the
worse one is not used for longer than that."""
_STATEMENTS_KEPT = 300
"""Of each connection. Requests run more than the driver's 100."""


class Planner(Enum):
    """How PostgreSQL plans the statements of a pool's connections.

    Neither compiles statements to machine code (`jit`): that takes longer than nearly all of them run.
    """

    LOOKS_UP = MappingProxyType(
        {
            "plan_cache_mode": "force_generic_plan",
            "enable_seqscan": "off",
            "enable_hashjoin": "off",
            "enable_mergejoin": "off",
            "max_parallel_workers_per_gather": "0",
            "jit": "off",
        }
    )
    """For short transactions, which look rows up by key.

    A plan is made once for each connection, because planning takes longer than running it. So it must be as good for millions
    of rows as for the few that there are now, for which reading the whole table would be cheaper: what reads whole tables is
    off, also for the checks of foreign keys. Where there is no index the table is read all the same.
    """
    IS_FREE = MappingProxyType({"plan_cache_mode": "auto", "jit": "off"})
    """For what reads much: lists, statistics, commands.

    A statement is planned for its parameters, until a plan for any turns out to be as cheap.
    """


class _Connection(asyncpg.Connection):
    """A connection that returns to the pool without a reset: every transaction ends where it began."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.spare_ids: defaultdict[str, deque[int]] = defaultdict(deque)
        """Numbers that were taken from the sequences of tables and are not used yet.

        They end with the connection: a server that crashed, or the one that takes its place, may give them out again.
        """

    async def reset(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncpg's signature
        """Do nothing."""


async def connect(database_url: str, *, timeout_seconds: float) -> Connection:
    """Open a single connection outside the pool."""
    return await asyncpg.connect(database_url, timeout=timeout_seconds, connection_class=_Connection)


async def speak_milliseconds(connection: Connection) -> None:
    """Exchange instants with a connection for `timestamptz`."""
    await connection.set_type_codec(
        "timestamptz",
        schema="pg_catalog",
        encoder=lambda instant: ((instant - _EPOCH_2000) * 1000,),
        decoder=lambda parts: parts[0] // 1000 + _EPOCH_2000,
        format="tuple",
    )


class PostgresReadTransaction(ReadTransaction):
    """A snapshot of the database."""

    def __init__(self, database: Database, connection: Connection) -> None:
        super().__init__(database)
        self._connection = connection

    async def commit(self) -> None:
        """Commit. Raises RuntimeError where a statement had failed: PostgreSQL then rolls back without an error."""
        if await self._connection.execute(self._ending()) != "COMMIT":
            raise RuntimeError("The transaction was rolled back: one of its statements had failed.")

    def _ending(self) -> str:
        return "COMMIT"

    async def all(self, statement: Statement, **params: Any) -> Sequence[Row]:
        """Run a statement and return all its rows."""
        compiled = self._dialect.compile(statement)
        return await self._connection.fetch(compiled.sql, *compiled.bind(params))


Transaction = TypeVar("Transaction", bound=PostgresReadTransaction)


class PostgresWriteTransaction(PostgresReadTransaction, WriteTransaction):
    """A transaction at READ COMMITTED: rows are locked before they are read to be changed."""

    def __init__(self, database: Database, connection: Connection) -> None:
        super().__init__(database, connection)
        self._spare_ids = cast("_Connection", connection).spare_ids
        self._payloads: list[str] = []

    async def run(self, statement: Statement, **params: Any) -> int:
        """Run a statement and return the number of rows that it changed."""
        compiled = self._dialect.compile(statement)
        status = await self._connection.execute(compiled.sql, *compiled.bind(params))
        return int(status.rpartition(" ")[2])

    async def write_rows(self, *writes: RowsToWrite, new: tuple[WriteRows, RowValues] | None = None) -> None:
        """Write many rows of all statements in one round trip."""
        writes = tuple(write for write in writes if write[1])
        if new is None or not new[1]:
            if writes:
                compiled = self._dialect.compile_together([statement for statement, _ in writes])
                await self._connection.execute(compiled.sql, *compiled.bind(_row_params(writes)))
            return
        compiled = self._dialect.compile_together([statement for statement, _ in writes], new=new[0])
        params = _row_params(writes) | {"new": new[1]}
        if await self._connection.fetchval(compiled.sql, *compiled.bind(params)) != len(new[1]):
            raise Raced("Another server process stored the same at the same time.")

    async def insert_new(self, statement: WriteRows, values: RowValues) -> set[tuple[Any, ...]]:
        """Insert the rows whose key does not exist yet, waiting for concurrent inserts of the same keys."""
        if not values:
            return set()
        compiled = self._dialect.compile_together([statement])
        key = ", ".join(column.name for column in statement.table.primary_key)
        found = await self._connection.fetch(f"{compiled.sql} RETURNING {key}", *compiled.bind({"rows0": values}))
        return {tuple(row) for row in found}

    async def new_ids(self, table: Table, count: int) -> list[int]:
        """Take the numbers from the table's sequence, many at a time: what this connection does not use by its end is lost."""
        spare = self._spare_ids[table.name]
        if len(spare) < count:
            take = f"SELECT nextval('ids_of_{table.name}') FROM generate_series(1, $1)"  # noqa: S608 - a name of ours
            spare.extend(row[0] for row in await self._connection.fetch(take, max(count, _IDS_AT_ONCE)))
        return [spare.popleft() for _ in range(count)]

    @property
    def shard(self) -> int:
        """The same number for all transactions of a connection."""
        return self._connection.get_server_pid() % _SHARDS

    async def lock_course(self, course_id: int) -> None:
        """Take the course's advisory lock, which those who record in the course hold shared."""
        await self._connection.execute(f"SELECT pg_advisory_xact_lock({_COURSE_LOCKS}, {_lock_key(course_id)})")

    async def share_course_locks(self, course_ids: Collection[int]) -> None:
        """Hold the courses' advisory locks shared."""
        if course_ids:
            await self._connection.execute(";".join(_shared_locks(course_ids)))

    async def try_lock(self, name: str) -> bool:
        """Take an advisory lock on the name's hash, without waiting."""
        is_locked: bool = await self._connection.fetchval("SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))", name)
        return is_locked

    async def lock_names(self, names: Collection[str]) -> None:
        """Take advisory locks on the hashes of the names; transactions that lock several of them cannot wait in a circle."""
        if names:
            await self._connection.execute(
                "SELECT pg_advisory_xact_lock(hash) FROM "
                "(SELECT DISTINCT hashtextextended(name, 0) AS hash FROM unnest($1::text[]) AS name ORDER BY hash) AS hashes",
                list(names),
            )

    async def notify(self, payloads: Sequence[str]) -> None:
        """Notify the channel that all server processes listen on, in the round trip of the commit."""
        self._payloads += payloads

    def _ending(self) -> str:
        quoted = (payload.replace("'", "''") for payload in self._payloads)
        return ";".join([*(f"NOTIFY {_CHANNEL}, '{payload}'" for payload in quoted), "COMMIT"])


def _row_params(writes: Sequence[RowsToWrite]) -> dict[str, RowValues]:
    return {f"rows{i}": values for i, (_, values) in enumerate(writes)}


class PostgresDatabase(Database):
    """A pool of connections to a PostgreSQL server: one that serves, and listens to notifications, or one that reads much."""

    def __init__(
        self,
        database_url: str,
        keyring: Keyring,
        *,
        pool_size: int,
        timeout_seconds: float,
        metrics: Metrics | None = None,
        serves: bool = True,
    ) -> None:
        super().__init__(dialects.postgresql(), keyring, metrics)
        self._database_url = database_url
        self._pool_size = pool_size
        self._timeout_seconds = timeout_seconds
        self._serves = serves
        self._listener_task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect."""
        planner = Planner.LOOKS_UP if self._serves else Planner.IS_FREE
        with _outages():
            self._pool = await asyncpg.create_pool(
                self._database_url,
                min_size=0,
                max_size=self._pool_size,
                timeout=self._timeout_seconds,
                command_timeout=self._timeout_seconds,
                statement_cache_size=_STATEMENTS_KEPT,
                max_cached_statement_lifetime=_PLANNED_AGAIN_SECONDS,
                max_inactive_connection_lifetime=0,
                connection_class=_Connection,
                init=speak_milliseconds,
                server_settings={**_SESSION, **planner.value},
            )
        if not self._serves:
            return
        self._listener_task = asyncio.create_task(self._listen(), name="listen")
        if self._metrics is not None:
            self._metrics.samplers.append(self._sample)

    @asynccontextmanager
    async def _read(self, *, single_statement: bool) -> AsyncIterator[ReadTransaction]:
        with _outages():
            if single_statement:
                async with self._connection() as connection:
                    yield PostgresReadTransaction(self, connection)
                return
            begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
            async with self._transaction(begin, PostgresReadTransaction) as transaction:
                yield transaction

    @asynccontextmanager
    async def _write(self, in_courses: Collection[int]) -> AsyncIterator[WriteTransaction]:
        is_ending = False
        with _outages():
            try:
                begin = ";".join(["BEGIN", *_shared_locks(in_courses)])
                async with self._transaction(begin, PostgresWriteTransaction) as transaction:
                    yield transaction
                    is_ending = True
            finally:
                # Also if the commit was interrupted: it may have reached the server.
                if is_ending:
                    transaction.run_after_commit_hooks()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """Lend a connection of the pool."""
        async with self._pool.acquire(timeout=self._timeout_seconds) as connection:
            try:
                yield connection
            except (TimeoutError, asyncio.CancelledError):
                # A server that did not answer in time would not answer a ROLLBACK, or the pool's request to cancel, either.
                connection.terminate()
                raise

    @asynccontextmanager
    async def _transaction(self, begin: str, kind: Callable[[Database, Connection], Transaction]) -> AsyncIterator[Transaction]:
        async with self._connection() as connection:
            try:
                await connection.execute(begin)
                transaction = kind(self, connection)
                yield transaction
                await transaction.commit()
            except (TimeoutError, asyncio.CancelledError):
                raise
            except BaseException:
                await _abandon(connection)
                raise

    async def _listen(self) -> None:
        """Pass notifications on, from a connection of its own that is replaced when it is lost."""
        while True:
            with suppress(*_OUTAGES, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self._listen_until_lost()
            await asyncio.sleep(_LISTEN_AGAIN_SECONDS)

    async def _listen_until_lost(self) -> None:
        lost = asyncio.Event()
        connection = await connect(self._database_url, timeout_seconds=self._timeout_seconds)
        try:
            connection.add_termination_listener(lambda *_: lost.set())
            await connection.add_listener(
                _CHANNEL, lambda _connection, _pid, _channel, payload: self._notify_listeners(payload)
            )
            self._notify_listeners(None)
            while not lost.is_set():
                # A connection that was lost without a word shows only when something is sent on it.
                with suppress(TimeoutError):
                    await asyncio.wait_for(lost.wait(), _PROBE_EVERY_SECONDS)
                await connection.execute(f"LISTEN {_CHANNEL}", timeout=self._timeout_seconds)
        finally:
            connection.terminate()

    async def look_for_others(self) -> None:
        """Do nothing: whoever commits notifies all server processes."""

    def _sample(self) -> None:
        assert self._metrics is not None  # noqa: S101 - without metrics nothing samples
        idle = self._pool.get_idle_size()
        self._metrics.pool_connections.labels("idle").set(idle)
        self._metrics.pool_connections.labels("in_use").set(self._pool.get_size() - idle)

    async def close(self) -> None:
        """Close the pool; a busy connection gets 5 seconds to finish."""
        if self._listener_task is not None:
            self._listener_task.cancel()
        try:
            await asyncio.wait_for(self._pool.close(), timeout=5)
        except TimeoutError:
            self._pool.terminate()


def _shared_locks(course_ids: Collection[int]) -> list[str]:
    """Return the statements that take the courses' advisory locks shared; such locks write nothing to the disk."""
    return [f"SELECT pg_advisory_xact_lock_shared({_COURSE_LOCKS}, {key})" for key in sorted(map(_lock_key, course_ids))]


def _lock_key(course_id: int) -> int:
    """Fit an id into the 31 bits of a lock's key; two courses with the same key only wait for each other."""
    return course_id & 0x7FFFFFFF


async def _abandon(connection: Connection) -> None:
    """Roll back, or drop the connection if that fails: the pool must not hand out one with an open transaction."""
    if connection.is_closed():
        return
    try:
        await asyncio.wait_for(connection.execute("ROLLBACK"), timeout=5)
    except (*_OUTAGES, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()
    except asyncio.CancelledError:
        connection.terminate()
        raise


class _outages:  # noqa: N801 - reads as a word in a with statement
    """Raise Unavailable for outages, which pass; let mistakes through."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        is_lost = isinstance(error, asyncpg.InterfaceError) and not isinstance(error, asyncpg.DataError | ValueError)
        if isinstance(error, _OUTAGES) or is_lost:
            raise Unavailable("The database does not answer.", retry_after_seconds=2) from error
