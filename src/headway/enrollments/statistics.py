"""What enrollments add to the statistics of their course."""

from collections import defaultdict
from typing import Any, Protocol

from headway.courses.completion import COMPLETE, Percent
from headway.courses.model import SEATS
from headway.enrollments.status import FINISHED, OPEN, EnrollmentStatus
from headway.instants import DAY, Instant

Statistic = tuple[str, int]
"""A name, and what is added to the number of that name."""
PERCENT, COMPLETION_TIME = "percent", "completion-ms"
BAND_WIDTH: Percent = 2_000
"""Of the bands between 0 and 100 percent. An index has bands in place of percents, because it is rewritten when one changes."""
BANDS = [
    range(1),
    *(range(max(start, 1), start + BAND_WIDTH) for start in range(0, COMPLETE, BAND_WIDTH)),
    range(COMPLETE, COMPLETE + 1),
]
"""The percents of each band."""
REVISION = "revision"
"""The name of the number that grows with every change of the others."""


def status_statistic(status: EnrollmentStatus) -> str:
    """Return the name of the number of enrollments with a status."""
    return f"status:{status.value}"


def completed_statistic(status: EnrollmentStatus) -> str:
    """Return the name of the number of enrollments with a status that have a date of completion."""
    return f"completed:{status.value}"


def percent_band(percent: Percent) -> int:
    """Return the band of a percent, as the database computes it."""
    return 1 + percent // BAND_WIDTH if percent else 0


def band_statistic(status: EnrollmentStatus, band: int) -> str:
    """Return the name of the number of enrollments with a status and a percent in a band."""
    return f"band:{status.value}:{band}"


def enrollment_statistics(
    status: EnrollmentStatus,
    percent: Percent,
    enrolled_at: Instant,
    completed_at: Instant | None,
    last_activity_at: Instant | None,
) -> tuple[Statistic, ...]:
    """Return what an enrollment adds to the statistics of its course."""
    added: list[Statistic] = [(status_statistic(status), 1), (band_statistic(status, percent_band(percent)), 1)]
    if status in OPEN:
        added.append((SEATS, 1))
    if percent:
        added.append((PERCENT, percent))
    if last_activity_at is not None:
        added.append((f"active:{last_activity_at // DAY}", 1))
    if completed_at is not None:
        added.append((completed_statistic(status), 1))
    if status in FINISHED and completed_at is not None:
        # Those who enrolled again after they had completed took no time.
        added.append((COMPLETION_TIME, max(completed_at - enrolled_at, 0)))
    return tuple(added)


class Counted(Protocol):
    """Something that adds to the statistics of a course."""

    @property
    def counted_as(self) -> tuple[Any, ...]:
        """What the statistics follow from: while it is equal, they are."""

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """What it adds."""


class StatisticsDelta:
    """What a transaction changes in course statistics. Write it once, after all enrollments are locked and before the feed."""

    def __init__(self) -> None:
        self._changed: defaultdict[tuple[int, str], int] = defaultdict(int)

    def replace(self, course_id: int, before: Counted | None, after: Counted) -> None:
        """Subtract what something added before, if it was there, and add what it adds now."""
        if before is not None and before.counted_as == after.counted_as:
            return
        removed, added = () if before is None else before.statistics, after.statistics
        # Most of them stay, so that to compare them costs less than to count them twice.
        for each in removed:
            if each not in added:
                self._changed[course_id, each[0]] -= each[1]
        for each in added:
            if each not in removed:
                self._changed[course_id, each[0]] += each[1]

    def changes(self) -> list[tuple[tuple[int, str], int]]:
        """Return ((course_id, name), count) for each number that changes, in ascending order; each course's revision grows."""
        changed = {key: count for key, count in self._changed.items() if count}
        changed |= {(course_id, REVISION): 1 for course_id, _ in changed}
        return sorted(changed.items())
