"""Resets, and the progress from before them, as rows. Reasons are encrypted under the keys of the learners."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import bindparam, select

from headway.courses.completion import Completion, Rule, decode_evidence, encode_evidence
from headway.db.database import ReadTransaction, Row, RowsToWrite, WriteTransaction
from headway.db.dialects import DeleteRows, UpdateRows, WriteRows
from headway.db.personal_keys import PersonalTexts, reader, texts_for
from headway.enrollments.model import LearnerInCourse
from headway.learning.reset_model import Before, EarlierUnit, Reset
from headway.learning.tables import earlier_progress, resets
from headway.learning.unit_progress import UnitStatus

_FIELDS = Reset.__struct_fields__
_encode = msgspec.json.Encoder().encode
_read_units = msgspec.json.Decoder(tuple[int, ...]).decode
_read_before = msgspec.json.Decoder(Before).decode
_insert = WriteRows(resets, _FIELDS)
_undo = UpdateRows(resets, ["undone_at", "undone_by"])
_of_learner = (
    select(*(resets.c[name] for name in _FIELDS))
    .where(resets.c.user_id == bindparam("of_user"), resets.c.course_id == bindparam("in_course"))
    .order_by(resets.c.counts_from.desc())
)
_EARLIER = [
    *("user_id", "course_id", "reset_id", "unit_id", "status", "percent", "study_ms", "metadata", "client_metadata"),
    *("completed_at", "met_rule", "met_threshold"),
]
_insert_earlier = WriteRows(earlier_progress, _EARLIER)
_delete_earlier = DeleteRows(earlier_progress)
_earlier = (
    select(*(earlier_progress.c[name] for name in _EARLIER))
    .where(earlier_progress.c.user_id == bindparam("of_user"), earlier_progress.c.course_id == bindparam("in_course"))
    .order_by(earlier_progress.c.reset_id, earlier_progress.c.unit_id)
)


async def list_resets(tx: ReadTransaction, learner: LearnerInCourse) -> list[Reset]:
    """Read the resets of a learner in a course, undone ones too, the newest first."""
    user_id, course_id = learner
    found = await tx.all(_of_learner, of_user=user_id, in_course=course_id)
    personal = await reader(tx, [row["reason"] for row in found])
    return [_reset_of(personal, row) for row in found]


async def reset_rows(tx: WriteTransaction, reset: Reset) -> RowsToWrite:
    """Return the row of a new reset; its id is one of `new_id`."""
    values = {name: getattr(reset, name) for name in _FIELDS}
    values["unit_ids"] = None if reset.unit_ids is None else _encode(reset.unit_ids).decode()
    values["before"] = _encode(reset.before).decode()
    if reset.reason is not None:
        values["reason"] = (await texts_for(tx, (reset.user_id,))).encrypt(reset.reason, (reset.user_id,))
    return _insert, [tuple(values[name] for name in _FIELDS)]


async def new_id(tx: WriteTransaction) -> int:
    """Return an id for a new reset."""
    return (await tx.new_ids(resets, 1))[0]


def undone_rows(reset: Reset) -> RowsToWrite:
    """Return what notes that a reset was undone."""
    return _undo, [(reset.undone_at, reset.undone_by, reset.user_id, reset.course_id, reset.id)]


def earlier_rows(reset: Reset, units: Sequence[EarlierUnit]) -> RowsToWrite:
    """Return the rows of what was reached before a reset."""
    return _insert_earlier, [
        (
            *(reset.user_id, reset.course_id, reset.id, each.unit_id, each.status.value, each.percent, each.study_ms),
            *(encode_evidence(each.evidence), each.client_metadata, each.completed_at),
            *((None, None) if each.met is None else (each.met.rule.value, each.met.threshold)),
        )
        for each in units
    ]


def forget_earlier(reset: Reset, units: Sequence[EarlierUnit]) -> RowsToWrite:
    """Return what deletes what was reached before a reset, which is undone."""
    return _delete_earlier, [(reset.user_id, reset.course_id, reset.id, each.unit_id) for each in units]


async def read_earlier(tx: ReadTransaction, learner: LearnerInCourse) -> dict[int, list[EarlierUnit]]:
    """Read what a learner had reached in a course before each reset, by its id."""
    user_id, course_id = learner
    found: dict[int, list[EarlierUnit]] = {}
    for row in await tx.all(_earlier, of_user=user_id, in_course=course_id):
        found.setdefault(row["reset_id"], []).append(_earlier_of(row))
    return found


def _reset_of(personal: PersonalTexts, row: Row) -> Reset:
    values = {name: row[name] for name in _FIELDS}
    values["unit_ids"] = None if row["unit_ids"] is None else _read_units(row["unit_ids"])
    values["before"] = _read_before(row["before"])
    values["reason"] = personal.text_if(row["reason"])
    values["keeps_study"], values["is_attempt"] = bool(row["keeps_study"]), bool(row["is_attempt"])
    return Reset(**values)


def _earlier_of(row: Row) -> EarlierUnit:
    return EarlierUnit(
        row["unit_id"],
        UnitStatus(row["status"]),
        row["percent"],
        row["study_ms"],
        decode_evidence(row["metadata"]),
        row["client_metadata"],
        row["completed_at"],
        None if row["met_rule"] is None else Completion(Rule(row["met_rule"]), row["met_threshold"]),
    )
