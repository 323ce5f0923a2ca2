"""Verify archives: their files are as they were written, and what is kept of the ids is what follows from them."""

from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import cast

from headway.db.database import ReadTransaction, Row
from headway.learning import archive_store, archived_ids, forgetting_store
from headway.learning.archive_files import ArchiveReader, DamagedArchiveError, check_file, is_draft
from headway.learning.archive_store import Archive
from headway.learning.archived_ids import Chunk
from headway.learning.forgetting_store import Sums
from headway.learning.store import EVENT_COLUMNS, EventRow, content_of
from headway.learning.verify_store import Learners
from headway.verify import Difference, Findings

_first = itemgetter(0)


class ArchivedEvents(AbstractContextManager["ArchivedEvents"]):
    """The events of archives, by learners in ascending order. The end of the block closes the files that it opens."""

    def __init__(self, archives: Sequence[Archive], folder: Path | None) -> None:
        self._archives = archives
        self._folder = folder
        self._cursors: list[_Cursor] = []
        self._files = ExitStack()

    @property
    def count(self) -> int:
        """How many events there are."""
        return sum(archive.events - archive.forgotten for archive in self._archives)

    def open(self, findings: Findings) -> bool:
        """Check and open the files; return False if one is missing or altered, which is a difference then."""
        is_whole = True
        for archive in self._archives:
            file = Path(archive.file) if self._folder is None else self._folder / Path(archive.file).name
            if archive.is_forgotten or is_draft(archive, file):
                continue
            try:
                check_file(archive, file)
                reader = ArchiveReader(file)
            except (DamagedArchiveError, OSError) as error:
                expected = f"the file as it was written: without it, progress is not verified. {error}"
                findings.differences.append(Difference("archives", {"id": archive.id}, "file", str(file), expected))
                is_whole = False
                continue
            self._files.callback(reader.close)
            self._cursors.append(_Cursor(archive, reader))
            findings.checked["archives"] += 1
        return is_whole

    async def of(self, tx: ReadTransaction, learners: Learners) -> AsyncIterator[list[EventRow]]:
        """Yield the archived events of the next learners, a row group of a file at the most at once.

        Events that are in the table still, because their archive is unfinished, are left out.
        """
        for cursor in self._cursors:
            for page in cursor.until(learners.until):
                if cursor.is_finished:
                    yield page
                else:
                    stored = await archive_store.stored_events(tx, [(row[0], row[1]) for row in page])
                    yield [row for row in page if (row[0], row[1]) not in stored]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._files.close()


class _Cursor:
    """A place in a file."""

    def __init__(self, archive: Archive, reader: ArchiveReader) -> None:
        self.is_finished = archive.removed_at is not None
        self._reader = reader
        self._group, self._at = 0, archive.forgotten
        while self._group < len(reader.sizes) and self._at >= reader.sizes[self._group]:
            self._at -= reader.sizes[self._group]
            self._group += 1
        self._rows: list[EventRow] = []

    def until(self, user_id: int) -> Iterator[list[EventRow]]:
        """Yield the rows from here up to those of a learner."""
        while self._group < len(self._reader.learners) and self._reader.learners[self._group][0] <= user_id:
            self._rows = self._rows or self._reader.rows(self._group)
            end = bisect_right(self._rows, user_id, lo=self._at, key=_first)
            if end > self._at:
                yield self._rows[self._at : end]
            self._at = end
            if end < len(self._rows):
                return
            self._group, self._at, self._rows = self._group + 1, 0, []


class KeptIds:
    """What is kept of the ids of some learners, to be compared with the events in archives and in the table."""

    def __init__(self, chunks: dict[int, list[Chunk]], forgotten: Mapping[int, Sums]) -> None:
        self._chunks = chunks
        self._events: Counter[int] = Counter({user_id: each.events for user_id, each in forgotten.items()})
        self._sums: Counter[int] = Counter({user_id: each.entries for user_id, each in forgotten.items()})

    @classmethod
    async def read(cls, tx: ReadTransaction, learners: Learners) -> "KeptIds":
        """Read what is kept of the ids of these learners."""
        return cls(await archive_store.chunks_of(tx, learners), await forgetting_store.read_sums(tx, learners))

    def add_archived(self, rows: Sequence[EventRow]) -> None:
        """Add events that are in an archive and not in the table."""
        for row in rows:
            self._events[row[0]] += 1
            self._sums[row[0]] += int.from_bytes(archived_ids.entry_of(row[1], content_of(row)))

    def differences_of(self, rows: Iterable[Row]) -> Iterator[Difference]:
        """Yield the events in the table that are kept as archived ones."""
        for row in rows:
            user_id, event_id = row["user_id"], row["event_id"]
            if user_id in self._chunks and self._is_kept(user_id, event_id):
                key = {"user_id": user_id, "event_id": event_id}
                yield Difference("learner_activity_logs", key, "event_id", event_id, "an event that is not in an archive")

    def differences(self) -> Iterator[Difference]:
        """Yield the learners of whom something else is kept than follows from the archived events, once all are added."""
        for user_id in sorted(self._chunks.keys() | self._events.keys()):
            chunks = self._chunks.get(user_id, [])
            entries = [entry for chunk in chunks for entry in archived_ids.entries_in(chunk.entries)]
            is_same = (len(entries), sum(map(int.from_bytes, entries))) == (self._events[user_id], self._sums[user_id])
            is_found = [archived_ids.first_of(chunk.entries) for chunk in chunks] == [chunk.first for chunk in chunks]
            if not (is_same and is_found and entries == sorted(entries)):
                expected = f"the entries of the {self._events[user_id]} archived and forgotten events, in order"
                yield Difference("archived_ids", {"user_id": user_id}, "entries", f"{len(entries)} entries", expected)

    def _is_kept(self, user_id: int, event_id: str) -> bool:
        chunks = self._chunks[user_id]
        place = bisect_right(chunks, archived_ids.id_hash(event_id), key=_first) - 1
        return place >= 0 and archived_ids.find(chunks[place].entries, event_id) is not None


def by_name(row: EventRow) -> Row:
    """Return an archived event as a row of the table."""
    return cast("Row", dict(zip(EVENT_COLUMNS, row, strict=True)))
