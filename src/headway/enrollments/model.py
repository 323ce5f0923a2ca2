"""Enrollments: a learner's place in a course, with the course progress it carries."""

from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from headway.courses.completion import Evidence, Percent
from headway.enrollments.statistics import Statistic, enrollment_statistics
from headway.enrollments.status import LIMITED, OPEN, EnrollmentStatus
from headway.instants import DAY, Instant, Milliseconds

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

    @property
    def counted_as(self) -> tuple[Any, ...]:
        """What the statistics follow from: while it is equal, they are."""
        day = None if self.last_activity_at is None else self.last_activity_at // DAY
        return self.status, self.percent, self.enrolled_at, self.completed_at, day

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """What the enrollment adds to the statistics of its course."""
        return enrollment_statistics(self.status, self.percent, self.enrolled_at, self.completed_at, self.last_activity_at)

    def touch(self, now: Instant) -> None:
        """Note that the enrollment is changed."""
        self.updated_at = max(now, self.updated_at + 1)

    def has_run_out(self, now: Instant) -> bool:
        """Return whether the course's days of access are over; whoever completed the course keeps access."""
        is_limited = self.access_days is not None and self.status in LIMITED
        return is_limited and now >= self.enrolled_at + (self.access_days or 0) * DAY

    def is_open(self, now: Instant) -> bool:
        """Return whether the learner has access to the course."""
        return self.status in OPEN and not self.has_run_out(now)


class NamedEnrollment(NamedTuple):
    """An enrollment with the name of the learner."""

    enrollment: Enrollment
    learner_name: str


class Sort(StrEnum):
    """The sort keys of a list of enrollments; each has an index."""

    PERCENT = "percent"
    ENROLLED_AT = "enrolled_at"
    COMPLETED_AT = "completed_at"


class Order(NamedTuple):
    """Enrollments of which statuses, and in which order; where what they are sorted by is equal, in that of their learners."""

    statuses: tuple[EnrollmentStatus, ...]
    sort: Sort
    is_descending: bool


class Part(NamedTuple):
    """A part of a list, and how many enrollments it has: with a date to be sorted by, without one, or None for all."""

    has_date: bool | None
    size: int
