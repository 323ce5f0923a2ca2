"""Export events to a Parquet file for analysis: those in the database, and those that were archived.

The file has the columns of the archives, so that both can be read together. Nothing of it is an archive: the events stay where
they are.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from headway.db.database import Database
from headway.errors import OperatorError
from headway.instants import DAY, END_OF_TIME, START_OF_TIME, Instant
from headway.learning import archive_store
from headway.learning.archive_files import ArchiveReader, check_file, name_draft, new_draft
from headway.learning.archive_store import Archive
from headway.learning.store import EVENT_COLUMNS, EventRow

_AT_ONCE = 10_000
"""Events are read, and written as row groups, so many at a time."""
_COURSE, _AT = EVENT_COLUMNS.index("course_id"), EVENT_COLUMNS.index("occurred_at")


class EventChoice(NamedTuple):
    """Which events to export: those that occurred from an instant until before another one, of a course or of all."""

    since: Instant = START_OF_TIME
    until: Instant = END_OF_TIME
    course_id: int | None = None

    def has(self, row: EventRow) -> bool:
        """Return whether an event is among them."""
        return self.since <= row[_AT] < self.until and self.course_id in {None, row[_COURSE]}


class ExportedEvents(NamedTuple):
    """How many events were exported from the table and from archives."""

    stored: int
    archived: int


async def export_events(
    database: Database,
    choice: EventChoice,
    file: Path,
    *,
    archives_folder: Path | None = None,
    advance: Callable[[int], None] = lambda _events: None,
) -> ExportedEvents:
    """Write events to a new file, a row group at a time, and replace a file of that name when it is complete.

    Archives are in `archives_folder`, or else where they were written; one that is too old is not opened. `advance` is called
    with the number of events so far. Raises Unavailable, OSError, OperatorError.
    """
    archives = await _read_archives(database)
    counts = {"stored": 0, "archived": 0}
    with new_draft(file) as draft:
        group: list[EventRow] = []
        async for name, looked_at in _events(database, archives, choice, archives_folder):
            chosen = [row for row in looked_at if choice.has(row)]
            counts[name] += len(chosen)
            group += chosen
            while len(group) >= _AT_ONCE:
                draft.write(group[:_AT_ONCE])
                group = group[_AT_ONCE:]
            advance(sum(counts.values()))
        if group:
            draft.write(group)
        if await _read_archives(database) != archives:
            raise OperatorError("Events were archived meanwhile, so some may be missing: run this again.")
    name_draft(file)
    return ExportedEvents(**counts)


async def _read_archives(database: Database) -> list[Archive]:
    async with database.read() as tx:
        archives = await archive_store.read_archives(tx)
    if any(each.removed_at is None for each in archives):
        # Their events may be in both places.
        raise OperatorError("An archive is not finished: run `headway events archive` again first.")
    return archives


async def _events(
    database: Database, archives: list[Archive], choice: EventChoice, folder: Path | None
) -> AsyncIterator[tuple[str, list[EventRow]]]:
    """Yield all events that may be among the chosen ones, and where they come from."""
    for archive in archives:
        # No event occurs much later than it was received.
        if archive.is_forgotten or archive.received_until + DAY < choice.since:
            continue
        path = Path(archive.file) if folder is None else folder / Path(archive.file).name
        check_file(archive, path)
        with closing(ArchiveReader(path)) as reader:
            for group in range(len(reader.learners)):
                yield "archived", reader.rows(group)
    async for page in archive_store.events_between(database, *choice, page_size=_AT_ONCE):
        yield "stored", page
