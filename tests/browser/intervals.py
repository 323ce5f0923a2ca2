"""Sets of moments as sorted, disjoint intervals of seconds."""

from collections.abc import Iterable

Interval = tuple[float, float]


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the moments that are in any of the intervals."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif end > start:
            merged.append((start, end))
    return merged


def length(intervals: Iterable[Interval]) -> float:
    return sum(end - start for start, end in intervals)


def difference(left: list[Interval], right: list[Interval]) -> float:
    """Return for how many seconds one of two unions holds a moment that the other does not."""
    both = length(union([*left, *right]))
    return 2 * both - length(left) - length(right)
