"""Statistics of a course: what units add to them, and the figures that follow."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec

from headway.enrollments.statistics import COMPLETION_TIME, PERCENT, Statistic, status_statistic
from headway.enrollments.status import FINISHED, EnrollmentStatus
from headway.instants import DAY, Day

_RECENT_DAYS = 7


@lru_cache(maxsize=10_000)
def _unit_statistic_names(unit_id: int) -> tuple[str, str, str, str]:
    prefix = f"unit:{unit_id}"
    return f"{prefix}:rows", f"{prefix}:completed", f"{prefix}:declared", f"{prefix}:seconds"


class UnitStatistics(msgspec.Struct, frozen=True):
    """How a unit is used: who completed it, and how long those who began it took on average."""

    unit_id: int
    completions: int
    declared_completions: int
    """Those of the completions that were only declared: no evidence met a rule."""
    average_seconds: float


class CourseStatistics(msgspec.Struct, frozen=True):
    """How a course goes. None of it tells of a single learner."""

    enrollments: int
    by_status: dict[EnrollmentStatus, int]
    average_percent: float
    """The mean course percent of all enrollments, 0 to 100."""
    average_completion_days: float
    """From enrollment to completion, of those COMPLETED or CERTIFIED; 0 where there is nobody."""
    unit_progress: int
    """How often a learner has progress in a unit."""
    recently_active: int
    """Learners whose last activity was today or on the six days before, in UTC."""
    units: list[UnitStatistics]

    @property
    def finished(self) -> int:
        """Enrollments COMPLETED or CERTIFIED."""
        return sum(self.by_status[status] for status in FINISHED)

    @property
    def completion_percent(self) -> float:
        """The share of enrollments that are finished, 0 to 100."""
        return self.finished / self.enrollments * 100 if self.enrollments else 0.0


def unit_statistics(unit_id: int, *, is_complete: bool, is_only_declared: bool, duration_seconds: int) -> tuple[Statistic, ...]:
    """Return what a learner's progress in a unit adds to the statistics of its course."""
    rows, completed, declared, seconds = _unit_statistic_names(unit_id)
    return (rows, 1), (completed, int(is_complete)), (declared, int(is_only_declared)), (seconds, duration_seconds)


def summarize(statistics: Mapping[str, int], unit_ids: Sequence[int], *, today: Day) -> CourseStatistics:
    """Compute the statistics of a course on a day; `unit_ids` are its units in order."""
    by_status = {status: statistics.get(status_statistic(status), 0) for status in EnrollmentStatus}
    enrollments = sum(by_status.values())
    finished = sum(by_status[status] for status in FINISHED)
    begun = (name for name in statistics if name.startswith("unit:") and name.endswith(":rows"))
    return CourseStatistics(
        enrollments=enrollments,
        by_status=by_status,
        average_percent=statistics.get(PERCENT, 0) / enrollments / 100 if enrollments else 0.0,
        average_completion_days=statistics.get(COMPLETION_TIME, 0) / finished / DAY if finished else 0.0,
        unit_progress=_sum(statistics, begun),
        recently_active=_sum(statistics, (f"active:{today - ago}" for ago in range(_RECENT_DAYS))),
        units=[_unit_summary(statistics, unit_id) for unit_id in unit_ids],
    )


def _unit_summary(statistics: Mapping[str, int], unit_id: int) -> UnitStatistics:
    rows, completed, declared, seconds = (statistics.get(name, 0) for name in _unit_statistic_names(unit_id))
    return UnitStatistics(unit_id, completed, declared, seconds / rows if rows else 0.0)


def _sum(statistics: Mapping[str, int], names: Iterable[str]) -> int:
    return sum(statistics.get(name, 0) for name in names)
