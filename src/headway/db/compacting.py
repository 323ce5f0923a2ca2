"""Rewriting a SQLite file, so that nothing is left in it of what was deleted or overwritten."""

import sqlite3
from contextlib import closing
from pathlib import Path

from headway.errors import Unavailable


def compact(path: Path, *, timeout_seconds: float) -> None:
    """Rewrite a file without its free pages, and empty its write-ahead log. Raises Unavailable while others keep it busy.

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
