"""Study time by day of a time zone, and streaks of days: from the intervals that are stored by UTC day.

A span that crosses a midnight of the zone counts on both days, so in every zone the days add up to the study time.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta, tzinfo
from typing import NamedTuple

from headway.instants import DAY, Day, Instant, Milliseconds, from_datetime, to_datetime
from headway.learning.study_time import Span, union

_NEXT_DAY = timedelta(days=1)


class StudyCalendar(NamedTuple):
    """Study time by day, from `first` to `last`, both included; days without study are not in `by_day`."""

    first: date
    last: date
    by_day: Mapping[date, Milliseconds]

    @property
    def days(self) -> list[tuple[date, Milliseconds]]:
        """Every day with its study time, 0 included, in order."""
        count = (self.last - self.first).days + 1
        days = (self.first + timedelta(days=number) for number in range(count))
        return [(day, self.by_day.get(day, 0)) for day in days]

    @property
    def total(self) -> Milliseconds:
        """The study time of all days."""
        return sum(self.by_day.values())

    @property
    def streak(self) -> int:
        """How many days in a row have study, up to the last one; see `count_streak`."""
        return count_streak(self.by_day, self.last)


def by_local_day(days: Iterable[tuple[Day, Iterable[Iterable[Span]]]], zone: tzinfo) -> dict[date, Milliseconds]:
    """Add up study by day of a zone.

    `days` are (UTC day, the spans of each unit in milliseconds of it) of one course or of several: units of one entry that are
    studied at the same time count once, entries count each, as the study time of courses does.
    """
    studied: dict[date, Milliseconds] = {}
    for day, spans_of_units in days:
        merged = union(span for spans in spans_of_units for span in spans)
        for start, end in merged:
            for local, length in _cut(day * DAY + start, day * DAY + end, zone):
                studied[local] = studied.get(local, 0) + length
    return studied


def local_day(at: Instant, zone: tzinfo) -> date:
    """Return the day of an instant in a zone."""
    return to_datetime(at, zone).date()


def begin_of(day: date, zone: tzinfo) -> Instant:
    """Return the first instant of a day in a zone; where the clock skips midnight, the instant at which it does."""
    return from_datetime(datetime(day.year, day.month, day.day, tzinfo=zone))


def count_streak(studied: Collection[date], today: date) -> int:
    """Count the days in a row with study up to today, or up to yesterday while there is none yet today."""
    day = today if today in studied else today - _NEXT_DAY
    count = 0
    while day in studied:
        count, day = count + 1, day - _NEXT_DAY
    return count


def _cut(start: Instant, end: Instant, zone: tzinfo) -> Iterator[tuple[date, Milliseconds]]:
    """Cut a span at the midnights of a zone."""
    while start < end:
        day = local_day(start, zone)
        # A clock that is set back over midnight ends the later day once more: the rest belongs to it.
        until = max(min(end, begin_of(day + _NEXT_DAY, zone)), start + 1)
        yield day, until - start
        start = until
