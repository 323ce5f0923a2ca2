"""Course statistics: named numbers that are kept up to date with every change.

Each enrollment and each unit's progress adds to some of them; a change subtracts what it added before and adds what it adds
now. So reading statistics costs the same however many learners a course has.
"""

from collections import defaultdict
from typing import Any, Protocol

from headway.courses.completion import Percent
from headway.enrollments.status import EnrollmentStatus
from headway.instants import DAY, Instant, Milliseconds

Statistic = tuple[str, int]
"""A name, and what is added to the number of that name."""

FINISHED = frozenset({EnrollmentStatus.COMPLETED, EnrollmentStatus.CERTIFIED})
PERCENT, COMPLETION_TIME = "percent", "completion-ms"
REVISION = "revision"
"""The name of the number that grows with every change of the others."""


def status_statistic(status: EnrollmentStatus) -> str:
    """Return the name of the number of enrollments with a status."""
    return f"status:{status.value}"


def completed_statistic(status: EnrollmentStatus) -> str:
    """Return the name of the number of enrollments with a status that have a date of completion."""
    return f"completed:{status.value}"


def enrollment_statistics(
    status: EnrollmentStatus,
    percent: Percent,
    enrolled_at: Instant,
    completed_at: Instant | None,
    last_activity_at: Instant | None,
) -> tuple[Statistic, ...]:
    """Return what an enrollment adds to the statistics of its course."""
    added: list[Statistic] = [(status_statistic(status), 1)]
    if percent:
        added.append((PERCENT, percent))
    if last_activity_at is not None:
        added.append((f"active:{last_activity_at // DAY}", 1))
    if completed_at is not None:
        added.append((completed_statistic(status), 1))
    if status in FINISHED and completed_at is not None:
        added.append((COMPLETION_TIME, _time_to_complete(enrolled_at, completed_at)))
    return tuple(added)


def _time_to_complete(enrolled_at: Instant, completed_at: Instant) -> Milliseconds:
    """Return the time from enrollment to completion; 0 for those who enrolled again after they had completed."""
    return max(completed_at - enrolled_at, 0)


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
        if before is not None:
            if before.counted_as == after.counted_as:
                return
            for name, count in before.statistics:
                self._changed[course_id, name] -= count
        for name, count in after.statistics:
            self._changed[course_id, name] += count

    def changes(self) -> list[tuple[tuple[int, str], int]]:
        """Return ((course_id, name), count) for each number that changes, in ascending order; each course's revision grows."""
        changed = {key: count for key, count in self._changed.items() if count}
        changed |= {(course_id, REVISION): 1 for course_id, _ in changed}
        return sorted(changed.items())
