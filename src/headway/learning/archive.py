"""Archive old events: write them to Parquet files, verify these, and only then remove the events from the table.

Every step may be the last one: an interrupted run loses nothing, and the next run finishes what it left. Servers may run
meanwhile, for no transaction is long.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import msgspec

from headway.accounts.erasing_store import count_erased
from headway.audit.model import Action, Target, TargetType
from headway.audit.service import AuditRecorder
from headway.db import index_keys
from headway.db.database import Database
from headway.errors import Invalid, OperatorError
from headway.ids import NewId
from headway.instants import DAY, Clock, Instant, iso
from headway.learning import archive_files, archive_store, archived_ids
from headway.learning.archive_files import ArchiveReader, ArchiveSummary, DamagedArchiveError
from headway.learning.archive_store import Archive
from headway.learning.forgetting_store import count_forgotten
from headway.learning.store import EventRow, content_of

Advance: TypeAlias = Callable[[int, int], None]
"""Called after each step with the number of events that have left the table, and of those that were written to files."""
_Groups: TypeAlias = AsyncIterator[list[EventRow]]


class ArchiveSettings(msgspec.Struct, frozen=True):
    """How much is done at once."""

    events_at_once: int = 10_000
    """Read with one statement, and written as one row group."""
    events_per_file: int = 5_000_000
    events_per_transaction: int = 500
    """Removed at once: a server's writes wait for one such transaction at most."""


class EventArchive:
    """Moves old events to files in a folder."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        new_id: NewId,
        audit: AuditRecorder,
        *,
        settings: ArchiveSettings | None = None,
        advance: Advance = lambda _moved, _written: None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._audit = audit
        self._settings = settings or ArchiveSettings()
        self._report = advance
        self._moved = self._written = self._forgotten = self._erased = 0

    async def count(self, before: Instant) -> ArchiveSummary:
        """Count the events that were received before an instant. Raises Invalid, Unavailable."""
        self._check(before)
        summary = ArchiveSummary()
        async for group in self._old_events(before):
            summary.add(group)
        return summary

    async def run(self, before: Instant, folder: Path) -> list[Archive]:
        """Move all events that were received before an instant to new files; return the archives that this completes.

        What an interrupted run has left is finished first, wherever its files are. Raises Invalid, Unavailable, OSError,
        SettingsError, OperatorError: nothing is lost then, and a repetition goes on.
        """
        self._check(before)
        with archive_files.own(folder) as owned:
            async with self._database.read() as tx:
                # What is done is audited at the end: without the key of the log, nothing is begun.
                await index_keys.prove(tx)
                archives = await archive_store.read_archives(tx)
                self._forgotten, self._erased = await count_forgotten(tx), await count_erased(tx)
            unfinished = [archive for archive in archives if archive.removed_at is None]
            completed = []
            for archive in unfinished:
                self._advance(written=archive.events)
                completed.append(await self._finish(archive))
            known = {archive.id for archive in archives}
            old_events = self._old_events(before)
            while (first := await anext(old_events, None)) is not None:
                archive = await self._write(first, old_events, owned, before)
                await self._add(archive, known)
                completed.append(await self._finish(archive))
                known.add(archive.id)
        return completed

    def _advance(self, *, moved: int = 0, written: int = 0) -> None:
        self._moved += moved
        self._written += written
        self._report(self._moved, self._written)

    def _check(self, before: Instant) -> None:
        if before > self._clock() - DAY:
            raise Invalid.field("before", "must lie at least one day in the past")

    async def _old_events(self, before: Instant) -> _Groups:
        """Yield old events in the groups in which they are written."""
        group: list[EventRow] = []
        size = self._settings.events_at_once
        async for page in archive_store.old_events(self._database, before, page_size=size):
            group += page
            if len(group) >= size:
                yield group[:size]
                group = group[size:]
        if group:
            yield group

    async def _write(self, first: list[EventRow], others: _Groups, folder: Path, before: Instant) -> Archive:
        """Write events to a draft, as many as a file may have, and verify it."""
        archive_id = self._new_id()
        file = folder / f"events-before-{iso(before)[:10]}-{archive_id}.parquet"
        with archive_files.new_draft(file) as draft:
            group: list[EventRow] | None = first
            while group is not None:
                draft.write(group)
                self._advance(written=len(group))
                group = await anext(others, None) if draft.written.events < self._settings.events_per_file else None
        written = draft.written
        return Archive(
            id=archive_id,
            file=str(file),
            events=written.events,
            size_bytes=draft.size_bytes,
            sha256=draft.sha256,
            rows_sha256=written.rows_sha256,
            first_user_id=written.first_user_id,
            last_user_id=written.last_user_id,
            received_from=written.received_from,
            received_until=written.received_until,
            created_at=self._clock(),
        )

    async def _add(self, archive: Archive, known: set[str]) -> None:
        """Store a new archive. From now on the next run finishes it, whatever happens."""
        async with self._database.write() as tx:
            is_alone = await tx.try_lock("archives") and {each.id for each in await archive_store.read_archives(tx)} == known
            # What retention has forgotten meanwhile, or an erasure has changed, may be in the file.
            is_alone = is_alone and await count_forgotten(tx) == self._forgotten and await count_erased(tx) == self._erased
            if is_alone:
                await archive_store.add_archive(tx, archive)
        if not is_alone:
            archive_files.remove_draft(archive)
            raise OperatorError("Another process has archived events meanwhile, or forgotten or erased some. Run this again.")
        self._advance()

    async def _finish(self, archive: Archive) -> Archive:
        """Settle the file, and remove its events from the table once they are seen to be the same."""
        archive_files.settle(archive)
        self._advance()
        with closing(ArchiveReader(Path(archive.file))) as reader:
            for group in range(len(reader.learners)):
                # In the order in which ids are kept, a transaction changes as few chunks as possible.
                rows = sorted(reader.rows(group), key=lambda row: (row[0], archived_ids.id_hash(row[1])))
                for start in range(0, len(rows), self._settings.events_per_transaction):
                    await self._move(archive, rows[start : start + self._settings.events_per_transaction])
        now = self._clock()
        async with self._database.write() as tx:
            await archive_store.finish_archive(tx, archive.id, now)
            described = {"file": archive.file, "events": archive.events, "sha256": archive.sha256}
            target = Target(TargetType.SYSTEM, archive.id)
            await self._audit.record_as_operator(tx, Action.ARCHIVE_EVENTS, target, metadata=described)
        self._advance()
        return msgspec.structs.replace(archive, removed_at=now)

    async def _move(self, archive: Archive, rows: Sequence[EventRow]) -> None:
        """Remove events from the table and keep their ids; those that an interrupted run has moved are left alone."""
        started = time.monotonic()
        entries = {(row[0], row[1]): archived_ids.entry_of(row[1], content_of(row)) for row in rows}
        async with self._database.write() as tx:
            stored = await archive_store.stored_events(tx, list(entries))
            moved = await archive_store.find_archived(tx, entries.keys() - stored.keys())
            for row in rows:
                key = row[0], row[1]
                if stored.get(key, row) != row or (key not in stored and moved.get(key) != entries[key]):
                    message = (
                        f"{archive.file} differs from what is stored of event {key[1]!r} of user {key[0]}; it was not removed."
                    )
                    raise DamagedArchiveError(message)
            await archive_store.move_to_archive(tx, {key: entries[key] for key in stored})
        self._advance(moved=len(rows))
        # Servers get half of the time: SQLite has one writer, and does not queue those that wait.
        await asyncio.sleep(time.monotonic() - started)
