"""Instants and days as integers, the form in which all code below the contracts handles time.

An instant is a whole number of milliseconds since 1970-01-01T00:00:00Z. A day is the number of whole UTC days since then.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
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
END_OF_TIME: Instant = 253_402_214_400_000
"""9999-12-31T00:00:00Z: later times are rejected, so that every instant can be rendered as ISO 8601 in any time zone."""


def system_clock() -> Instant:
    """Return the current instant."""
    return time.time_ns() // 1_000_000


def from_datetime(moment: datetime) -> Instant:
    """Convert a datetime, cut to the millisecond; a naive one is UTC. The result may lie outside 0..END_OF_TIME."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - EPOCH
    return since.days * DAY + since.seconds * SECOND + since.microseconds // 1000


def to_datetime(instant: Instant) -> datetime:
    """Convert to an aware datetime in UTC."""
    return EPOCH + timedelta(milliseconds=instant)


def iso(instant: Instant) -> str:
    """Render as ISO 8601 with milliseconds and `Z`, the form every contract sends."""
    return (_EPOCH_BY_NAME + timedelta(milliseconds=instant)).isoformat(timespec="milliseconds") + "Z"
