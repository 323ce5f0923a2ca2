"""The orders of lists of enrollments, and the parts from which their pages are read."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from headway.enrollments.statistics import BANDS
from headway.enrollments.status import EnrollmentStatus


class Sort(StrEnum):
    """The sort keys of a list of enrollments."""

    PERCENT = "percent"
    ENROLLED_AT = "enrolled_at"
    COMPLETED_AT = "completed_at"
    NAME = "name"
    LAST_ACTIVITY = "last_activity_at"
    LEARNER = "user_id"

    @property
    def has_index(self) -> bool:
        """Whether pages come from an index: names are of another table, and nearly every event changes the last activity."""
        return self not in {Sort.NAME, Sort.LAST_ACTIVITY, Sort.LEARNER}


class Order(NamedTuple):
    """Enrollments of which statuses, and in which order; where what they are sorted by is equal, in that of their learners."""

    statuses: tuple[EnrollmentStatus, ...]
    sort: Sort
    is_descending: bool


class Listed(NamedTuple):
    """Which enrollments of a course to list, of some statuses and names or of all, and in which order; None is by learner."""

    statuses: Sequence[EnrollmentStatus] = ()
    name: str | None = None
    sort: Sort | None = None
    is_descending: bool = False

    @property
    def order(self) -> Order:
        """The order, with the statuses."""
        return Order(tuple(self.statuses or EnrollmentStatus), self.sort or Sort.LEARNER, self.is_descending)


ALL_BY_LEARNER = Listed()


class Part(NamedTuple):
    """A part of a list, and how many enrollments it has."""

    size: int
    has_date: bool | None = None
    """Those with a date to be sorted by, or those without one; None for both."""
    bands: tuple[int, int] | None = None
    """Those whose percents are in the bands from the first to the last; None for all."""


def parts_by_date(total: int, dated: int) -> list[Part]:
    """Return the parts of a list of which some have a date to be sorted by; they come first, whatever the order."""
    return [Part(dated, has_date=True), Part(total - dated, has_date=False)]


def parts_by_percent(counts: Sequence[int], order: Order, rows: range) -> list[Part]:
    """Return the parts of a list that is sorted by percent, to read these rows of it; `counts` has the size of each band.

    All bands whose percents have to be compared for these rows are one part. Whoever is at 0 or at 100 percent is another one,
    in which nothing is left to compare but the learners.
    """
    parts: list[Part] = []
    start, was_compared = 0, False
    bands = range(len(BANDS))
    for band in reversed(bands) if order.is_descending else bands:
        end = start + counts[band]
        is_compared = len(BANDS[band]) > 1 and start < rows.stop and end > rows.start
        if is_compared and was_compared and (known := parts[-1].bands):
            parts[-1] = Part(parts[-1].size + counts[band], bands=(min(*known, band), max(*known, band)))
        else:
            parts.append(Part(counts[band], bands=(band, band)))
        start, was_compared = end, is_compared
    return parts
