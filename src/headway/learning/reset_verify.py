"""Verify resets as they are stored: what one says of itself, and of the progress in the course before it.

Of a reset of the whole course, all that it says of before follows from what was reached in the units, from the events and from
the study days. Of a reset of some units, the progress in the others is not kept, so less of it can be compared.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from headway.courses.completion import COMPLETE, Evidence, Percent, percent_of_course
from headway.courses.grading import GradingHistory
from headway.db.database import Row
from headway.enrollments.status import FINISHED, EnrollmentStatus
from headway.instants import Instant, Milliseconds
from headway.learning.reset_model import Before
from headway.learning.unit_progress import UnitStatus
from headway.verify import Difference

_decode_units = msgspec.json.Decoder(tuple[int, ...]).decode
_decode_before = msgspec.json.Decoder(Before).decode
_CLOSED = frozenset({EnrollmentStatus.DROPPED, EnrollmentStatus.EXPIRED})


class StoredReset(NamedTuple):
    """A reset as far as it can be read."""

    id: int
    counts_from: Instant
    unit_ids: tuple[int, ...] | None
    keeps_study: bool
    before: Before | None

    @classmethod
    def of(cls, row: Row) -> "StoredReset":
        """Return the reset of a row; one whose units cannot be read is of none."""
        try:
            unit_ids = None if row["unit_ids"] is None else _decode_units(row["unit_ids"])
        except msgspec.DecodeError:
            unit_ids = ()
        try:
            before = _decode_before(row["before"])
        except msgspec.DecodeError:
            before = None
        return cls(row["id"], row["counts_from"], unit_ids, bool(row["keeps_study"]), before)

    def concerns(self, unit_id: int) -> bool:
        """Return whether it is of a unit."""
        return self.unit_ids is None or unit_id in self.unit_ids


class Reached(NamedTuple):
    """What was reached before a reset of the whole course, by what is stored beside it."""

    units: Mapping[int, Row]
    metrics: Evidence
    studied: Milliseconds
    """The most that was studied: study that was told after the reset is part of it."""


def row_differences(row: Row, key: Mapping[str, int | str]) -> Iterator[Difference]:
    """Yield what a reset says of itself that does not fit together."""
    reset, of_reset = StoredReset.of(row), {**key, "id": row["id"]}
    whole, unit_id = row["unit_id"] is None and row["module_id"] is None, row["unit_id"]
    if whole != (reset.unit_ids is None) or (unit_id is not None and reset.unit_ids != (unit_id,)):
        yield Difference(
            "resets", of_reset, "unit_ids", row["unit_ids"], "the units that were reset; null for all of the course"
        )
    if row["is_attempt"] and not whole:
        yield Difference("resets", of_reset, "is_attempt", True, "a reset of the whole course")
    if row["counts_from"] < row["reset_at"]:
        yield Difference("resets", of_reset, "counts_from", row["counts_from"], "a time not before the reset")
    if (row["undone_at"] is None) != (row["undone_by"] is None):
        yield Difference("resets", of_reset, "undone_by", row["undone_by"], "who undid it, with the time")
    if reset.before is None:
        yield Difference("resets", of_reset, "before", row["before"], "the enrollment as it was")
    else:
        yield from _unlike(of_reset, reset.before, _consistent(row, reset.before))


def _consistent(row: Row, before: Before) -> dict[str, Any]:
    """Return what of a progress follows from the rest of it. Whoever is reset was active."""
    is_completed = before.completed_at is not None
    finished = before.status if before.status in FINISHED else EnrollmentStatus.COMPLETED
    status = finished if is_completed else EnrollmentStatus.IN_PROGRESS
    return {
        "status": before.status if before.status in _CLOSED else status,
        "percent": min(max(before.percent, 0), COMPLETE),
        "completed_revision": (before.completed_revision or "a revision") if is_completed else None,
        "renewed_at": row["reset_at"] if row["is_attempt"] or before.renewed_at is not None else None,
    }


def before_differences(
    reset: StoredReset, key: Mapping[str, int | str], reached: Reached, history: GradingHistory
) -> Iterator[Difference]:
    """Yield what a reset of the whole course says of before that was not reached."""
    before, of_reset = reset.before, {**key, "id": reset.id}
    if before is None:
        return
    percents = {
        unit_id: COMPLETE if row["status"] == UnitStatus.COMPLETED else row["percent"] for unit_id, row in reached.units.items()
    }
    sums = [_sums(percents, history.required_at(revision)) for revision in history.gradings]
    if (before.percent, before.required_units, before.completed_units) not in sums:
        stored = [before.percent / 100, before.required_units, before.completed_units]
        yield Difference("resets", of_reset, "before.percent", stored, "what the units come to by a revision of the course")
    expected = {"evidence": reached.metrics, "study_ms": min(before.study_ms, reached.studied)}
    yield from _unlike(of_reset, before, expected)
    revision = before.completed_revision
    if revision is not None and not _is_complete(history.required_at(revision), percents):
        yield Difference(
            "resets", of_reset, "before.completed_revision", revision, "a revision whose required units were complete"
        )


def _sums(percents: Mapping[int, Percent], required: Collection[int]) -> tuple[Percent, int, int]:
    counted = [percents.get(unit_id, 0) for unit_id in required]
    return percent_of_course(sum(counted), len(counted)), len(counted), sum(each == COMPLETE for each in counted)


def _is_complete(required: Collection[int], percents: Mapping[int, Percent]) -> bool:
    return bool(required) and all(percents.get(unit_id) == COMPLETE for unit_id in required)


def _unlike(key: dict[str, int | str], before: Before, expected: Mapping[str, Any]) -> Iterator[Difference]:
    for name, value in expected.items():
        if getattr(before, name) != value:
            yield Difference("resets", key, f"before.{name}", getattr(before, name), value)
