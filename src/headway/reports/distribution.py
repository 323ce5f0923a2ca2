"""Distributions: median, quartiles and counts by classes of values."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from headway.instants import HOUR, MINUTE, Milliseconds


class Quartiles(NamedTuple):
    """The values below which a quarter, half and three quarters of all values lie, interpolated between two of them, and the
    smallest and the largest one.
    """

    minimum: float
    lower: float
    median: float
    upper: float
    maximum: float


class ValueClass(NamedTuple):
    """How many values lie from `start` up to but without `end`; the last class has no end."""

    start: float
    end: float | None
    values: int


class Distribution(NamedTuple):
    """How values are spread. Without a value there are no quartiles, and all classes are empty."""

    values: int
    quartiles: Quartiles | None
    classes: list[ValueClass]


STUDY_TIME_STARTS: tuple[Milliseconds, ...] = (
    *(0, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE),
    *(HOUR, 2 * HOUR, 5 * HOUR, 10 * HOUR, 20 * HOUR, 50 * HOUR),
)
"""Where the classes of study time begin."""
SCORE_STARTS = tuple(range(0, 100, 10))
"""Where the classes of scores in percent begin; the last one has 100 in it."""


def distribute(values: Sequence[float], starts: Sequence[float]) -> Distribution:
    """Count values, none of which is below the first start, by the classes that begin with `starts`."""
    ordered = sorted(values)
    places = [bisect_left(ordered, start) for start in starts] + [len(ordered)]
    ends = [*starts[1:], None]
    counts = [after - before for before, after in pairwise(places)]
    classes = [ValueClass(*each) for each in zip(starts, ends, counts, strict=True)]
    return Distribution(len(ordered), quartiles_of(ordered), classes)


def quartiles_of(values: Sequence[float]) -> Quartiles | None:
    """Return the quartiles of values; None without any."""
    ordered = sorted(values)
    if not ordered:
        return None
    return Quartiles(*(_quantile(ordered, quarters) for quarters in range(5)))


def _quantile(ordered: Sequence[float], quarters: int) -> float:
    """Return the value at some quarters of the way from the first to the last one (the inclusive method)."""
    place, rest = divmod(quarters * (len(ordered) - 1), 4)
    if not rest:
        return ordered[place]
    return ordered[place] + (ordered[place + 1] - ordered[place]) * rest / 4
