"""When a learner's access ends: extending it, and renewing what has ended, as the staff of a course."""

from typing import NamedTuple

from headway.audit.model import Act
from headway.audit.service import AuditRecorder
from headway.courses import store as catalogue
from headway.courses.model import MAX_ACCESS_DAYS, EnrollmentTerms
from headway.db.database import WriteTransaction
from headway.enrollments import statistics_store
from headway.enrollments import store as enrollments
from headway.enrollments.announcements import enrollment_updated
from headway.enrollments.authorization import require_staff
from headway.enrollments.enrolling import act_of_access
from headway.enrollments.model import Enrollment
from headway.enrollments.seating import Refusal, Seating, Waiting, seated_entries, take_seats
from headway.enrollments.statistics import StatisticsDelta
from headway.enrollments.status import LIMITED, EnrollmentStatus
from headway.errors import Conflict, Invalid, NotFound
from headway.feed import store as feed
from headway.identity import Caller, Client
from headway.instants import DAY, END_OF_TIME, Clock, Instant


class AccessChange(NamedTuple):
    """Another end of access: `until` a time, None for the course's days of access; or later by some days."""

    until: Instant | None = None
    extend_days: int | None = None

    def check(self, now: Instant) -> None:
        """Reject an end in the past, and too many days. Raises Invalid."""
        if self.extend_days is not None and not 1 <= self.extend_days <= MAX_ACCESS_DAYS:
            raise Invalid.field("extend_days", f"must be between 1 and {MAX_ACCESS_DAYS}")
        if self.until is not None and self.until <= now:
            raise Invalid.field("expires_at", "must be in the future")

    def applied_to(self, enrollment: Enrollment, now: Instant) -> Instant | None:
        """Return the new end of an enrollment. Raises Conflict ACCESS_UNLIMITED if there is none to extend."""
        if self.extend_days is None:
            return self.until
        end = enrollment.runs_out_at
        if end is None and enrollment.status in LIMITED:
            raise Conflict("The access of this learner has no end.", code="ACCESS_UNLIMITED")
        return min(max(now, end or now) + self.extend_days * DAY, END_OF_TIME - 1)


class Renewing:
    """Changes when the access of single learners ends."""

    def __init__(self, clock: Clock, audit: AuditRecorder) -> None:
        self._clock = clock
        self._audit = audit

    async def change(
        self,
        tx: WriteTransaction,
        caller: Caller,
        course_id: int,
        user_id: int,
        change: AccessChange,
        *,
        client: Client | None = None,
    ) -> Enrollment:
        """Extend, limit or renew a learner's access as staff of the course.

        Somebody whose access has ended takes a seat again, with the progress of before. Days are added to the end that there
        is, or from now on if that has passed.

        Raises Invalid, Forbidden, NotFound COURSE_NOT_FOUND or ENROLLMENT_NOT_FOUND, Conflict COURSE_FULL, ACCESS_UNLIMITED
        for who completed the course or has no end to extend, and STATUS_NOT_ALLOWED for who left.
        """
        now = self._clock()
        change.check(now)
        terms = await catalogue.lock_enrollment_terms(tx, course_id)
        # Checked under the lock of the course's row: the caller may have left the staff while waiting for it.
        await require_staff(tx, caller, course_id)
        found = (await enrollments.lock(tx, [(user_id, course_id)])).get((user_id, course_id))
        if terms is None or found is None:
            raise NotFound("There is no such enrollment.", code="ENROLLMENT_NOT_FOUND")
        before, status = found.access_until, found.status
        if status is EnrollmentStatus.DROPPED:
            raise Conflict("The learner has left the course: enroll the learner again.", code="STATUS_NOT_ALLOWED")
        if status is not EnrollmentStatus.EXPIRED and status not in LIMITED:
            raise Conflict("Who completed the course keeps access.", code="ACCESS_UNLIMITED")
        until = change.applied_to(found, now)
        if status is EnrollmentStatus.EXPIRED:
            found = await _renew(tx, terms, found, until, now)
        else:
            found.access_until = until
            if found.has_run_out(now):
                raise Invalid.field("expires_at", "is over already by the course's days of access")
            if until == before:
                return found
            await enrollments.set_status(tx, [found], now)
            await feed.publish(tx, enrollment_updated(found, terms.title), now)
        await self._audit.record_all_for(tx, caller, [_act(course_id, found, before, status)], client)
        return found


async def _renew(
    tx: WriteTransaction, terms: EnrollmentTerms, found: Enrollment, until: Instant | None, now: Instant
) -> Enrollment:
    """Seat a learner whose access has ended. Raises Conflict COURSE_FULL."""
    delta = StatisticsDelta()
    placed = (await take_seats(tx, terms, [found.user_id], Seating(now, now, ends={found.user_id: until}), delta))[
        found.user_id
    ]
    if isinstance(placed, Refusal):
        raise placed.error
    assert not isinstance(placed, Waiting)  # noqa: S101 - waiting was not asked for
    await statistics_store.write_statistics(tx, delta)
    await feed.publish(tx, seated_entries([placed], terms.title), now)
    return placed


def _act(course_id: int, found: Enrollment, before: Instant | None, status: EnrollmentStatus) -> Act:
    act = act_of_access(course_id, found, before)
    statuses = {} if found.status is status else {"from": status.value, "to": found.status.value}
    return act._replace(metadata=act.metadata | statuses)
