"""Enrolling, waiting and leaving.

Every transaction here first holds the terms of the course, as `seating` says.
"""

from collections.abc import Sequence
from copy import copy

from headway.accounts import store as users
from headway.audit.model import Action, caller_actor, enrollment_target, learner_in_course
from headway.audit.service import AuditRecorder
from headway.courses import store as catalogue
from headway.courses.model import EnrollmentTerms
from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.enrollments import statistics_store
from headway.enrollments import store as enrollments
from headway.enrollments import waiting_store as waiting
from headway.enrollments.announcements import enrollment_updated
from headway.enrollments.authorization import require_staff
from headway.enrollments.model import Enrollment
from headway.enrollments.seating import Refusal, Waiting, move_up, place
from headway.enrollments.statistics import StatisticsDelta
from headway.enrollments.status import OPEN, EnrollmentStatus, StatusChange, can_become, check_status_change
from headway.errors import Conflict, NotFound
from headway.feed import store as feed
from headway.feed.model import NewFeedEntry
from headway.identity import Caller, Client
from headway.instants import Clock, Instant
from headway.verify import Difference, Findings
from headway.webhooks.announcements import Announcement, CertificateIssued, Dropped, Expired, LeftWaitingList

DROPPABLE = OPEN - {EnrollmentStatus.CERTIFIED}
"""Those whom a roster may drop: a certificate stays."""
_EXPIRED_AT_ONCE = 500
_ANNOUNCED: dict[EnrollmentStatus, type[Announcement]] = {
    EnrollmentStatus.DROPPED: Dropped,
    EnrollmentStatus.EXPIRED: Expired,
    EnrollmentStatus.CERTIFIED: CertificateIssued,
}
"""What webhooks are told of the statuses that staff and time set."""


