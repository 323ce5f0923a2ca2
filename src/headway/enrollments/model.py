"""Enrollments: a learner's place in a course, its status and progress, what it adds to statistics, and access to the course."""

from collections import defaultdict
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import msgspec

from headway.courses.completion import COMPLETE, Evidence, Percent
from headway.courses.model import SEATS
from headway.enrollments.traces import add_weeks, read_states, state_bits, week_of, write_states
from headway.errors import Invalid
from headway.feed.model import (
    EnrollmentUpdated,
    FeedEvent,
    NewFeedEntry,
    ProgressUpdated,
    SeatTaken,
    UnitUpdated,
    course_topic,
    new_entries,
    user_topic,
)
from headway.identity import CourseRole
from headway.instants import DAY, Day, Instant, Milliseconds
from headway.text import shown_url, split_url

LearnerInCourse = tuple[int, int]
"""(user_id, course_id)"""
Statistic = tuple[str, int]
"""A name, and what is added to the number of that name."""


class EnrollmentStatus(StrEnum):
    """The status of an enrollment, in the words of the course-room contract."""

    ENROLLED = "ENROLLED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    CERTIFIED = "CERTIFIED"
    DROPPED = "DROPPED"
    EXPIRED = "EXPIRED"


_S = EnrollmentStatus

TRANSITIONS: dict[EnrollmentStatus, frozenset[EnrollmentStatus]] = {
    _S.ENROLLED: frozenset({_S.IN_PROGRESS, _S.DROPPED, _S.EXPIRED}),
    _S.IN_PROGRESS: frozenset({_S.COMPLETED, _S.DROPPED, _S.EXPIRED}),
    _S.COMPLETED: frozenset({_S.CERTIFIED, _S.DROPPED, _S.EXPIRED}),
    _S.CERTIFIED: frozenset(),
    _S.DROPPED: frozenset({_S.ENROLLED, _S.IN_PROGRESS, _S.COMPLETED, _S.EXPIRED}),
    _S.EXPIRED: frozenset({_S.DROPPED}),
}
"""From DROPPED a learner who enrolls again takes up the status that was earned before; so does one whose access is renewed."""

OPEN = frozenset({_S.ENROLLED, _S.IN_PROGRESS, _S.COMPLETED, _S.CERTIFIED})
"""Those who have access to the course and hold a seat in it."""

LIMITED = frozenset({_S.ENROLLED, _S.IN_PROGRESS})
"""Those whose access ends by itself: at their own time, or when the course's days of access are over."""

BY_STAFF = frozenset({_S.CERTIFIED, _S.EXPIRED, _S.DROPPED})
"""What staff may set; the others follow from what the learner does."""


def can_become(current: EnrollmentStatus, target: EnrollmentStatus) -> bool:
    """Return whether the status machine allows the step."""
    return target in TRANSITIONS[current]


def after_activity(current: EnrollmentStatus, *, all_required_complete: bool) -> EnrollmentStatus:
    """Move on with the first activity, and to COMPLETED once every required unit is complete; never back."""
    if current in {_S.ENROLLED, _S.IN_PROGRESS}:
        return _S.COMPLETED if all_required_complete else _S.IN_PROGRESS
    return current


def earned(*, has_activity: bool, was_completed: bool) -> EnrollmentStatus:
    """Return the status with which somebody resumes who enrolls again."""
    if was_completed:
        return _S.COMPLETED
    return _S.IN_PROGRESS if has_activity else _S.ENROLLED


FINISHED = frozenset({EnrollmentStatus.COMPLETED, EnrollmentStatus.CERTIFIED})
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
        return self.status in OPEN and not self.has_run_out(now)

    def was_open(self, at: Instant, *, now: Instant, patience: Milliseconds) -> bool:
        """Return whether there is access, or there was when something ended `at` that is told within `patience` of the end."""
        if self.is_open(now):
            return True
        ended_at = self.runs_out_at if self.status in OPEN else self.closed_at
        return ended_at is not None and at < ended_at and now - ended_at <= patience


class StatusChange(NamedTuple):
    """What staff set of an enrollment."""

    status: EnrollmentStatus
    certificate_url: str | None = None


