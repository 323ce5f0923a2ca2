"""Dates and times as people and spreadsheets write them: 26/11/2026, 5:30 PM; 26.11.26 17:30; 26 Nov 2026, 17:30."""

import re
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import NamedTuple

from headway import instants
from headway.instants import Instant

_TIME = r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d+)?)?\s*(?P<half>[AaPp]\.?[Mm]\.?)?"
_NUMBERS = re.compile(
    rf"(?P<first>\d{{1,2}})(?P<mark>[/.-])(?P<then>\d{{1,2}})(?P=mark)(?P<year>\d{{4}}|\d\d)(?:,?\s+{_TIME})?"
)
_YEAR_FIRST = re.compile(rf"(?P<year>\d{{4}})(?P<mark>[/.])(?P<then>\d{{1,2}})(?P=mark)(?P<first>\d{{1,2}})(?:,?\s+{_TIME})?")
_NAMED = re.compile(
    rf"(?:[A-Za-z]+,\s*)?(?P<first>\d{{1,2}})\.?\s+(?P<month>[A-Za-z]{{3,9}})\.?\s+(?P<year>\d{{4}})(?:,?\s+{_TIME})?"
)
_WITHOUT_YEAR = re.compile(rf"\d{{1,2}}\.?\s+[^\W\d]{{3,}}\.?,\s*{_TIME}")
_SECONDS = re.compile(r"\d{9,10}")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CENTURY = 2000
"""Learning platforms write years of two digits; none is older than this century."""
FORM = "is no date and time that can be read, such as 2026-11-26T17:30:00Z"


class DateOrder(StrEnum):
    """What comes first in a date such as 5/11/2026."""

    DAY = "day"
    MONTH = "month"


class DateForm(NamedTuple):
    """How dates are written that do not say it themselves: in which order, and at the clocks of which time zone."""

    zone: tzinfo
    order: DateOrder | None = None
    """None where no date was seen that tells: 5/11/2026 is refused then, 26/11/2026 is not."""


def parse_moment(text: str, form: DateForm) -> Instant:
    """Read a date, or a date and time, cut to the second where it is not ISO 8601. Raises ValueError with what is wrong."""
    text = " ".join(text.split())
    if _SECONDS.fullmatch(text):
        return int(text) * instants.SECOND
    match = _NUMBERS.fullmatch(text) or _YEAR_FIRST.fullmatch(text) or _NAMED.fullmatch(text)
    if match is None:
        if _WITHOUT_YEAR.fullmatch(text):
            raise ValueError("is a date without a year")
        return _parse_iso(text, form.zone)
    day, month = _day_and_month(match, form.order)
    year = int(match["year"]) + (_CENTURY if len(match["year"]) == 2 else 0)
    try:
        moment = datetime(
            year, month, day, _hour(match), int(match["minute"] or 0), int(match["second"] or 0), tzinfo=form.zone
        )
        return _in_range(instants.from_datetime(moment))
    except (ValueError, OverflowError):
        raise ValueError(FORM) from None


def tells_order(text: str) -> DateOrder | None:
    """Return in which order a date is written, if it cannot be read in the other one."""
    match = _NUMBERS.fullmatch(" ".join(text.split()))
    if match is None or match["mark"] != "/":
        return None
    first, then = int(match["first"]), int(match["then"])
    if first > 12 >= then:
        return DateOrder.DAY
    return DateOrder.MONTH if then > 12 >= first else None


def _parse_iso(text: str, zone: tzinfo) -> Instant:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            return instants.parse(text)
        except ValueError:
            raise ValueError(FORM) from None
    return _in_range(instants.from_datetime(moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)))


def _day_and_month(match: re.Match[str], order: DateOrder | None) -> tuple[int, int]:
    if "month" in match.re.groupindex:
        name = match["month"][:3].lower()
        if name not in _MONTHS:
            raise ValueError("has a name of a month that is not English")
        return int(match["first"]), _MONTHS.index(name) + 1
    first, then = int(match["first"]), int(match["then"])
    if match["mark"] != "/" or match.re is _YEAR_FIRST:
        return first, then
    order = order or tells_order(match[0])
    if order is None and first != then:
        raise ValueError("may be a day and a month or a month and a day: say which, with --dates")
    return (then, first) if order is DateOrder.MONTH else (first, then)


def _hour(match: re.Match[str]) -> int:
    hour = int(match["hour"] or 0)
    if match["half"] is None:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError(FORM)
    return hour % 12 + (12 if match["half"][0] in "pP" else 0)


def _in_range(instant: Instant) -> Instant:
    if not instants.START_OF_TIME <= instant < instants.END_OF_TIME:
        raise ValueError(instants.RANGE)
    return instant
