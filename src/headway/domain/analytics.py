"""Analytics of a course, from tallies: numbers by name that are kept up to date with every change.

Each enrollment and each unit's progress adds something to some tallies; a change takes off what it added and adds what it adds
now. So the analytics cost the same however many learners a course has and however much they did.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec

from headway.domain.completion import Percent
from headway.domain.enrollment_status import EnrollmentStatus
from headway.domain.instants import DAY, Day, Instant, Milliseconds

Tally = tuple[str, int]
"""A name, and what is added to the number of that name."""

FINISHED = frozenset({EnrollmentStatus.COMPLETED, EnrollmentStatus.CERTIFIED})
_PERCENT, _COMPLETION_TIME = "percent", "completion-ms"
_RECENT_DAYS = 7


def status_tally(status: EnrollmentStatus) -> str:
    """Name the tally of enrollments of a status."""
    return f"status:{status.value}"


def completed_tally(status: EnrollmentStatus) -> str:
    """Name the tally of enrollments of a status that have a date of completion."""
    return f"completed:{status.value}"


@lru_cache(maxsize=10_000)
def _unit_tallies(unit_id: int) -> tuple[str, str, str]:
    return f"unit:{unit_id}:rows", f"unit:{unit_id}:completed", f"unit:{unit_id}:seconds"


class UnitFigures(msgspec.Struct, frozen=True):
    """How a unit is used: who completed it, and how long those who began it took on average."""

    unit_id: int
    completions: int
    average_seconds: float


class CourseFigures(msgspec.Struct, frozen=True):
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
    units: list[UnitFigures]

    @property
    def finished(self) -> int:
        """Enrollments COMPLETED or CERTIFIED."""
        return sum(self.by_status[status] for status in FINISHED)

    @property
    def completion_percent(self) -> float:
        """The share of enrollments that are finished, 0 to 100."""
        return self.finished / self.enrollments * 100 if self.enrollments else 0.0


def tallies_of_enrollment(
    status: EnrollmentStatus,
    percent: Percent,
    enrolled_at: Instant,
    completed_at: Instant | None,
    last_activity_at: Instant | None,
) -> tuple[Tally, ...]:
    """Give what an enrollment adds to the tallies of its course."""
    added: list[Tally] = [(status_tally(status), 1)]
    if percent:
        added.append((_PERCENT, percent))
    if last_activity_at is not None:
        added.append((f"active:{last_activity_at // DAY}", 1))
    if completed_at is not None:
        added.append((completed_tally(status), 1))
    if status in FINISHED and completed_at is not None:
        added.append((_COMPLETION_TIME, _time_to_complete(enrolled_at, completed_at)))
    return tuple(added)


def tallies_of_unit(unit_id: int, *, is_complete: bool, duration_seconds: int) -> tuple[Tally, ...]:
    """Give what a learner's progress in a unit adds to the tallies of its course."""
    rows, completed, seconds = _unit_tallies(unit_id)
    return (rows, 1), (completed, int(is_complete)), (seconds, duration_seconds)


def figures(tallies: Mapping[str, int], unit_ids: Sequence[int], *, today: Day) -> CourseFigures:
    """Work out the figures of a course whose units are `unit_ids`, in its order, as of a day."""
    by_status = {status: tallies.get(status_tally(status), 0) for status in EnrollmentStatus}
    enrollments = sum(by_status.values())
    finished = sum(by_status[status] for status in FINISHED)
    begun = (name for name in tallies if name.startswith("unit:") and name.endswith(":rows"))
    return CourseFigures(
        enrollments=enrollments,
        by_status=by_status,
        average_percent=tallies.get(_PERCENT, 0) / enrollments / 100 if enrollments else 0.0,
        average_completion_days=tallies.get(_COMPLETION_TIME, 0) / finished / DAY if finished else 0.0,
        unit_progress=_sum(tallies, begun),
        recently_active=_sum(tallies, (f"active:{today - ago}" for ago in range(_RECENT_DAYS))),
        units=[_unit_figures(tallies, unit_id) for unit_id in unit_ids],
    )


def _unit_figures(tallies: Mapping[str, int], unit_id: int) -> UnitFigures:
    rows, completed, seconds = (tallies.get(name, 0) for name in _unit_tallies(unit_id))
    return UnitFigures(unit_id, completed, seconds / rows if rows else 0.0)


def _sum(tallies: Mapping[str, int], names: Iterable[str]) -> int:
    return sum(tallies.get(name, 0) for name in names)


def _time_to_complete(enrolled_at: Instant, completed_at: Instant) -> Milliseconds:
    """Who left a course after completing it and came back was enrolled anew after the completion: that took no time."""
    return max(completed_at - enrolled_at, 0)
