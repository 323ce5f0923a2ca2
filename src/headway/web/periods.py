"""Periods that filters of pages name: from one day to another, in the viewer's time zone."""

from datetime import date, datetime, time

import msgspec

from headway.errors import Invalid
from headway.instants import Instant, from_datetime
from headway.web.texts import Viewer


class Period(msgspec.Struct):
    """The first and the last day of a period, both included; None is no bound."""

    since: date | None = None
    until: date | None = None

    def bounds(self, viewer: Viewer) -> tuple[Instant | None, Instant | None]:
        """Return when the first day begins and the last one has ended for a viewer. Raises Invalid naming `until`."""
        if self.since is not None and self.until is not None and self.until < self.since:
            raise Invalid.field("until", "must not be before the first day")
        return _begin_of(self.since, viewer), _begin_of(self.until, viewer, days_later=1)


def _begin_of(day: date | None, viewer: Viewer, *, days_later: int = 0) -> Instant | None:
    if day is None:
        return None
    moved = date.fromordinal(min(day.toordinal() + days_later, date.max.toordinal()))
    return from_datetime(datetime.combine(moved, time(), viewer.zone))
