"""The archives of events, what is kept of the ids of archived events, and the events that are to be archived, as rows."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, Text, and_, bindparam, exists, insert, select, tuple_, update

from headway.db.database import Database, ReadTransaction, Row, WriteTransaction
from headway.db.dialects import DeleteRows, WriteRows, rows
from headway.db.types import Id
from headway.instants import Instant
from headway.learning import archived_ids
from headway.learning.archived_ids import Chunk
from headway.learning.store import EVENT_COLUMNS, EventKey, EventRow
from headway.learning.tables import archived_ids as ids
from headway.learning.tables import archives
from headway.learning.tables import learner_activity_logs as events
from headway.learning.verify_store import Learners

_IS_SHIFTED = EVENT_COLUMNS.index("is_shifted")
_columns = [events.c[name] for name in EVENT_COLUMNS]
_key = tuple_(events.c.user_id, events.c.event_id)


def _key_named(name: str) -> ColumnElement[Any]:
    return tuple_(bindparam(f"{name}_user", type_=Id), bindparam(f"{name}_event", type_=Text()))


# A page is bounded by the events that it looks at, not by those that are old: no statement takes long.
_last_of_page = (
    select(events.c.user_id, events.c.event_id)
    .where(_key > _key_named("after"))
    .order_by(events.c.user_id, events.c.event_id)
    .offset(bindparam("others"))
    .limit(1)
)
_page = (
    select(*_columns)
    .where(_key > _key_named("after"), _key <= _key_named("until"))
    .order_by(events.c.user_id, events.c.event_id)
)
_old_events = _page.where(events.c.received_at < bindparam("before", type_=events.c.received_at.type))
_occurred = _page.where(
    events.c.occurred_at >= bindparam("occurred_from", type_=events.c.occurred_at.type),
    events.c.occurred_at < bindparam("occurred_before", type_=events.c.occurred_at.type),
)
_occurred_in_course = _occurred.where(events.c.course_id == bindparam("in_course"))
_keys = rows("keys", {"user_id": Id, "event_id": Text()})
_same_key = and_(events.c.user_id == _keys.c.user_id, events.c.event_id == _keys.c.event_id)
_stored = select(*_columns).select_from(_keys).join(events, _same_key)
_remove = DeleteRows(events)

_hashes = rows("keys", {"user_id": Id, "event_id": Text(), "id_hash": ids.c.first.type})
_chunks = select(
    _hashes.c.user_id,
    _hashes.c.event_id,
    select(ids.c.entries)
    .where(ids.c.user_id == _hashes.c.user_id, ids.c.first <= _hashes.c.id_hash)
    .order_by(ids.c.first.desc())
    .limit(1)
    .scalar_subquery()
    .label("entries"),
)
_write_chunks = WriteRows(ids, ["user_id", "first", "entries"], update=["entries"])
_chunks_of_learners = (
    select(ids.c.user_id, ids.c.first, ids.c.entries)
    .where(ids.c.user_id > bindparam("after", type_=Id), ids.c.user_id <= bindparam("until", type_=Id))
    .order_by(ids.c.user_id, ids.c.first)
)
_archives = select(archives).order_by(archives.c.created_at, archives.c.id)
_is_archiving = select(exists(select(archives.c.id).where(archives.c.removed_at.is_(None))).label("is"))
_add_archive = insert(archives)
_finish_archive = (
    update(archives)
    .where(archives.c.id == bindparam("archive"))
    .values(removed_at=bindparam("at", type_=archives.c.removed_at.type))
)


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """A file of archived events, sorted by learner and event."""

    id: str
    file: str
    """The path of the file when it was written."""
    events: int
    size_bytes: int
    sha256: str
    """Of the file."""
    rows_sha256: str
    """Of the rows as they were stored: their `ArchiveSummary` in the order of the file."""
    first_user_id: int
    last_user_id: int
    received_from: Instant
    received_until: Instant
    created_at: Instant
    removed_at: Instant | None = None
    """When the last of its events had left the table; None while they may be in both places."""
    forgotten: int = 0
    """How many of its first events retention has forgotten; the file goes when it is all of them."""

    @property
    def is_forgotten(self) -> bool:
        """Whether nothing of it counts any more."""
        return self.forgotten == self.events


async def read_archives(tx: ReadTransaction) -> list[Archive]:
    """Read all archives, the oldest first."""
    return [Archive(**{name: row[name] for name in Archive.__struct_fields__}) for row in await tx.all(_archives)]


async def hold(tx: WriteTransaction) -> bool:
    """Keep archives from being added until the transaction ends; return whether one is unfinished."""
    await tx.lock_names(["archives"])
    return bool((await tx.one(_is_archiving))["is"])


async def add_archive(tx: WriteTransaction, archive: Archive) -> None:
    """Store a new archive."""
    await tx.run(_add_archive, **msgspec.structs.asdict(archive))


async def finish_archive(tx: WriteTransaction, archive_id: str, now: Instant) -> None:
    """Note that all events of an archive have left the table."""
    await tx.run(_finish_archive, archive=archive_id, at=now)


def old_events(database: Database, before: Instant, *, page_size: int) -> AsyncIterator[list[EventRow]]:
    """Yield the events that were received before an instant, in the order of their keys.

    Each page is what is old among `page_size` events, and is read in a transaction of its own.
    """
    return _pages(database, _old_events, page_size, before=before)


def events_between(
    database: Database, since: Instant, until: Instant, course_id: int | None, *, page_size: int
) -> AsyncIterator[list[EventRow]]:
    """Yield the events that occurred from an instant until before another one, of a course or of all, as `old_events` does."""
    if course_id is None:
        return _pages(database, _occurred, page_size, occurred_from=since, occurred_before=until)
    return _pages(database, _occurred_in_course, page_size, occurred_from=since, occurred_before=until, in_course=course_id)


async def _pages(database: Database, statement: Select[Any], page_size: int, **params: Any) -> AsyncIterator[list[EventRow]]:
    after: EventKey | None = (-(2**63), "")
    while after is not None:
        async with database.read() as tx:
            last = await tx.first(_last_of_page, after_user=after[0], after_event=after[1], others=page_size - 1)
            until = (2**63 - 1, "") if last is None else (last[0], last[1])
            found = await tx.all(
                statement,
                after_user=after[0],
                after_event=after[1],
                until_user=until[0],
                until_event=until[1],
                **params,
            )
        yield [event_row_of(row) for row in found]
        after = None if last is None else until


async def stored_events(tx: ReadTransaction, keys: Sequence[EventKey]) -> dict[EventKey, EventRow]:
    """Read those of these events that are in the table."""
    found = map(event_row_of, await tx.all(_stored, keys=keys))
    return {(row[0], row[1]): row for row in found}


async def find_archived(tx: ReadTransaction, keys: Collection[EventKey]) -> dict[EventKey, bytes]:
    """Return what is kept of those of these events that were archived; see `archived_ids.repeats`.

    Call it after the table of events was searched, in the same transaction: events move to the archive and never back.
    """
    found = {}
    for (user_id, event_id), chunk in (await _read_chunks(tx, keys)).items():
        entry = archived_ids.find(chunk, event_id)
        if entry is not None:
            found[user_id, event_id] = entry
    return found


async def move_to_archive(tx: WriteTransaction, moved: Mapping[EventKey, bytes]) -> None:
    """Remove events from the table and keep their entries."""
    chunks = await _read_chunks(tx, moved)
    new: dict[tuple[int, bytes], list[bytes]] = defaultdict(list)
    for key, entry in moved.items():
        new[key[0], chunks.get(key, b"")].append(entry)
    merged = [(user_id, *part) for (user_id, chunk), entries in new.items() for part in archived_ids.merge(chunk, entries)]
    await tx.write_rows((_write_chunks, merged), (_remove, sorted(moved)))


async def chunks_of(tx: ReadTransaction, learners: Learners) -> dict[int, list[Chunk]]:
    """Read the chunks of those of these learners that have any, in order."""
    found: dict[int, list[Chunk]] = defaultdict(list)
    for row in await tx.all(_chunks_of_learners, after=learners.after, until=learners.until):
        found[row["user_id"]].append(Chunk(row["first"], bytes(row["entries"])))
    return found


async def _read_chunks(tx: ReadTransaction, keys: Iterable[EventKey]) -> dict[EventKey, bytes]:
    """Return, by event, the chunk in which its entry is or would be; events before the first chunk of a learner have none."""
    found = await tx.all(_chunks, keys=[(*key, archived_ids.id_hash(key[1])) for key in sorted(keys)])
    return {(row[0], row[1]): bytes(row[2]) for row in found if row[2] is not None}


def event_row_of(row: Row) -> EventRow:
    """Return an event as it was stored."""
    values = list(row)
    # SQLite has no booleans.
    values[_IS_SHIFTED] = bool(values[_IS_SHIFTED])
    return tuple(values)
