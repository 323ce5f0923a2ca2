"""Copies of a SQLite file: made beside its server, checked, and prepared to take the file's place. All of it blocks."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from headway.db.private_files import sync_folder
from headway.db.sqlite import FileInUseError, connect, connect_to_copy
from headway.errors import OperatorError

_MOST_SHOWN = 3


class DamagedFileError(OperatorError):
    """A file is no SQLite database, or its pages do not fit together."""


def needed_bytes(source: Path) -> int:
    """Return how many bytes a copy takes at most. Raises OperatorError."""
    with _explained(source), closing(connect(source, timeout_seconds=5)) as connection:
        pages, free, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in _SIZES)
        return int((pages - free) * size)


_SIZES = ("page_count", "freelist_count", "page_size")


def copy_into(source: Path, target: Path) -> None:
    """Write one snapshot of a database to a new file, which is on the disk at the end; its writers do not wait meanwhile.

    The copy has no free pages: nothing of what was deleted is in it. Raises OperatorError.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with _explained(source), closing(connect(source, timeout_seconds=30)) as connection:
        connection.execute("VACUUM INTO ?", (str(target),))
    sync(target)
    sync_folder(target.parent)


def check_integrity(copy: Path, *, is_quick: bool, name: Path | None = None) -> None:
    """Read all pages of a file that nobody changes; unless `is_quick`, compare indexes with tables.

    Raises DamagedFileError, OperatorError, which call the file by `name`.
    """
    check, name = "quick_check" if is_quick else "integrity_check", name or copy
    with _explained(name), closing(connect_to_copy(copy)) as connection:
        found = [row[0] for row in connection.execute(f"PRAGMA {check}({_MOST_SHOWN})")]
    if found != ["ok"]:
        raise DamagedFileError(f"{name} is damaged: {'; '.join(found)}")


def schema_version(copy: Path) -> str | None:
    """Return the schema version of a file that nobody changes; None if it is no database of Headway. Raises OperatorError."""
    with _explained(copy), closing(connect_to_copy(copy)) as connection:
        known = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'alembic_version'").fetchone()
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if known else None
    return None if row is None else str(row[0])


def skip_ids(path: Path, count: int) -> None:
    """Raise the counters of ids, so that none is given out that another state of the database has given out already."""
    with _explained(path), closing(connect(path, timeout_seconds=5)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE sqlite_sequence SET seq = seq + ?", (count,))
        connection.execute("UPDATE revisions SET revision = revision + ? WHERE name LIKE 'ids of %'", (count,))
        connection.execute("COMMIT")


def fold_log(path: Path) -> None:
    """Write the log of a database into its file, so that it is one file. A damaged database is left as it is.

    Raises FileInUseError if another process has the file open.
    """
    try:
        with closing(connect(path, timeout_seconds=5)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise FileInUseError(f"{path} is in use by another command of Headway, or by another program.") from error
    except sqlite3.DatabaseError:
        pass


def sync(path: Path) -> None:
    """Wait until a file is on the disk. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Explain in one line what SQLite cannot do. Raises OperatorError."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        kind = DamagedFileError if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB} else OperatorError
        raise kind(f"{path} cannot be read as a database, or copied: {error}") from error