class Enrollments:
    """Places of learners in courses."""

    def __init__(self, clock: Clock, audit: AuditRecorder) -> None:
        self._clock = clock
        self._audit = audit

    async def enroll(self, tx: WriteTransaction, user_id: int, course_id: int, *, at: Instant | None = None) -> Enrollment:
        """Take a seat in a course, if it is published, open, its prerequisites completed and a seat free.

        Someone who left before resumes what was earned. `at` overrides the date of enrollment and the window, for imports.
        Raises NotFound COURSE_NOT_FOUND, and Conflict COURSE_CLOSED, PREREQUISITE_MISSING, LEARNER_ENROLLMENT_DENIED
        (enrolled already) or COURSE_FULL.
        """
        enrollment = await self._enroll(tx, user_id, course_id, at=at, may_wait=False)
        assert isinstance(enrollment, Enrollment)  # noqa: S101 - waiting was not asked for
        return enrollment

    async def enroll_as_operator(self, tx: WriteTransaction, user_id: int, course_id: int) -> Enrollment:
        """Enroll a learner as an operator, by the same rules.

        Raises as `enroll`, and NotFound USER_NOT_FOUND; Conflict USER_DISABLED, for nobody could use the seat.
        """
        user = await users.find(tx, user_id)
        if user is None:
            raise NotFound(f"There is no user {user_id}.", code="USER_NOT_FOUND")
        if user.is_disabled:
            raise Conflict(f"User {user_id} is disabled.", code="USER_DISABLED")
        enrollment = await self.enroll(tx, user_id, course_id)
        target, learner = enrollment_target(course_id, user_id), learner_in_course(course_id, user_id)
        await self._audit.record_as_operator(tx, Action.ENROLL_LEARNER, target, metadata=learner)
        return enrollment

    async def enroll_or_wait(self, tx: WriteTransaction, user_id: int, course_id: int) -> Enrollment | Waiting:
        """Take a seat, or a place on the waiting list where none is free. Raises as `enroll`, but for COURSE_FULL."""
        return await self._enroll(tx, user_id, course_id, at=None, may_wait=True)

    async def find(self, tx: ReadTransaction, user_id: int, course_id: int) -> Enrollment | None:
        """Read an enrollment; None if there is none."""
        return await enrollments.find(tx, user_id, course_id)

    async def leave(self, tx: WriteTransaction, user_id: int, course_id: int) -> None:
        """Leave a course, keeping what was earned, or its waiting list.

        Raises NotFound ENROLLMENT_NOT_FOUND, Conflict ENROLLMENT_CERTIFIED.
        """
        now = self._clock()
        terms = await catalogue.hold_enrollment_terms(tx, course_id)
        if terms is not None and await waiting.stop_waiting(tx, course_id, [user_id]):
            tx.announce(LeftWaitingList(learner_id=user_id, course_id=course_id))
            return
        found = (await enrollments.lock(tx, [(user_id, course_id)])).get((user_id, course_id))
        # Whoever could leave after the access ran out could enroll again and have it anew.
        if terms is None or found is None or not found.is_open(now):
            raise NotFound("There is no such enrollment.", code="ENROLLMENT_NOT_FOUND")
        if found.status is EnrollmentStatus.CERTIFIED:
            raise Conflict("A certified enrollment cannot be dropped.", code="ENROLLMENT_CERTIFIED")
        await self._close(tx, terms, [found], EnrollmentStatus.DROPPED, now)

    async def set_status(
        self,
        tx: WriteTransaction,
        caller: Caller,
        course_id: int,
        user_id: int,
        change: StatusChange,
        *,
        client: Client | None = None,
    ) -> Enrollment:
        """Certify, expire or drop a learner as staff of the course, along the status machine.

        Raises Invalid, Forbidden, NotFound COURSE_NOT_FOUND or ENROLLMENT_NOT_FOUND, Conflict STATUS_NOT_ALLOWED.
        """
        check_status_change(change)
        now, status = self._clock(), change.status
        terms = await catalogue.lock_enrollment_terms(tx, course_id)
        # Checked under the lock of the course's row: the caller may have left the staff while waiting for it.
        await require_staff(tx, caller, course_id)
        found = (await enrollments.lock(tx, [(user_id, course_id)])).get((user_id, course_id))
        if terms is None or found is None:
            raise NotFound("There is no such enrollment.", code="ENROLLMENT_NOT_FOUND")
        if status is not found.status and not can_become(found.status, status):
            message = f"An enrollment that is {found.status} cannot become {status}."
            raise Conflict(message, code="STATUS_NOT_ALLOWED")
        before = found.status
        if change.certificate_url is not None:
            found.certificate_url = change.certificate_url
        if status is not before or change.certificate_url is not None:
            await self._close(tx, terms, [found], status, now)
            statuses = {"from": before.value, "to": status.value, "certificateUrl": change.certificate_url}
            target, learner = enrollment_target(course_id, user_id), learner_in_course(course_id, user_id)
            actor = caller_actor(caller)
            await self._audit.record(tx, Action.CHANGE_ENROLLMENT, actor, target, metadata=learner | statuses, client=client)
        return found

    async def drop_all(self, tx: WriteTransaction, course_id: int, user_ids: Sequence[int]) -> dict[int, EnrollmentStatus]:
        """Drop learners from a course, as a roster says; return the statuses of before of those who are dropped.

        What was earned is kept, and whoever has a certificate stays. The caller records it. The number of statements does not
        depend on how many learners there are.
        """
        terms = await catalogue.hold_enrollment_terms(tx, course_id)
        locked = await enrollments.lock(tx, [(user_id, course_id) for user_id in user_ids])
        closed = [each for each in locked.values() if each.status in DROPPABLE]
        before = {each.user_id: each.status for each in closed}
        if terms is not None and closed:
            await self._close(tx, terms, closed, EnrollmentStatus.DROPPED, self._clock())
        return before

    async def seat_waiting(self, tx: WriteTransaction, user_id: int) -> None:
        """Seat a learner who can use a seat again, in each course with a free one for which the learner waits."""
        now, delta = self._clock(), StatisticsDelta()
        course_ids = await waiting.list_waited_for(tx, user_id)
        locked = [await catalogue.hold_enrollment_terms(tx, course_id) for course_id in course_ids]
        entries: list[NewFeedEntry] = []
        for terms in locked:
            if terms is not None:
                entries += await move_up(tx, terms, terms.free_seats, delta, now)
        await statistics_store.write_statistics(tx, delta)
        await feed.publish(tx, entries, now)

    async def expire(self, database: Database) -> int:
        """Expire some of the enrollments whose days of access are over; return how many.

        A batch job: it opens a transaction for each course, so that no course is locked while another one is worked on.
        """
        now = self._clock()
        async with database.read() as tx:
            due = await enrollments.run_out(tx, now, limit=_EXPIRED_AT_ONCE)
        for course_id in sorted({course_id for _, course_id in due}):
            async with database.write() as tx:
                terms = await catalogue.hold_enrollment_terms(tx, course_id)
                locked = await enrollments.lock(tx, sorted(key for key in due if key[1] == course_id))
                still_due = [enrollment for enrollment in locked.values() if enrollment.has_run_out(now)]
                if terms is not None and still_due:
                    await self._close(tx, terms, still_due, EnrollmentStatus.EXPIRED, now)
        return len(due)

    async def _enroll(
        self, tx: WriteTransaction, user_id: int, course_id: int, *, at: Instant | None, may_wait: bool
    ) -> Enrollment | Waiting:
        now = self._clock()
        terms = await catalogue.hold_enrollment_terms(tx, course_id)
        if terms is None or not terms.is_published:
            raise NotFound("There is no such course.", code="COURSE_NOT_FOUND")
        placed = (await place(tx, terms, [user_id], now=now, enrolled_at=at, may_wait=may_wait))[user_id]
        if isinstance(placed, Refusal):
            raise placed.error
        return placed

    async def _close(
        self,
        tx: WriteTransaction,
        terms: EnrollmentTerms,
        closed: Sequence[Enrollment],
        status: EnrollmentStatus,
        now: Instant,
    ) -> None:
        """Set the status of locked enrollments, and give the seats that come free to those who wait."""
        freed = sum(enrollment.status in OPEN for enrollment in closed) if status not in OPEN else 0
        delta = StatisticsDelta()
        for enrollment in closed:
            before = copy(enrollment)
            if status in OPEN:
                enrollment.status = status
            else:
                enrollment.close(status, now)
            delta.replace(terms.id, before, enrollment)
        await enrollments.set_status(tx, closed, now)
        tx.announce(*(_ANNOUNCED[status](learner_id=each.user_id, course_id=terms.id) for each in closed))
        if terms.capacity is not None:
            await enrollments.add_seats(tx, terms.id, -freed)
        entries = [entry for enrollment in closed for entry in enrollment_updated(enrollment, terms.title)]
        free = None if terms.capacity is None else terms.capacity - (terms.seats_taken - freed)
        entries += await move_up(tx, terms, free, delta, now)
        await statistics_store.write_statistics(tx, delta)
        await feed.publish(tx, entries, now)


async def check_seats(clock: Clock, tx: ReadTransaction, findings: Findings) -> None:
    """Compare limited seats with open enrollments and the capacity; nobody waits beside a free seat.

    Unlimited seats are among the course statistics.
    """
    for row in await enrollments.read_seats(tx):
        findings.checked["courses"] += 1
        key: dict[str, int | str] = {"id": row["id"]}
        expected_seats = 0 if row["capacity"] is None else row["holders"]
        if row["seats_taken"] != expected_seats:
            findings.add([Difference("courses", key, "seats_taken", row["seats_taken"], expected_seats)])
        if row["capacity"] is not None and row["holders"] > row["capacity"]:
            expected = f"at least {row['holders']}, the learners who hold a seat"
            findings.add([Difference("courses", key, "capacity", row["capacity"], expected)])
    findings.add(
        Difference("waiting_list", {"course_id": row["id"]}, "number", row["waiting"], "nobody, for there are free seats")
        for row in await enrollments.find_waiting_beside_free_seats(tx, clock())
    )