def check_status_change(change: StatusChange) -> None:
    """Reject a status that staff do not set, and a certificate without CERTIFIED or with a bad URL. Raises Invalid."""
    if change.status not in BY_STAFF:
        raise Invalid.field("status", f"must be one of {', '.join(sorted(BY_STAFF))}")
    if change.certificate_url is not None:
        if change.status is not EnrollmentStatus.CERTIFIED:
            raise Invalid.field("certificate_url", "goes with the status CERTIFIED only")
        check_certificate_url(change.certificate_url)


def check_certificate_url(url: str) -> None:
    """Reject the URL of a certificate that is not safe to show as a link. Raises Invalid."""
    try:
        split_url(url)
    except ValueError as error:
        raise Invalid.field("certificate_url", str(error)) from error


def enrollment_updated(enrollment: Enrollment, title: str, units: Sequence[UnitUpdated] = ()) -> list[NewFeedEntry]:
    """Announce that a learner enrolled or that the status of the enrollment changed, with the units that changed with it."""
    entries = _learner_entries(enrollment, _event(EnrollmentUpdated, enrollment, title))
    return entries + progress_updated(enrollment, units)


def seat_taken(enrollment: Enrollment, title: str) -> list[NewFeedEntry]:
    """Announce that a learner moved up from the waiting list."""
    return _learner_entries(enrollment, _event(SeatTaken, enrollment, title)) + progress_updated(enrollment)


def progress_updated(enrollment: Enrollment, units: Sequence[UnitUpdated] = ()) -> list[NewFeedEntry]:
    """Announce the progress of a learner whose enrollment has changed and been touched, with the units that changed."""
    course_id, learner_id = str(enrollment.course_id), str(enrollment.user_id)
    status, percent = enrollment.status, enrollment.percent / 100
    return _learner_entries(enrollment, ProgressUpdated(enrollment.updated_at, course_id, learner_id, status, percent, units))


def _learner_entries(enrollment: Enrollment, event: FeedEvent) -> list[NewFeedEntry]:
    """Publish an event in the topics of the learner and of the course."""
    return new_entries(event, user_topic(enrollment.user_id), course_topic(enrollment.course_id))


def _event(kind: type[EnrollmentUpdated], enrollment: Enrollment, title: str) -> EnrollmentUpdated:
    return kind(enrollment.course_id, title, enrollment.user_id, enrollment.status.value, enrollment.enrolled_at)


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


class AccessFacts(msgspec.Struct, frozen=True):
    """What decides about the access of a caller to an existing course, or to a learner in it."""

    is_published: bool
    sees_all: bool
    """Whether the caller sees all data of all users."""
    can_teach: bool
    """Whether the caller's account may have a role in courses; without it, a course role does not count."""
    course_role: CourseRole | None
    """The role of the caller in the staff of the course."""
    is_own: bool
    """Whether the learner is the caller."""
    is_enrolled: bool
    """Whether the learner has an enrollment in the course, in whichever status."""


class Access(msgspec.Struct, frozen=True):
    """What a caller may see of a course. Nobody may see anything of a course that does not exist."""

    knows_course: bool = False
    """Without it, the course does not exist for the caller."""
    is_staff: bool = False
    """Whether the caller belongs to the staff of the course, or sees all."""
    is_owner: bool = False
    """Whether the caller owns the course, or sees all."""
    sees_learner: bool = False


def decide(facts: AccessFacts | None) -> Access:
    """Decide about access; without facts there is no such course.

    A course that is not published exists for its staff, and for those who enrolled while it was. Learners see themselves, staff
    sees the learners of the course.
    """
    if facts is None:
        return Access()
    course_role = facts.course_role if facts.can_teach else None
    is_staff = facts.sees_all or course_role is not None
    is_owner = facts.sees_all or course_role is CourseRole.OWNER
    knows_course = facts.is_published or is_staff or (facts.is_own and facts.is_enrolled)
    return Access(knows_course, is_staff, is_owner, sees_learner=knows_course and (is_staff or facts.is_own))
