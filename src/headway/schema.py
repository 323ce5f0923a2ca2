"""The database schema: migrations, and the check of the schema version."""

import asyncio
import functools
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, event, pool, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from headway.audit import store as audit_store
from headway.db import index_keys, postgres, sqlite, types
from headway.db.database import Database
from headway.db.dialects import Statement
from headway.db.facts import HasTable
from headway.db.keyring import Keyring
from headway.errors import OperatorError, Unavailable
from headway.settings import Settings
from headway.telemetry import Metrics

metadata = types.metadata
"""The tables of all rooms: each room adds its own when its `tables` is imported, as here."""
for _tables in sorted(Path(__file__).parent.glob("*/tables.py")):
    import_module(f"headway.{_tables.parent.name}.tables")
_MIGRATIONS = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 0x48656164
_has_version = select(HasTable("alembic_version"))
_version: Statement = select(text("version_num")).select_from(text("alembic_version"))


class UnknownVersionError(OperatorError):
    """The database has, or the caller names, a schema version that this code does not know."""


@functools.cache
def head() -> str:
    """Return the newest schema version that this code knows."""
    version = ScriptDirectory(str(_MIGRATIONS)).get_current_head()
    assert version is not None  # noqa: S101 - the folder has migrations
    return version


async def version_of(database: Database) -> str | None:
    """Return the schema version of an open database; None if it has none yet. Raises Unavailable."""
    async with database.read() as tx:
        if not (await tx.one(_has_version))[0]:
            return None
        row = await tx.first(_version)
        return None if row is None else str(row[0])


def knows(version: str) -> bool:
    """Return whether this code knows a schema version."""
    return version in {script.revision for script in ScriptDirectory(str(_MIGRATIONS)).walk_revisions()}


async def is_current(database: Database, version: str) -> bool:
    """Return whether an open database has a schema version. Raises WrongKeyError if the keyring cannot decrypt its data."""
    async with database.read() as tx:
        row = await tx.first(_version)
        if row is None or row[0] != version:
            return False
        await index_keys.prove(tx)
    return True


async def migrate(settings: Settings, revision: str = "head", *, is_owner: bool = False) -> None:
    """Migrate the database to a schema version, under a lock: one process migrates while others wait.

    Set `is_owner` if this process has already locked the SQLite file.
    Raises Unavailable if the database cannot be reached, FileInUseError if an older server runs on the SQLite file,
    UnknownVersionError if this code does not know `revision` or the version of the database.
    """
    try:
        if settings.is_sqlite:
            await asyncio.to_thread(_migrate_sqlite, settings, revision, is_owner)
        else:
            await _migrate_postgresql(settings, revision)
    except DBAPIError as error:
        raise Unavailable(f"The database cannot be used: {error.orig}") from error
    except TimeoutError as error:
        raise Unavailable("The database does not respond in time.") from error
    except OSError as error:
        raise Unavailable(f"The database does not respond: {error}") from error


def database(
    settings: Settings,
    metrics: Metrics | None = None,
    *,
    for_large_reads: bool = False,
    for_commands: bool = False,
    keyring: Keyring | None = None,
) -> Database:
    """Return the database of the settings, which is not open yet. With metrics, its transactions are measured.

    The transaction that creates its first key signs the beginning of the audit log. With `for_large_reads` it is one for
    `LargeReads`, with connections of its own. These and commands read much: PostgreSQL plans their statements for that, and
    does not notify them.
    """
    database: Database
    timeout_seconds, keyring = settings.database_timeout_seconds, keyring or Keyring.from_settings(settings)
    if settings.is_sqlite:
        readers = settings.large_reads if for_large_reads else sqlite.READERS
        database = sqlite.SqliteDatabase(
            settings.sqlite_path, keyring, timeout_seconds=timeout_seconds, readers=readers, metrics=metrics
        )
    else:
        database = postgres.PostgresDatabase(
            settings.database_url,
            keyring,
            pool_size=settings.large_reads if for_large_reads else settings.postgres_pool_size,
            timeout_seconds=timeout_seconds,
            metrics=metrics,
            serves=not (for_large_reads or for_commands),
        )
    database.on_first_key = audit_store.sign_beginning
    return database


async def prove_keys(settings: Settings) -> None:
    """Check that the settings have the keys of the database. Raises WrongKeyError, Unavailable."""
    storage = database(settings)
    await storage.open()
    try:
        async with storage.read() as tx:
            await index_keys.prove(tx)
    finally:
        await storage.close()


def configuration(connection: Connection) -> Config:
    """Return Alembic's configuration for an open connection."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@contextmanager
def sqlite_connection(path: Path, *, timeout_seconds: float = 5, is_read_only: bool = False) -> Iterator[Connection]:
    """Open a SQLAlchemy connection whose transactions include DDL, as Alembic requires."""
    sqlite.protect(path)
    engine = create_engine(f"sqlite:///{path}", poolclass=pool.NullPool, connect_args={"timeout": timeout_seconds})

    @event.listens_for(engine, "connect")
    def disable_implicit_begin(connection: Any, _record: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if is_read_only else "BEGIN IMMEDIATE")

    with engine.connect() as connection:
        yield connection
    engine.dispose()


def _migrate_sqlite(settings: Settings, revision: str, is_owner: bool) -> None:
    path = settings.sqlite_path
    path.parent.mkdir(parents=True, exist_ok=True)
    # A read does not wait for writers.
    with sqlite_connection(path, is_read_only=True) as connection:
        if _is_at(connection, revision):
            return
    with (
        nullcontext() if is_owner else sqlite.own(path, wait_seconds=10),
        sqlite_connection(path, timeout_seconds=settings.database_timeout_seconds) as connection,
    ):
        _run(connection, revision)


async def _migrate_postgresql(settings: Settings, revision: str) -> None:
    async def connect() -> Any:
        try:
            return await postgres.connect(settings.database_url, timeout_seconds=settings.database_timeout_seconds)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            raise Unavailable(f"The database cannot be used: {error}") from error

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=pool.NullPool)
    try:
        async with engine.connect() as connection:
            if await connection.run_sync(_is_at, revision):
                return
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
            await connection.run_sync(_run, revision)
    finally:
        await engine.dispose()


def _is_at(connection: Connection, revision: str) -> bool:
    target = head() if revision == "head" else revision
    return MigrationContext.configure(connection).get_current_revision() == target


def _run(connection: Connection, revision: str) -> None:
    config = configuration(connection)
    current = MigrationContext.configure(connection).get_current_revision()
    newest_first = [*(script.revision for script in ScriptDirectory.from_config(config).walk_revisions()), None]
    target = {"head": newest_first[0], "base": None}.get(revision, revision)
    if current not in newest_first:
        raise UnknownVersionError(f"The database has schema version {current}, which this version of Headway does not know.")
    if target not in newest_first:
        raise UnknownVersionError(f"There is no schema version {revision}.")
    if newest_first.index(target) < newest_first.index(current):
        command.upgrade(config, revision)
    elif target != current:
        command.downgrade(config, revision)
    connection.commit()
