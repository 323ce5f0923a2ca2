"""Presence: who is in a course now, in which unit, and since when."""

from collections.abc import Iterable
from typing import NamedTuple

from headway.courses.completion import Percent
from headway.db.database import ReadTransaction, Row
from headway.enrollments.authorization import require_staff
from headway.enrollments.status import EnrollmentStatus
from headway.identity import Caller
from headway.instants import DAY, Clock, Instant
from headway.learning import presence_store
from headway.learning.model import HERE_WITHIN
from headway.learning.study_time import Span
from headway.learning.unit_progress import UnitStatus

MOST_SHOWN = 200
"""The most learners that are listed; all are counted."""


class CurrentUnit(NamedTuple):
    """The unit in which a learner was active last, with the learner's progress in it; `percent` is in hundredths."""

    id: int
    title: str
    percent: Percent
    is_complete: bool


class PresentLearner(NamedTuple):
    """A learner who is here. `percent` is that of the course, in hundredths; `version` grows with each visible change."""

    user_id: int
    name: str
    status: EnrollmentStatus
    percent: Percent
    version: int
    unit: CurrentUnit | None
    """None where nothing but the course itself was touched lately."""
    since: Instant
    """When the study began that no pause of `HERE_WITHIN` has interrupted."""
    last_activity_at: Instant


class PresentLearners(NamedTuple):
    """Those who are here, the last ones to come first. `total` counts also those who are not listed."""

    learners: list[PresentLearner]
    total: int
    at: Instant


class Presence:
    """Who is in a course now. Nothing is stored for it: it follows from what learners have reported."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def list_here(self, tx: ReadTransaction, caller: Caller, course_id: int) -> PresentLearners:
        """List the learners with access to a course who were active in it within `HERE_WITHIN`, for its staff.

        Activity is what events and heartbeats report, at the time at which it happened. Raises NotFound COURSE_NOT_FOUND,
        Forbidden.
        """
        await require_staff(tx, caller, course_id)
        now = self._clock()
        since = now - HERE_WITHIN
        active = await presence_store.list_active(tx, course_id, since=since, limit=MOST_SHOWN)
        keys = [(row["user_id"], course_id) for row in active]
        in_units = [row for row in active if row["last_unit_at"] is not None and row["last_unit_at"] > since]
        current = await presence_store.current_units(tx, [(row["user_id"], course_id, row["last_unit_id"]) for row in in_units])
        days = [now // DAY - 1, now // DAY]
        studied = await presence_store.read_days(tx, keys, days)
        learners = []
        for row in active:
            spans = [
                (day * DAY + start, day * DAY + end)
                for day in days
                for some in studied.get((row["user_id"], day), {}).values()
                for start, end in some
            ]
            unit = current.get(row["user_id"])
            learners.append(
                PresentLearner(
                    row["user_id"],
                    row["name"],
                    EnrollmentStatus(row["status"]),
                    row["percent"],
                    row["updated_at"],
                    None if unit is None else _unit_of(unit),
                    began_at(spans, row["last_activity_at"]),
                    row["last_activity_at"],
                )
            )
        learners.sort(key=lambda each: (-each.since, each.user_id))
        return PresentLearners(learners, active[0]["total"] if active else 0, now)


def began_at(spans: Iterable[Span], last_activity_at: Instant) -> Instant:
    """Return when the study began that led to the last activity without a pause of `HERE_WITHIN` between its spans."""
    since = last_activity_at
    for start, end in sorted(spans, key=lambda span: span[1], reverse=True):
        if end <= since - HERE_WITHIN:
            break
        since = min(since, start)
    return since


def _unit_of(row: Row) -> CurrentUnit:
    return CurrentUnit(row["unit_id"], row["title"], row["percent"], row["status"] == UnitStatus.COMPLETED)
