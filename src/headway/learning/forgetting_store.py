"""Forgets events by their age. Their ids are kept, so that a repetition stays a duplicate, and what they add to progress.

The residue of a unit is the evidence of all forgotten events in it together. Evidence merges by union and maximum, so the
residue and the events that are left lead to the same progress as all events did, and `verify` goes on to compare exactly.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

import msgspec
from sqlalchemy import ColumnElement, Text, and_, bindparam, delete, func, select, tuple_, update

from headway.courses.completion import NO_EVIDENCE, Evidence, decode_evidence, encode_evidence
from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import DeleteRows, WriteRows, lookup, rows
from headway.db.forgetting import Forgotten, Found
from headway.db.types import Id
from headway.errors import OperatorError
from headway.instants import Instant
from headway.learning import archive_files, archive_store, archived_ids
from headway.learning.archive_files import ArchiveReader, DamagedArchiveError
from headway.learning.archive_store import Archive
from headway.learning.recorded_events import evidence_of
from headway.learning.store import COURSE_ALONE, EVENT_COLUMNS, EventKey, EventRow, content_of
from headway.learning.tables import archives, event_residues, forgotten_events, resets, uncounted_events
from headway.learning.tables import learner_activity_logs as events
from headway.learning.verify_store import Learners

_AT_ONCE = 500
_decode_units = msgspec.json.Decoder(tuple[int, ...]).decode
_LOOKED_AT = 5_000
_RECEIVED_AT = events.c.received_at
_columns = [events.c[name] for name in EVENT_COLUMNS]
_before: ColumnElement[Any] = bindparam("before", type_=_RECEIVED_AT.type)
_old = select(
    func.count().label("number"), func.min(_RECEIVED_AT).label("oldest"), func.max(_RECEIVED_AT).label("newest")
).where(_before > _RECEIVED_AT)
_old_archives = select(
    func.coalesce(func.sum(archives.c.events - archives.c.forgotten), 0).label("number"),
    func.min(archives.c.received_from).label("oldest"),
    func.max(archives.c.received_until).label("newest"),
).where(archives.c.received_until < _before)
_key = tuple_(events.c.user_id, events.c.event_id)
_after = tuple_(bindparam("after_user", type_=Id), bindparam("after_event", type_=Text()))
_until = tuple_(bindparam("until_user", type_=Id), bindparam("until_event", type_=Text()))
_last_looked_at = (
    select(events.c.user_id, events.c.event_id)
    .where(_key > _after)
    .order_by(events.c.user_id, events.c.event_id)
    .offset(_LOOKED_AT - 1)
    .limit(1)
)
_old_page = (
    select(*_columns)
    .where(_key > _after, _key <= _until, _before > _RECEIVED_AT)
    .order_by(events.c.user_id, events.c.event_id)
    .limit(_AT_ONCE)
    .with_for_update()
)
_is_oldest = and_(archives.c.received_until < _before, archives.c.removed_at.is_not(None))
_next_archive = select(archives).where(_is_oldest).order_by(archives.c.created_at, archives.c.id).limit(1).with_for_update()
_advance = (
    update(archives)
    .where(archives.c.id == bindparam("archive"))
    .values(forgotten=bindparam("to_forgotten", type_=archives.c.forgotten.type))
)
_delete_archive = delete(archives).where(archives.c.id == bindparam("archive"))
_KEY = ("user_id", "course_id", "unit_id", "since")
_keys = rows("keys", {name: event_residues.c[name].type for name in _KEY})
_same = and_(*(event_residues.c[name] == _keys.c[name] for name in _KEY))
_learners = rows("learners", {"user_id": Id, "course_id": Id})
_resets = select(resets.c.user_id, resets.c.course_id, resets.c.unit_ids, resets.c.counts_from).select_from(
    lookup(
        _learners,
        resets,
        and_(
            resets.c.user_id == _learners.c.user_id, resets.c.course_id == _learners.c.course_id, resets.c.undone_at.is_(None)
        ),
    )
)
_residues = select(*event_residues.c).select_from(lookup(_keys, event_residues, _same, is_locking=True))
_write_residues = WriteRows(
    event_residues,
    [*_KEY, "metadata", "is_begun", "last_at"],
    update=["metadata", "is_begun", "last_at"],
)
_ids = rows("ids", {"user_id": Id})
_sums = select(forgotten_events.c.user_id, forgotten_events.c.events, forgotten_events.c.entries).select_from(
    lookup(_ids, forgotten_events, forgotten_events.c.user_id == _ids.c.user_id, is_locking=True)
)
_write_sums = WriteRows(forgotten_events, ["user_id", "events", "entries"], update=["events", "entries"])
_forget_uncounted = DeleteRows(uncounted_events)
_uncounted_keys = rows("keys", {"user_id": Id, "course_id": Id, "unit_id": Id, "event_id": Text()})
_uncounted = select(uncounted_events.c.user_id, uncounted_events.c.event_id).select_from(
    lookup(
        _uncounted_keys,
        uncounted_events,
        and_(*(column == _uncounted_keys.c[column.name] for column in uncounted_events.primary_key)),
        # Whoever undoes a reset at the same time takes the same rows.
        is_locking=True,
    )
)


def _among(column: ColumnElement[Any]) -> ColumnElement[bool]:
    return and_(column > bindparam("after", type_=Id), column <= bindparam("until", type_=Id))


_all_residues = select(event_residues).where(_among(event_residues.c.user_id))
_all_sums = select(forgotten_events).where(_among(forgotten_events.c.user_id))
_total = select(func.coalesce(func.sum(forgotten_events.c.events), 0).label("events"))


class Sums(NamedTuple):
    """What is kept of how many events of a learner were forgotten: their number, and the sum of what is kept of their ids."""

    events: int = 0
    entries: int = 0


_ResidueKey: TypeAlias = tuple[int, int, int, Instant]
"""(user, course, unit, since)."""


class _Residue(NamedTuple):
    evidence: Evidence
    is_begun: bool
    last_at: Instant


class OldEvents:
    """Events in the table and in archives. An archive is forgotten, with its file, when its newest event is old enough."""

    name = "events"

    async def find(self, tx: ReadTransaction, before: Instant) -> Found:
        """Count the events that were received before an instant."""
        stored, archived = await tx.one(_old, before=before), await tx.one(_old_archives, before=before)
        oldest = [each["oldest"] for each in (stored, archived) if each["oldest"] is not None]
        newest = [each["newest"] for each in (stored, archived) if each["newest"] is not None]
        count = int(stored["number"]) + int(archived["number"])
        return Found(count, min(oldest, default=None), max(newest, default=None))

    async def forget(self, tx: WriteTransaction, before: Instant, place: Any | None) -> Forgotten:
        """Forget some events of the table, and after the last one some of an archive. Raises OperatorError, OSError."""
        if await archive_store.hold(tx):
            raise OperatorError("An archive is not finished: run `headway events archive` again first.")
        if place == _ARCHIVES:
            return await _forget_archived(tx, before)
        after_user, after_event = place or (-(2**63), "")
        after = {"after_user": after_user, "after_event": after_event}
        last = await tx.first(_last_looked_at, **after)
        until = (2**63 - 1, "") if last is None else (last["user_id"], last["event_id"])
        found = [
            _event_row(row)
            for row in await tx.all(_old_page, **after, until_user=until[0], until_event=until[1], before=before)
        ]
        if found:
            await _leave_residues(tx, found)
            entries = {(row[0], row[1]): archived_ids.entry_of(row[1], content_of(row)) for row in found}
            await archive_store.move_to_archive(tx, entries)
            await _count(tx, entries)
        if len(found) == _AT_ONCE:
            return Forgotten(len(found), (found[-1][0], found[-1][1]))
        return Forgotten(len(found), _ARCHIVES if last is None else until)


_ARCHIVES = "archives"
"""The place of the archives, after all events of the table."""


async def count_forgotten(tx: ReadTransaction) -> int:
    """Count the events that were forgotten."""
    return int((await tx.one(_total))["events"])


async def read_residues(tx: ReadTransaction, learners: Learners) -> Sequence[Row]:
    """Read what is left of the forgotten events of some learners."""
    return await tx.all(_all_residues, after=learners.after, until=learners.until)


async def read_sums(tx: ReadTransaction, learners: Learners) -> dict[int, Sums]:
    """Read how many events of some learners were forgotten."""
    found = await tx.all(_all_sums, after=learners.after, until=learners.until)
    return {row["user_id"]: Sums(row["events"], int(row["entries"])) for row in found}


async def _forget_archived(tx: WriteTransaction, before: Instant) -> Forgotten:
    """Forget a row group of the oldest archive, or the archive, once nothing of it is left."""
    row = await tx.first(_next_archive, before=before)
    if row is None:
        return Forgotten(0, None)
    archive = Archive(**{name: row[name] for name in Archive.__struct_fields__})
    path, forgotten = Path(archive.file), archive.forgotten
    if archive.is_forgotten:
        # The file goes before its row: a run that is killed in between finds no file, and goes on.
        archive_files.remove(archive)
        await tx.run(_delete_archive, archive=archive.id)
        return Forgotten(0, _ARCHIVES)
    if not forgotten:
        archive_files.check_file(archive, path)
    found = _rows_from(path, forgotten)
    if not found:
        raise DamagedArchiveError(f"{path} has fewer events than were written to it.")
    await _leave_residues(tx, found)
    await _count(tx, {(each[0], each[1]): archived_ids.entry_of(each[1], content_of(each)) for each in found})
    await tx.run(_advance, archive=archive.id, to_forgotten=forgotten + len(found))
    return Forgotten(len(found), _ARCHIVES)


def _rows_from(path: Path, start: int) -> list[EventRow]:
    """Return some rows of a file, the first of which is that with the number `start`."""
    with closing(ArchiveReader(path)) as reader:
        first = 0
        for group, size in enumerate(reader.sizes):
            if start < first + size:
                return reader.rows(group)[start - first :][:_AT_ONCE]
            first += size
    return []


async def _leave_residues(tx: WriteTransaction, forgotten: Sequence[EventRow]) -> None:
    """Add the evidence of events to the residues of their units; what lay outside of their times does not count for good."""
    named = [cast("Row", dict(zip(EVENT_COLUMNS, row, strict=True))) for row in forgotten]
    uncounted_keys = [(row["user_id"], row["course_id"], row["unit_id"] or COURSE_ALONE, row["event_id"]) for row in named]
    uncounted = {(row["user_id"], row["event_id"]) for row in await tx.all(_uncounted, keys=uncounted_keys)}
    keys = await _residue_keys(tx, named)
    left: dict[_ResidueKey, _Residue] = {}
    for row in await tx.all(_residues, keys=sorted(set(keys))):
        left[row["user_id"], row["course_id"], row["unit_id"], row["since"]] = _residue_of(row)
    for key, row in zip(keys, named, strict=True):
        known = left.get(key, _Residue(NO_EVIDENCE, is_begun=False, last_at=row["occurred_at"]))
        counts = (row["user_id"], row["event_id"]) not in uncounted
        left[key] = _Residue(
            known.evidence.merge(evidence_of(row)) if counts else known.evidence,
            known.is_begun or counts,
            max(known.last_at, row["occurred_at"]),
        )
    rows_left = [(*key, encode_evidence(each.evidence), each.is_begun, each.last_at) for key, each in sorted(left.items())]
    gone = sorted(key for key in uncounted_keys if (key[0], key[3]) in uncounted)
    await tx.write_rows((_write_residues, rows_left), *([(_forget_uncounted, gone)] if gone else []))


async def _residue_keys(tx: WriteTransaction, forgotten: Sequence[Row]) -> list[_ResidueKey]:
    """Return for each event in which residue it goes: events on both sides of a reset that is not undone stay apart.

    They are kept by the reset before them. One that comes later lies after all of them, whether it is known by now or not.
    """
    learners = sorted({(row["user_id"], row["course_id"]) for row in forgotten})
    borders: dict[tuple[int, int], list[tuple[Instant, tuple[int, ...] | None]]] = defaultdict(list)
    for row in await tx.all(_resets, learners=learners):
        unit_ids = None if row["unit_ids"] is None else _decode_units(row["unit_ids"])
        borders[row["user_id"], row["course_id"]].append((row["counts_from"], unit_ids))
    keys = []
    for row in forgotten:
        unit_id, at = row["unit_id"] or COURSE_ALONE, row["occurred_at"]
        earlier = [
            border
            for border, unit_ids in borders[row["user_id"], row["course_id"]]
            if border <= at and (unit_ids is None or unit_id in unit_ids)
        ]
        keys.append((row["user_id"], row["course_id"], unit_id, max(earlier, default=0)))
    return keys


async def _count(tx: WriteTransaction, entries: Mapping[EventKey, bytes]) -> None:
    """Count forgotten events, and add up what is kept of their ids, by learner."""
    added: dict[int, Sums] = defaultdict(Sums)
    for (user_id, _), entry in entries.items():
        known = added[user_id]
        added[user_id] = Sums(known.events + 1, known.entries + int.from_bytes(entry))
    for row in await tx.all(_sums, ids=[(user_id,) for user_id in sorted(added)]):
        more = added[row["user_id"]]
        added[row["user_id"]] = Sums(row["events"] + more.events, int(row["entries"]) + more.entries)
    await tx.write_rows((_write_sums, [(user_id, each.events, str(each.entries)) for user_id, each in sorted(added.items())]))


def _residue_of(row: Row) -> _Residue:
    return _Residue(decode_evidence(row["metadata"]), bool(row["is_begun"]), row["last_at"])


def _event_row(row: Row) -> EventRow:
    return archive_store.event_row_of(row)
