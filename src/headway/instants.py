"""Instants and days as integers, the form in which all code below the contracts handles time.

An instant is a whole number of milliseconds since 1970-01-01T00:00:00Z. A day is the number of whole UTC days since then.
"""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TypeAlias

Instant: TypeAlias = int
Milliseconds: TypeAlias = int
Day: TypeAlias = int
Clock: TypeAlias = Callable[[], Instant]
"""A function that returns the current instant; a parameter, so that tests can set it."""

SECOND: Milliseconds = 1_000
MINUTE: Milliseconds = 60_000
HOUR: Milliseconds = 3_600_000
DAY: Milliseconds = 86_400_000

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_BY_NAME = EPOCH.replace(tzinfo=None)
START_OF_TIME: Instant = -2_208_988_800_000
"""1900-01-01T00:00:00Z: earlier times are rejected."""
END_OF_TIME: Instant = 253_370_764_800_000
"""9999-01-01T00:00:00Z: this and later times are rejected, so that every instant can be rendered in any time zone."""
FORM = "must be an RFC 3339 date and time, such as 2026-01-31T12:00:00Z"
RANGE = "must lie between the years 1900 and 9998"

_UNUSUAL = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt ](?P<minute>\d\d:\d\d)"
    r"(?::(?P<second>\d\d)(?P<fraction>[.,]\d+)?)?(?P<offset>[Zz]|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
"""The forms that Python does not read by itself: `t` and `z`, the end of a day as 24:00, and a leap second."""

_SEPARATORS = ("T", "t", " ")


def system_clock() -> Instant:
    """Return the current instant."""
    return time.time_ns() // 1_000_000


class SteadyClock:
    """A clock that goes on where another one is set back: for spans of time of which nothing is stored."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = clock()
        self._lead: Milliseconds = 0

    def __call__(self) -> Instant:
        """Return the time; it is ahead of the other clock by what that was set back."""
        now = self._clock()
        self._lead += max(self._last - now, 0)
        self._last = now
        return now + self._lead


def from_datetime(moment: datetime) -> Instant:
    """Convert a datetime, cut to the millisecond; a naive one is UTC. The result may lie outside the range of `parse`."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - EPOCH
    return since.days * DAY + since.seconds * SECOND + since.microseconds // 1000


def parse(text: str) -> Instant:
    """Read a date and time of ISO 8601, or of RFC 3339 with all it allows; without an offset it is UTC.

    `24:00` and a leap second, 23:59:60 UTC, are the first instant of the next day, as in POSIX. The result is cut to the
    millisecond. Raises ValueError with FORM, or with RANGE for what lies outside START_OF_TIME to END_OF_TIME.
    """
    # A date alone is not an instant, nor is one with an offset that reads like a time.
    if not (text[10:11] in _SEPARATORS or text[8:9] in _SEPARATORS):
        raise ValueError(FORM)
    try:
        instant = from_datetime(datetime.fromisoformat(text))
    except ValueError:
        instant = _parse_unusual(text)
    if not START_OF_TIME <= instant < END_OF_TIME:
        raise ValueError(RANGE)
    return instant


def _parse_unusual(text: str) -> Instant:
    match = _UNUSUAL.fullmatch(text)
    if match is None:
        raise ValueError(FORM)
    minute, second, fraction = match["minute"], match["second"] or "00", match["fraction"] or ""
    later = 0
    if minute == "24:00" and second == "00" and not fraction.strip(".,0"):
        minute, later = "00:00", DAY
    elif second == "60":
        second, later = "59", SECOND
    offset = (match["offset"] or "Z").upper()
    try:
        instant = from_datetime(datetime.fromisoformat(f"{match['date']}T{minute}:{second}{fraction}{offset}"))
    except ValueError:
        raise ValueError(FORM) from None
    if later == SECOND and (instant + SECOND) % DAY >= SECOND:
        # RFC 3339, section 5.7: leap seconds end a day in UTC.
        raise ValueError(FORM)
    return instant + later


def to_datetime(instant: Instant, zone: tzinfo = UTC) -> datetime:
    """Convert to an aware datetime; what lies outside the years 1 to 9999 in the zone becomes the first or last valid instant.

    Only rows that were written by an earlier version can hold such an instant.
    """
    try:
        return (EPOCH + timedelta(milliseconds=instant)).astimezone(zone)
    except OverflowError:
        return to_datetime(_clamped(instant), zone)


def iso(instant: Instant) -> str:
    """Render as ISO 8601 with milliseconds and `Z`, the form every contract sends; clamped like `to_datetime`."""
    try:
        return (_EPOCH_BY_NAME + timedelta(milliseconds=instant)).isoformat(timespec="milliseconds") + "Z"
    except OverflowError:
        return iso(_clamped(instant))


def _clamped(instant: Instant) -> Instant:
    return START_OF_TIME if instant < 0 else END_OF_TIME - 1
