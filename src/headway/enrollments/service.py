"""Enrolling, waiting and leaving.

Every transaction here first holds the terms of the course, which locks its seats and its waiting list if the seats are limited,
or locks its row in any case, and then locks enrollments: so limited seats and waiting lists change in the order of arrival.
"""

from collections.abc import Sequence
from copy import copy
from typing import NamedTuple

from headway.accounts import store as users
from headway.audit.model import Action, caller_actor, enrollment_target, learner_in_course
from headway.audit.service import AuditRecorder
from headway.courses import prerequisites
from headway.courses import store as catalogue
from headway.courses.model import EnrollmentTerms
from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.enrollments import store as enrollments
from headway.enrollments import waiting_store as waiting
from headway.enrollments.authorization import require_staff
from headway.enrollments.model import (
    OPEN,
    Enrollment,
    EnrollmentStatus,
    StatisticsDelta,
    StatusChange,
    can_become,
    check_status_change,
    earned,
    enrollment_updated,
    seat_taken,
)
from headway.errors import Conflict, NotFound
from headway.feed import store as feed
from headway.feed.model import NewFeedEntry
from headway.identity import Caller, Client
from headway.instants import Clock, Instant
from headway.verify import Difference, Findings

_EXPIRED_AT_ONCE = 500
_EVERYBODY = 2**31 - 1


class Waiting(NamedTuple):
    """A place on the waiting list; the first one is 1."""

    user_id: int
    course_id: int
    position: int


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

    async def seat_waiting(self, tx: WriteTransaction, user_id: int) -> None:
        """Seat a learner who can use a seat again, in each course with a free one for which the learner waits."""
        now, delta = self._clock(), StatisticsDelta()
        course_ids = await waiting.list_waited_for(tx, user_id)
        locked = [await catalogue.hold_enrollment_terms(tx, course_id) for course_id in course_ids]
        entries: list[NewFeedEntry] = []
        for terms in locked:
            if terms is not None:
                entries += await move_up(tx, terms, terms.free_seats, delta, now)
        await enrollments.write_statistics(tx, delta)
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
        if at is None:
            _check_window(terms, now)
        await _check_prerequisites(tx, user_id, course_id, now)
        _check_not_enrolled((await enrollments.lock(tx, [(user_id, course_id)])).get((user_id, course_id)), now)
        if terms.free_seats == 0:
            if not may_wait:
                raise Conflict("Every seat of this course is taken.", code="COURSE_FULL")
            return Waiting(
                user_id, course_id, await waiting.join_waiting_list(tx, user_id=user_id, course_id=course_id, now=now)
            )
        delta = StatisticsDelta()
        seated = await _seat(tx, terms, [user_id], delta, enrolled_at=now if at is None else at, now=now)
        if not seated:
            raise _enrolled_already()
        (enrollment,) = seated
        await enrollments.write_statistics(tx, delta)
        await feed.publish(tx, enrollment_updated(enrollment, terms.title), now)
        return enrollment

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
        if terms.capacity is not None:
            await enrollments.add_seats(tx, terms.id, -freed)
        entries = [entry for enrollment in closed for entry in enrollment_updated(enrollment, terms.title)]
        free = None if terms.capacity is None else terms.capacity - (terms.seats_taken - freed)
        entries += await move_up(tx, terms, free, delta, now)
        await enrollments.write_statistics(tx, delta)
        await feed.publish(tx, entries, now)


async def move_up(
    tx: WriteTransaction, terms: EnrollmentTerms, free: int | None, delta: StatisticsDelta, now: Instant
) -> list[NewFeedEntry]:
    """Seat those who have waited longest, up to `free` of them (None is all); return the feed entries.

    Disabled accounts are passed over. Nobody is seated in a course that is over or not published. Its terms must be held.
    """
    is_over = terms.ends_at is not None and terms.ends_at <= now
    if is_over or not terms.is_published or (free is not None and free <= 0):
        return []
    next_ones = await waiting.list_waiting(tx, terms.id, _EVERYBODY if free is None else free)
    if not next_ones:
        return []
    seated = await _seat(tx, terms, next_ones, delta, enrolled_at=now, now=now)
    return [entry for enrollment in seated for entry in seat_taken(enrollment, terms.title)]


async def _seat(
    tx: WriteTransaction,
    terms: EnrollmentTerms,
    user_ids: Sequence[int],
    delta: StatisticsDelta,
    *,
    enrolled_at: Instant,
    now: Instant,
) -> list[Enrollment]:
    """Enroll learners, or let them resume; the terms of the course must be held, and it must have the seats.

    Where seats are unlimited, somebody may enroll twice at the same time: who has a seat by now is left out here.
    """
    course_id = terms.id
    keys = sorted((user_id, course_id) for user_id in user_ids)
    known = await enrollments.lock(tx, keys)
    before = {key: copy(enrollment) for key, enrollment in known.items() if enrollment.status not in OPEN}
    for key in before:
        enrollment = known[key]
        was_completed = enrollment.completed_at is not None
        enrollment.status = earned(has_activity=enrollment.last_activity_at is not None, was_completed=was_completed)
        enrollment.enrolled_at, enrollment.closed_at = enrolled_at, None
    await enrollments.set_status(tx, [known[key] for key in before], now)
    others = [user_id for user_id, _ in keys if (user_id, course_id) not in known]
    new = await enrollments.insert_enrollments(tx, course_id, others, enrolled_at=enrolled_at, now=now)
    seated = await enrollments.lock(tx, sorted(before.keys() | new))
    if terms.capacity is not None:
        await enrollments.add_seats(tx, course_id, len(seated))
    await waiting.stop_waiting(tx, course_id, user_ids)
    for key, enrollment in seated.items():
        delta.replace(course_id, before.get(key), enrollment)
    return [seated[user_id, course_id] for user_id in user_ids if (user_id, course_id) in seated]


def _check_window(terms: EnrollmentTerms, now: Instant) -> None:
    has_begun = terms.enroll_from is None or terms.enroll_from <= now
    has_ended = any(end is not None and end <= now for end in (terms.enroll_until, terms.ends_at))
    if not has_begun or has_ended:
        raise Conflict("This course is not open for enrollment now.", code="COURSE_CLOSED")


async def _check_prerequisites(tx: WriteTransaction, user_id: int, course_id: int, now: Instant) -> None:
    required = (await catalogue.read_prerequisites(tx, [course_id]))[course_id]
    if not required:
        return
    found = (await enrollments.find_many(tx, [(user_id, each.course_id) for each in required])).values()
    completed = {each.course_id for each in found if each.completed_at is not None}
    enrolled = {each.course_id for each in found if each.is_open(now)}
    missing = prerequisites.missing(required, completed=completed, enrolled=enrolled, now=now)
    if missing:
        raise Conflict(f"Complete these courses first: {prerequisites.names(missing)}.", code="PREREQUISITE_MISSING")


def _check_not_enrolled(found: Enrollment | None, now: Instant) -> None:
    if found is not None and found.status is not EnrollmentStatus.DROPPED:
        raise _enrolled_already() if found.is_open(now) else _denied("no longer has access to this course")


def _enrolled_already() -> Conflict:
    return _denied("is already enrolled in this course")


def _denied(reason: str) -> Conflict:
    return Conflict(f"Learner {reason}.", code="LEARNER_ENROLLMENT_DENIED")


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
