"""Compacting a database, so that nothing is left in it of what was deleted or overwritten."""

import sqlite3
from contextlib import closing
from pathlib import Path

import asyncpg

from headway.db import postgres
from headway.errors import Unavailable


def compact(path: Path, *, timeout_seconds: float) -> None:
    """Rewrite a SQLite file without its free pages, and empty its write-ahead log. Raises Unavailable while others use it.

    It can be done beside a server: that waits with its writes meanwhile, some seconds for each gigabyte.
    """
    try:
        address = f"{path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(address, uri=True, timeout=timeout_seconds, isolation_level=None)) as connection:
            connection.execute("VACUUM")
            (is_busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError as error:
        raise Unavailable(f"The database could not be rewritten: {error}") from error
    if is_busy:
        raise Unavailable("The database was rewritten, but its write-ahead log is still being read: try again.")


async def compact_postgres(database_url: str, *, timeout_seconds: float) -> None:
    """Remove old versions of rows, and forget the samples of values from which queries are planned. Raises Unavailable.

    Servers are not held up; it takes as long as reading what has changed.
    """
    try:
        connection = await postgres.connect(database_url, timeout_seconds=timeout_seconds)
        try:
            await connection.execute("VACUUM (ANALYZE)")
        finally:
            await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Unavailable(f"The database could not be vacuumed: {error}") from error
