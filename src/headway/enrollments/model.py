"""Enrollments: a learner's place in a course, its status and progress."""

from typing import Any, NamedTuple

import msgspec

from headway.courses.completion import Evidence, Percent
from headway.enrollments.statistics import Statistic, enrollment_statistics
from headway.enrollments.status import LIMITED, OPEN, EnrollmentStatus
from headway.enrollments.traces import add_weeks, read_states, state_bits, week_of, write_states
from headway.instants import DAY, Day, Instant, Milliseconds
from headway.text import shown_url

CLOSED_FOR_GOOD: Instant = 0
"""When the access of somebody ended who was erased: before anything that could still be told."""
LearnerInCourse = tuple[int, int]
"""(user_id, course_id)"""


class Enrollment(msgspec.Struct):
    """A learner's place in a course and the course progress. `percent` is in hundredths."""

    user_id: int
    course_id: int
    status: EnrollmentStatus
    percent: Percent
    study_ms: Milliseconds
    evidence: Evidence
    last_activity_at: Instant | None
    enrolled_at: Instant
    completed_at: Instant | None
    certificate_url: str | None
    created_at: Instant
    updated_at: Instant
    """It grows with each change, so it tells one state from another."""
    id: int
    course_revision: int
    access_days: int | None
    completed_revision: int | None = None
    """The revision of the course that was completed: its required units were all complete. None before completion."""
    required_percents: int = 0
    """The sum of what the required units count, in hundredths of a percent."""
    required_completed: int = 0
    """How many required units are complete."""
    closed_at: Instant | None = None
    """When the learner left or the access expired; None while the enrollment is open."""
    last_unit_id: int | None = None
    """Where the learner stands: the unit with the newest activity. None before the first activity in a unit."""
    last_unit_at: Instant | None = None
    """When that was."""
    active_weeks: str = ""
    """The weeks in which the learner was active, as `traces.add_weeks` writes them."""
    unit_states: str = ""
    """The units that were begun and completed, as `traces.write_states` writes them."""
    access_until: Instant | None = None
    """When access ends, as staff set it for this learner; None where the course's days of access count."""
    counts_from: str | None = None
    """Since when progress counts, as `learning.counting` writes it; None if nothing was ever reset."""

    @property
    def counted_as(self) -> tuple[Any, ...]:
        """What the statistics follow from: while it is equal, they are."""
        day = None if self.last_activity_at is None else self.last_activity_at // DAY
        return self.status, self.percent, self.enrolled_at, self.completed_at, day

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """What the enrollment adds to the statistics of its course."""
        return enrollment_statistics(self.status, self.percent, self.enrolled_at, self.completed_at, self.last_activity_at)

    @property
    def certificate_link(self) -> str | None:
        """The URL of the certificate, to be shown as a link."""
        return shown_url(self.certificate_url)

    def trace_days(self, days: set[Day]) -> None:
        """Note activity on these days; that of the day of the last activity is known."""
        if self.last_activity_at is None or days != {self.last_activity_at // DAY}:
            self.active_weeks = add_weeks(self.active_weeks, map(week_of, days))

    def trace_unit(self, ordinal: int, *, is_complete: bool) -> None:
        """Note that the unit with an ordinal was begun, or that it is complete."""
        self.unit_states = write_states(read_states(self.unit_states) | state_bits(ordinal, is_complete=is_complete))

    def touch(self, now: Instant) -> None:
        """Note that the enrollment is changed."""
        self.updated_at = max(now, self.updated_at + 1)

    def see_unit(self, unit_id: int, at: Instant) -> None:
        """Note the newest activity in a unit; the order in which activities are told does not matter."""
        if self.last_unit_at is None or (at, unit_id) > (self.last_unit_at, self.last_unit_id):
            self.last_unit_id, self.last_unit_at = unit_id, at

    @property
    def runs_out_at(self) -> Instant | None:
        """When access ends by itself; None where nothing limits it, as for those who completed the course."""
        if self.status not in LIMITED:
            return None
        if self.access_until is not None or self.access_days is None:
            return self.access_until
        return self.enrolled_at + self.access_days * DAY

    def has_run_out(self, now: Instant) -> bool:
        """Return whether access has ended by itself."""
        return self.runs_out_at is not None and now >= self.runs_out_at

    def is_over(self, now: Instant) -> bool:
        """Return whether the time that staff set for this learner is over, also for those who left before."""
        return self.access_until is not None and now >= self.access_until

    def close(self, status: EnrollmentStatus, now: Instant) -> None:
        """Take a status without access. Access ended now, or earlier if it had run out or was taken before."""
        ends = (self.closed_at, self.runs_out_at, now)
        self.closed_at = min(end for end in ends if end is not None)
        self.status = status

    def is_open(self, now: Instant) -> bool:
        """Return whether the learner has access to the course."""
        return self.status in OPEN and not self.has_run_out(now) and self.closed_at != CLOSED_FOR_GOOD

    def was_open(self, at: Instant, *, now: Instant, patience: Milliseconds) -> bool:
        """Return whether there is access, or there was when something ended `at` that is told within `patience` of the end."""
        if self.is_open(now):
            return True
        ended_at = self.closed_at if self.status not in OPEN or self.closed_at == CLOSED_FOR_GOOD else self.runs_out_at
        return ended_at is not None and at < ended_at and now - ended_at <= patience


class NamedEnrollment(NamedTuple):
    """An enrollment with the name of the learner."""

    enrollment: Enrollment
    learner_name: str


class WaitingLearner(NamedTuple):
    """A learner on a waiting list; `position` is 1 for the first in line."""

    user_id: int
    name: str
    position: int
    joined_at: Instant
    access_until: Instant | None
    is_disabled: bool
    """Whether the account is disabled: it keeps its place and is passed over."""
