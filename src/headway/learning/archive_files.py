"""Archived events as Parquet files, which tools of analysis read; for the file's owner only, as the database is.

A file has the columns of the table, is compressed with Zstandard, and is sorted by learner and event: its row groups, which are
read one at a time, say which learners are in them.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from headway.db.private_files import create_secret, sync_folder
from headway.errors import OperatorError
from headway.instants import iso
from headway.learning.archive_store import Archive
from headway.learning.store import EVENT_COLUMNS, EventRow

_TYPES = {
    "text": ("event_id", "activity_type", "session_id", "metadata", "video_segments"),
    "double": ("duration_seconds", "scroll_depth", "video_watch_percentage", "video_duration_seconds"),
    "instant": ("start_time", "end_time", "sent_at", "received_at", "occurred_at"),
    "boolean": ("is_shifted",),
}
"""The types of columns that are no whole numbers."""
_RECEIVED_AT = EVENT_COLUMNS.index("received_at")
_NEVER = 2**63
_INSTANTS = ("_at", "_from", "_until")
_encode = msgspec.msgpack.Encoder().encode
_TYPE_OF = {column: name for name, columns in _TYPES.items() for column in columns}


def is_instant(column: str) -> bool:
    """Return whether a column of events holds instants."""
    return _TYPE_OF.get(column) == "instant"


class MissingExtraError(OperatorError):
    """A library that only Parquet files need is not installed."""


class DamagedArchiveError(OperatorError):
    """A file is missing, or is not the archive that was written."""


class ArchiveSummary:
    """What events come to, which are added in their order."""

    def __init__(self) -> None:
        self.events = 0
        self.first_user_id = self.last_user_id = 0
        self.received_from, self.received_until = _NEVER, -_NEVER
        """When the first and the last of them were received."""
        self._hash = hashlib.sha256()

    def add(self, rows: Sequence[EventRow]) -> None:
        """Add events; there must be some."""
        if not self.events:
            self.first_user_id = rows[0][0]
        self.events += len(rows)
        self.last_user_id = rows[-1][0]
        received = [row[_RECEIVED_AT] for row in rows]
        self.received_from, self.received_until = min(self.received_from, *received), max(self.received_until, *received)
        for row in rows:
            self._hash.update(_encode(row))

    @property
    def rows_sha256(self) -> str:
        """The SHA-256 of the rows, whatever form they are stored in."""
        return self._hash.hexdigest()


class _HashedFile:
    """A file that hashes what is written to it, so that reading it back shows whether the disk has it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.closed = False

    def write(self, data: Any) -> int:
        self._hash.update(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """Leave the file open: it is not on the disk yet."""

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


class ArchiveWriter:
    """Writes an archive, one row group at a time; see `new_draft`."""

    def __init__(self, file: IO[bytes]) -> None:
        self._arrow, self._parquet = load_pyarrow()
        self._file = _HashedFile(file)
        self.written = ArchiveSummary()
        self._schema = self._arrow.schema([(name, self._type(name)) for name in EVENT_COLUMNS])
        self._writer = self._parquet.ParquetWriter(self._file, self._schema, compression="zstd")

    def write(self, rows: Sequence[EventRow]) -> None:
        """Add rows as a row group."""
        values = zip(*rows, strict=True)
        columns = [self._array(name, column) for name, column in zip(EVENT_COLUMNS, values, strict=True)]
        table = self._arrow.Table.from_arrays(columns, schema=self._schema)
        self._writer.write_table(table, row_group_size=len(rows))
        self.written.add(rows)

    def close(self) -> None:
        """Write the end of the file."""
        self._writer.close()
        self.size_bytes, self.sha256 = self._file.tell(), self._file.hexdigest()

    def _type(self, name: str) -> Any:
        types: dict[str, Callable[[], Any]] = {
            "text": self._arrow.string,
            "double": self._arrow.float64,
            "instant": lambda: self._arrow.timestamp("ms", tz="UTC"),
            "boolean": self._arrow.bool_,
        }
        return types.get(_TYPE_OF.get(name, ""), self._arrow.int64)()

    def _array(self, name: str, values: Sequence[Any]) -> Any:
        if _TYPE_OF.get(name) == "instant":
            return self._arrow.array(values, self._arrow.int64()).cast(self._type(name))
        return self._arrow.array(values, self._type(name))


@contextmanager
def new_draft(file: Path) -> Iterator[ArchiveWriter]:
    """Create the draft of a file, and yield what writes it; at the end of the block it is on the disk, and was read back.

    If the block raises, no draft is left. Raises OSError, DamagedArchiveError, MissingExtraError.
    """
    load_pyarrow()
    draft = _draft(file)
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            with closing(ArchiveWriter(opened)) as writer:
                yield writer
            opened.flush()
            os.fsync(opened.fileno())
        sync_folder(draft.parent)
        _read_back(draft, writer)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def remove_draft(archive: Archive) -> None:
    """Remove the draft of what did not become an archive."""
    _draft(Path(archive.file)).unlink()


def remove(archive: Archive) -> None:
    """Remove the file of an archive, of which nothing is to be kept, and its manifest, if they are there. Raises OSError."""
    file = Path(archive.file)
    file.unlink(missing_ok=True)
    file.with_name(f"{file.name}.json").unlink(missing_ok=True)


def settle(archive: Archive) -> None:
    """Rename the draft of a new archive to its file, and write the manifest beside it, if that is not done.

    Raises DamagedArchiveError if the file is not the one that was written, OSError.
    """
    file = Path(archive.file)
    if is_draft(archive, file):
        name_draft(file)
    check_file(archive, file)
    create_secret(file.with_name(f"{file.name}.json"), msgspec.json.format(msgspec.json.encode(manifest(archive))) + b"\n")


def name_draft(file: Path) -> None:
    """Rename a complete draft to its file, in place of one that has the name. Raises OSError."""
    _draft(file).rename(file)
    sync_folder(file.parent)


def is_draft(archive: Archive, file: Path) -> bool:
    """Return whether a file has no name yet: then none of its events has left the table."""
    return archive.removed_at is None and not file.exists() and _draft(file).exists()


def manifest(archive: Archive) -> dict[str, Any]:
    """Return what is told of an archive, with times as text."""
    fields = msgspec.structs.asdict(archive)
    del fields["forgotten"]
    return {name: iso(value) if name.endswith(_INSTANTS) and value else value for name, value in fields.items()}


def check_file(archive: Archive, file: Path) -> None:
    """Read a file to see whether it is an archive as it was written. Raises DamagedArchiveError, OSError."""
    if not file.exists():
        raise DamagedArchiveError(f"{file} is missing: restore this archive of {archive.events} events.")
    if file.stat().st_size != archive.size_bytes or _file_sha256(file) != archive.sha256:
        raise DamagedArchiveError(f"{file} was altered: restore this archive of {archive.events} events.")


@contextmanager
def own(folder: Path) -> Iterator[Path]:
    """Lock a folder, which is made if there is none, for this process within the block; yield its absolute path.

    Raises OperatorError, OSError.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OperatorError(f"Another process archives events to {folder}.") from error
        yield folder.resolve()


def _read_back(draft: Path, writer: ArchiveWriter) -> None:
    found = ArchiveSummary()
    with closing(ArchiveReader(draft)) as reader:
        for group in range(len(reader.learners)):
            found.add(reader.rows(group))
    if _file_sha256(draft) != writer.sha256 or found.rows_sha256 != writer.written.rows_sha256:
        raise DamagedArchiveError(f"{draft} does not hold what was written to it.")


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _draft(file: Path) -> Path:
    return file.with_name(f"{file.name}.partial")


class ArchiveReader:
    """Reads an archive, one row group at a time. Raises DamagedArchiveError, MissingExtraError."""

    def __init__(self, path: Path) -> None:
        self._arrow, self._parquet = load_pyarrow()
        try:
            self._file = self._parquet.ParquetFile(path)
        except (OSError, self._arrow.ArrowException) as error:
            raise DamagedArchiveError(f"{path} cannot be read as an archive: {error}") from error
        self._columns = set(self._file.schema_arrow.names)
        learners = self._file.schema_arrow.get_field_index("user_id")
        metadata = self._file.metadata
        statistics = [metadata.row_group(group).column(learners).statistics for group in range(self._file.num_row_groups)]
        self.learners = [(int(each.min), int(each.max)) for each in statistics]
        """The smallest and the greatest learner's id in each row group."""
        self.sizes = [int(metadata.row_group(group).num_rows) for group in range(self._file.num_row_groups)]
        """How many rows each row group has."""

    def rows(self, group: int) -> list[EventRow]:
        """Return the rows of a row group. A column that the table has got since is null."""
        table = self._file.read_row_group(group)
        return list(zip(*(self._values(table, name) for name in EVENT_COLUMNS), strict=True))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _values(self, table: Any, name: str) -> list[Any]:
        if name not in self._columns:
            return [None] * int(table.num_rows)
        column = table.column(name)
        values: list[Any] = (column.cast(self._arrow.int64()) if is_instant(name) else column).to_pylist()
        return values


def load_pyarrow() -> tuple[Any, Any]:
    """Return `pyarrow` and `pyarrow.parquet`. Raises MissingExtraError."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - an optional dependency
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("Parquet files need pyarrow: pip install 'headway[analytics]'") from error
    return pa, pq
