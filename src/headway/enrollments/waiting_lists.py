"""Waiting lists as staff sees and changes them, and a learner's own place."""

from functools import partial

import msgspec

from headway.accounts import store as users
from headway.audit.model import Act, Action, enrollment_target, learner_in_course
from headway.audit.service import AuditRecorder
from headway.courses import store as catalogue
from headway.courses import write_store as course_writing
from headway.courses.model import MAX_CAPACITY, EnrollmentTerms
from headway.db.database import ReadTransaction, WriteTransaction
from headway.enrollments import statistics_store
from headway.enrollments import store as enrollments
from headway.enrollments import waiting_store as waiting
from headway.enrollments.authorization import course_not_found, require_known, require_staff
from headway.enrollments.model import Enrollment, WaitingLearner
from headway.enrollments.seating import seat_from_list
from headway.enrollments.statistics import StatisticsDelta
from headway.errors import Conflict, NotFound
from headway.feed import store as feed
from headway.feed.model import CourseUpdated, NewFeedEntry, course_topic, new_entries
from headway.identity import Caller, Client
from headway.instants import Clock
from headway.paging.service import Moving, Walk
from headway.webhooks.announcements import LeftWaitingList, MovedInWaitingList


class WaitingLists:
    """Who waits for a seat of a course, in which order. Whoever changes a list holds the row of its course."""

    def __init__(self, clock: Clock, audit: AuditRecorder) -> None:
        self._clock = clock
        self._audit = audit

    async def list(self, tx: ReadTransaction, caller: Caller, course_id: int, walk: Walk) -> tuple[list[WaitingLearner], int]:
        """List who waits for a seat in a course, in order, for its staff, and how many they are.

        Raises NotFound COURSE_NOT_FOUND, Forbidden, Invalid naming `cursor`.
        """
        await require_staff(tx, caller, course_id)
        source = Moving(
            page=partial(waiting.list_page, tx, course_id),
            order=partial(waiting.read_order, tx, course_id),
            some=partial(waiting.find_waiting, tx, course_id),
            key=lambda each: each.user_id,
        )
        return await walk.read(tx, source), await waiting.count(tx, course_id)

    async def find_own(self, tx: ReadTransaction, caller: Caller, course_id: int) -> WaitingLearner:
        """Return the caller's own place. Raises NotFound COURSE_NOT_FOUND, or ENROLLMENT_NOT_FOUND for who does not wait."""
        await require_known(tx, caller, course_id)
        return _waiting(await waiting.find_waiting(tx, course_id, [caller.user_id]))

    async def move(
        self,
        tx: WriteTransaction,
        caller: Caller,
        course_id: int,
        user_id: int,
        position: int,
        *,
        client: Client | None = None,
    ) -> WaitingLearner:
        """Move a learner to a place, from 1; a place beyond the last one is the last. The others keep their order.

        Raises Forbidden, NotFound COURSE_NOT_FOUND or ENROLLMENT_NOT_FOUND.
        """
        await self._lock(tx, caller, course_id)
        before = _waiting(await waiting.find_waiting(tx, course_id, [user_id]))
        await waiting.move(tx, course_id, user_id, position)
        after = _waiting(await waiting.find_waiting(tx, course_id, [user_id]))
        if after.position != before.position:
            tx.announce(
                MovedInWaitingList(
                    learner_id=user_id, course_id=course_id, position=after.position, previous_position=before.position
                )
            )
            record = learner_in_course(course_id, user_id) | {"position": {"from": before.position, "to": after.position}}
            act = Act(Action.CHANGE_ENROLLMENT, enrollment_target(course_id, user_id), record)
            await self._audit.record_all_for(tx, caller, [act], client)
        return after

    async def remove(
        self, tx: WriteTransaction, caller: Caller, course_id: int, user_id: int, *, client: Client | None = None
    ) -> None:
        """Remove a learner from the waiting list of a course, as its staff.

        Raises Forbidden, NotFound COURSE_NOT_FOUND or ENROLLMENT_NOT_FOUND.
        """
        await self._lock(tx, caller, course_id)
        if not await waiting.stop_waiting(tx, course_id, [user_id]):
            raise _not_waiting()
        tx.announce(LeftWaitingList(learner_id=user_id, course_id=course_id, is_by_staff=True))
        record = learner_in_course(course_id, user_id) | {"from": "WAITING", "to": None}
        act = Act(Action.CHANGE_ENROLLMENT, enrollment_target(course_id, user_id), record)
        await self._audit.record_all_for(tx, caller, [act], client)

    async def admit(
        self,
        tx: WriteTransaction,
        caller: Caller,
        course_id: int,
        user_id: int,
        *,
        add_seat: bool = False,
        client: Client | None = None,
    ) -> Enrollment:
        """Seat a learner who waits at once, whoever else waits: on a free seat, or with `add_seat` on one more.

        Raises Forbidden, NotFound COURSE_NOT_FOUND or ENROLLMENT_NOT_FOUND, Conflict COURSE_FULL, USER_DISABLED, COURSE_CLOSED
        if the course is not published.
        """
        terms = await self._lock(tx, caller, course_id)
        learner = _waiting(await waiting.find_waiting(tx, course_id, [user_id]))
        user = await users.find(tx, user_id)
        if user is None or user.is_disabled:
            raise Conflict("The account is disabled.", code="USER_DISABLED")
        if not terms.is_published:
            raise Conflict("Publish the course before you enroll anybody.", code="COURSE_CLOSED")
        now, delta = self._clock(), StatisticsDelta()
        record = learner_in_course(course_id, user_id) | {"isWaiting": False}
        entries: list[NewFeedEntry] = []
        if terms.free_seats == 0:
            if not add_seat or terms.seats_taken >= MAX_CAPACITY:
                raise Conflict("Every seat of this course is taken. Add a seat to let this learner in.", code="COURSE_FULL")
            record["capacity"] = {"from": terms.capacity, "to": terms.seats_taken + 1}
            terms = msgspec.structs.replace(terms, capacity=terms.seats_taken + 1)
            await course_writing.set_capacity(tx, course_id, terms.seats_taken + 1, now)
            entries += new_entries(CourseUpdated(course_id), course_topic(course_id))
        entries += await seat_from_list(tx, terms, {user_id: learner.access_until}, delta, now, is_by_staff=True)
        await statistics_store.write_statistics(tx, delta)
        await feed.publish(tx, entries, now)
        act = Act(Action.ENROLL_LEARNER, enrollment_target(course_id, user_id), record)
        await self._audit.record_all_for(tx, caller, [act], client)
        seated = await enrollments.find(tx, user_id, course_id)
        assert seated is not None  # noqa: S101 - it was seated above
        return seated

    async def _lock(self, tx: WriteTransaction, caller: Caller, course_id: int) -> EnrollmentTerms:
        terms = await catalogue.lock_enrollment_terms(tx, course_id)
        await require_staff(tx, caller, course_id)
        if terms is None:
            raise course_not_found()
        return terms


def _waiting(found: list[WaitingLearner]) -> WaitingLearner:
    if not found:
        raise _not_waiting()
    return found[0]


def _not_waiting() -> NotFound:
    return NotFound("This learner does not wait for a seat.", code="ENROLLMENT_NOT_FOUND")
