"""What an enrollment keeps of a learner's way through a course: the weeks with activity, and the units begun and completed.

Both are sets that only grow, merged by union, and stored as short texts with one form for each set. So reports on a course read
one row for each learner, not one for each unit or day.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from headway.instants import Day

Week: TypeAlias = int
"""Whole weeks since Monday, 1900-01-01, in UTC."""
UnitStates: TypeAlias = int
"""Two bits for each unit, by its ordinal: the lower one says that it was begun, the higher one that it is complete."""

_FIRST_MONDAY: Day = -25_567


def week_of(day: Day) -> Week:
    """Return the week of a day."""
    return (day - _FIRST_MONDAY) // 7


def first_day(week: Week) -> Day:
    """Return the Monday of a week."""
    return _FIRST_MONDAY + 7 * week


def read_weeks(text: str) -> list[Week]:
    """Return the weeks in a text, in order. Raises ValueError."""
    return list(_ones(_read_week_bits(text)))


def read_window(text: str, first: Week, length: int) -> int:
    """Return which of some weeks in a row are in a text: a bit for each, the first one lowest. Raises ValueError."""
    bits = _read_week_bits(text) >> first
    return bits & (1 << length) - 1


def add_weeks(text: str, weeks: Iterable[Week]) -> str:
    """Return the text of a set of weeks with some more: the first one and, from it on, a bit for each week, in hexadecimal."""
    bits = _read_week_bits(text)
    for week in weeks:
        bits |= 1 << week
    if not bits:
        return ""
    first = (bits & -bits).bit_length() - 1
    return f"{first:x}:{bits >> first:x}"


def read_states(text: str) -> UnitStates:
    """Return the states in a text. Raises ValueError."""
    return int(text, 16) if text else 0


def write_states(states: UnitStates) -> str:
    """Return the text of states: a number in hexadecimal, and nothing if no unit was begun."""
    return f"{states:x}" if states else ""


def state_bits(ordinal: int, *, is_complete: bool) -> UnitStates:
    """Return the states in which one unit was begun, or is complete."""
    return (3 if is_complete else 1) << 2 * ordinal


def is_begun(states: UnitStates, ordinal: int) -> bool:
    """Return whether a unit was begun."""
    return bool(states >> 2 * ordinal & 1)


def is_completed(states: UnitStates, ordinal: int) -> bool:
    """Return whether a unit is complete."""
    return bool(states >> 2 * ordinal & 2)


def ordinals(unit_ids: Iterable[int]) -> Mapping[int, int]:
    """Number all units of a course, retired ones too, by age: a unit that is added later changes no other's number."""
    return {unit_id: number for number, unit_id in enumerate(sorted(unit_ids))}


def _read_week_bits(text: str) -> int:
    if not text:
        return 0
    first, bits = text.split(":")
    return int(bits, 16) << int(first, 16)


def _ones(bits: int) -> Iterator[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest
