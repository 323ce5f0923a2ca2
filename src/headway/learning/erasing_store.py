"""What an erasure takes from learning: what clients wrote beside events and units, and ids of events that are no UUIDs.

Times, percents and scores stay.

Progress and study time follow from what stays, so `headway verify` recomputes them as before.
"""

from typing import Any

import msgspec
from sqlalchemy import BindParameter, Table, Text, Update, and_, bindparam, delete, null, or_, select, update

from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.dialects import UpdateRows, rows
from headway.db.types import Id
from headway.errors import Conflict
from headway.ids import NewId
from headway.learning import archive_store, archived_ids
from headway.learning.model import ActivityType
from headway.learning.reset_model import Before
from headway.learning.tables import archived_ids as archived_ids_table
from headway.learning.tables import (
    client_clocks,
    earlier_progress,
    forgotten_events,
    learner_activity_logs,
    resets,
    uncounted_events,
    unit_progress,
)

_SCORES = ("score", "max_score")
"""All of an event's metadata that a completion rule reads."""

_of_user: BindParameter[int] = bindparam("of_user", type_=Id)
_events = learner_activity_logs.c
_is_quiz = _events.activity_type == ActivityType.QUIZ_SUBMIT.value
_quizzes = select(_events.user_id, _events.event_id, _events.metadata).where(
    _events.user_id == _of_user, _is_quiz, _events.metadata.is_not(None)
)
_keep_scores = UpdateRows(learner_activity_logs, ["metadata"])
_strip = (
    update(learner_activity_logs)
    .where(_events.user_id == _of_user, ~_is_quiz, or_(_events.metadata.is_not(None), _events.session_id.is_not(None)))
    .values(metadata=null(), session_id=null())
)
_strip_sessions = (
    update(learner_activity_logs)
    .where(_events.user_id == _of_user, _is_quiz, _events.session_id.is_not(None))
    .values(session_id=null())
)
_units = (
    update(unit_progress)
    .where(and_(unit_progress.c.user_id == _of_user, unit_progress.c.client_metadata.is_not(None)))
    .values(client_metadata=null())
)
_earlier = (
    update(earlier_progress)
    .where(earlier_progress.c.user_id == _of_user, earlier_progress.c.client_metadata.is_not(None))
    .values(client_metadata=null())
)
_resets = select(resets.c.before, resets.c.user_id, resets.c.course_id, resets.c.id).where(resets.c.user_id == _of_user)
_strip_resets = UpdateRows(resets, ["reason", "before"])
_UUID = "-".join("_" * length for length in (8, 4, 4, 4, 12))
_named = select(_events.event_id).where(_events.user_id == _of_user, _events.event_id.not_like(_UUID))
_renamed = rows("renamed", {"user_id": Id, "event_id": Text(), "new_id": Text()})


def _rename(table: Table) -> Update:
    is_it = and_(table.c.user_id == _renamed.c.user_id, table.c.event_id == _renamed.c.event_id)
    return update(table).where(is_it).values(event_id=_renamed.c.new_id)


_renames = [_rename(learner_activity_logs), _rename(uncounted_events)]
_archived = select(archived_ids_table.c.entries).where(archived_ids_table.c.user_id == _of_user)
_forgotten = select(forgotten_events.c.events).where(forgotten_events.c.user_id == _of_user)
_clocks = delete(client_clocks).where(client_clocks.c.user_id == _of_user)


async def hold_archives(tx: WriteTransaction) -> None:
    """Wait for others who change archives, first of all. Raises Conflict ARCHIVE_UNFINISHED.

    A file that is being written holds events as they are, and they are removed from the table when they are the same there.
    """
    if await archive_store.hold(tx):
        message = (
            "Events are being archived: try again after that, or run `headway events archive` again if it was interrupted."
        )
        raise Conflict(message, code="ARCHIVE_UNFINISHED")


async def count_archived(tx: ReadTransaction, user_id: int) -> int:
    """Count the events of a user that are in files of archives, with what clients wrote beside them."""
    kept = await tx.all(_archived, of_user=user_id)
    forgotten = await tx.first(_forgotten, of_user=user_id)
    entries = sum(len(row["entries"]) for row in kept) // archived_ids.ENTRY_BYTES
    return entries - (0 if forgotten is None else int(forgotten["events"]))


async def erase(tx: WriteTransaction, user_id: int, new_id: NewId) -> dict[str, int]:
    """Remove the metadata and the session ids of events, but for the scores of quizzes, and what clients keep with units.

    Clients make up ids of events, so those that are no UUIDs are replaced.

    Of resets, why staff made them, and where the certificate was.
    """
    quizzes = [(row, _scores(row["metadata"])) for row in await tx.all(_quizzes, of_user=user_id)]
    changed = [(kept, row["user_id"], row["event_id"]) for row, kept in quizzes if kept != row["metadata"]]
    await tx.write_rows((_keep_scores, changed))
    await tx.run(_strip_sessions, of_user=user_id)
    renamed = [(user_id, row["event_id"], new_id()) for row in await tx.all(_named, of_user=user_id)]
    for statement in _renames if renamed else ():
        await tx.run(statement, renamed=renamed)
    stripped = await tx.run(_strip, of_user=user_id)
    units = await tx.run(_units, of_user=user_id)
    await tx.run(_earlier, of_user=user_id)
    undoable = [(None, _without_certificate(before), *key) for before, *key in await tx.all(_resets, of_user=user_id)]
    await tx.write_rows((_strip_resets, undoable))
    await tx.run(_clocks, of_user=user_id)
    return {"eventsStripped": stripped + len(changed), "unitsStripped": units}


def _without_certificate(before: str) -> str:
    stripped = msgspec.structs.replace(msgspec.json.decode(before, type=Before), certificate_url=None)
    return msgspec.json.encode(stripped).decode()


def _scores(metadata: str) -> str | None:
    given: dict[str, Any] = msgspec.json.decode(metadata)
    kept = {name: given[name] for name in _SCORES if isinstance(given.get(name), (int, float))}
    return msgspec.json.encode(kept, order="sorted").decode() if kept else None
