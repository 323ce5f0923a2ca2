"""Compare stored rows with what they must be."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any

import msgspec

from headway.courses.completion import NO_EVIDENCE, Completion, Evidence, Rule, decode_evidence
from headway.db.database import Row
from headway.instants import Instant
from headway.learning.study_time import Span
from headway.verify import Difference

_start = itemgetter(0)


def compared(table: str, key: dict[str, int | str], row: Row, expected: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield the columns of a row that are not as expected."""
    for column, value in expected.items():
        if row[column] != value:
            yield Difference(table, key, column, row[column], value)


def compared_evidence(table: str, key: dict[str, int | str], row: Row, expected: Evidence) -> Iterator[Difference]:
    """Yield evidence that is not as expected."""
    if stored_evidence(row) != expected:
        yield Difference(table, key, "metadata", row["metadata"], expected)


def a_time(stored: Instant | None) -> Instant | str:
    """Return a stored time; a phrase for one that is missing."""
    return "a time" if stored is None else stored


def not_before(stored: Instant | None, floor: Instant | None) -> Instant | None:
    """Return the stored time, or the last known activity if that is later; heartbeats leave no other trace."""
    return stored if floor is None or (stored is not None and stored >= floor) else floor


def covers(spans: list[Span], span: Span) -> bool:
    """Return whether a span lies within one of several in order."""
    position = bisect_right(spans, span[0], key=_start) - 1
    return position >= 0 and spans[position][1] >= span[1]


def recorded_rule(row: Row | None) -> Completion | None:
    """Return the rule that a row records as met."""
    if row is None or row["met_rule"] not in list(Rule):
        return None
    return Completion(Rule(row["met_rule"]), row["met_threshold"])


def stored_evidence(row: Row) -> Evidence | None:
    """Return the evidence of a row; None if it cannot be read."""
    try:
        return decode_evidence(row["metadata"])
    except msgspec.DecodeError:
        return None


def declared_evidence(row: Row) -> Evidence:
    """Return what of a unit's evidence does not come from events, without a declaration of nobody."""
    stored = stored_evidence(row) or NO_EVIDENCE
    is_signed = stored.declaration is not None
    return Evidence(
        is_declared_complete=is_signed and stored.is_declared_complete,
        declared_percent=stored.declared_percent if is_signed else None,
        reported_seconds=stored.reported_seconds,
        declaration=stored.declaration,
    )
