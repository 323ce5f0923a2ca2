"""What is told of a person's archived events: read from the files, of which those that cannot be read are named."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from headway.db.database import ReadTransaction
from headway.db.personal import Part, Person, Place, Record, json_of
from headway.errors import OperatorError, camel_case
from headway.instants import iso
from headway.learning import archive_store
from headway.learning.archive_files import ArchiveReader, MissingExtraError, is_instant
from headway.learning.archive_store import Archive
from headway.learning.store import EVENT_COLUMNS

_JSON = frozenset({"metadata", "video_segments"})


class _Place(NamedTuple):
    """The archives that are left, and the row group of the first one with which to go on."""

    archives: Sequence[Archive]
    group: int


class ArchivedEvents:
    """The events of a person that have left the database for files.

    A part is a row group. Files are where they were written, or all in one folder. They are compared with what was written by
    their sizes alone: `headway verify` reads them all.
    """

    name = "archived-events"
    tables = ("archives",)
    is_of_staff = False
    people = ()

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    async def read(self, tx: ReadTransaction, person: Person, place: Place | None) -> Part:
        """Read the events of the first row group, or of the one at a place."""
        if place is None:
            known = await archive_store.read_archives(tx)
            place = _Place([each for each in known if each.first_user_id <= person.id <= each.last_user_id], 0)
        if not place.archives:
            return Part([], None)
        archive, rest = place.archives[0], place.archives[1:]
        following = _Place(rest, 0) if rest else None
        try:
            records, group = await asyncio.to_thread(self._read_group, archive, person.id, place.group)
        except (OperatorError, OSError) as error:
            return Part([], following, [_missing(archive, error)])
        return Part(records, following if group is None else place._replace(group=group))

    def _read_group(self, archive: Archive, user_id: int, first: int) -> tuple[list[Record], int | None]:
        """Read the next row group with the person, if there is one, and return the number of the one after it."""
        path = Path(archive.file) if self._folder is None else self._folder / Path(archive.file).name
        if path.stat().st_size != archive.size_bytes:
            raise OperatorError("was altered")
        with closing(ArchiveReader(path)) as reader:
            learners = reader.learners
            having = [group for group in range(first, len(learners)) if learners[group][0] <= user_id <= learners[group][1]]
            rows = reader.rows(having[0]) if having else []
            return [_record(row) for row in rows if row[0] == user_id], having[1] if len(having) > 1 else None


def _record(row: Sequence[Any]) -> Record:
    return {camel_case(name): _value(name, value) for name, value in zip(EVENT_COLUMNS, row, strict=True)}


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _JSON:
        return json_of(value)
    return iso(value) if is_instant(name) else value


def _missing(archive: Archive, error: Exception) -> Record:
    if isinstance(error, MissingExtraError):
        reason = "needs a library that is not installed"
    else:
        reason = "is missing" if isinstance(error, FileNotFoundError) else "cannot be read"
    return {
        "archive": archive.id,
        "file": Path(archive.file).name,
        "receivedFrom": iso(archive.received_from),
        "receivedUntil": iso(archive.received_until),
        "reason": reason,
    }
