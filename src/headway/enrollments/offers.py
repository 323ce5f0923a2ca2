"""What a course offers to a user who looks for one: whether they can enroll, and if not, why."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from headway.courses import prerequisites
from headway.courses.model import CourseTree, Prerequisite
from headway.db.database import ReadTransaction
from headway.enrollments import store as enrollments
from headway.enrollments import waiting_store as waiting
from headway.enrollments.model import Enrollment
from headway.enrollments.status import EnrollmentStatus
from headway.instants import Clock, Instant


class OfferState(StrEnum):
    """What a user can do about a course, in the order in which enrolling checks it."""

    ENROLLED = "enrolled"
    ENDED = "ended"
    """The user's access is over for good."""
    WAITING = "waiting"
    NOT_OPEN_YET = "not open yet"
    CLOSED = "closed"
    PREREQUISITES = "prerequisites"
    FULL = "full"
    """Every seat is taken; the user can join the waiting list."""
    FREE = "free"


class Offer(NamedTuple):
    """A course as it is offered to a user."""

    state: OfferState
    free_seats: int | None = None
    """None without a limit."""
    position: int | None = None
    """The place on the waiting list, from 1; None for who does not wait."""
    missing: Sequence[Prerequisite] = ()
    """The courses that have to be completed first."""
    enrollment: Enrollment | None = None
    """The one that there is, in whichever status."""


class WaitingPlace(NamedTuple):
    """A user's place on the waiting list of a course."""

    course_id: int
    title: str
    position: int
    """From 1."""
    joined_at: Instant


class Offers:
    """Tells what courses offer to users. `Enrollments` decides again, under locks, when somebody enrolls."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def read(self, tx: ReadTransaction, user_id: int, courses: Sequence[CourseTree]) -> dict[int, Offer]:
        """Return what each of these courses offers to a user, by course."""
        required = {each.course_id for course in courses for each in course.prerequisites}
        keys = sorted((user_id, course_id) for course_id in required | {course.id for course in courses})
        found = {course_id: each for (_, course_id), each in (await enrollments.find_many(tx, keys)).items()}
        places = {place.course_id: place.position for place in await self.list_waiting(tx, user_id)}
        now = self._clock()
        return {course.id: decide_offer(course, found, places.get(course.id), now) for course in courses}

    async def list_waiting(self, tx: ReadTransaction, user_id: int) -> list[WaitingPlace]:
        """List the courses for which a user waits, in the order of joining, with the place on each list."""
        return [WaitingPlace(*tuple(row)) for row in await waiting.list_waiting_places(tx, user_id)]


def decide_offer(course: CourseTree, found: dict[int, Enrollment], position: int | None, now: Instant) -> Offer:
    """Return what a course offers to a user, with the user's enrollments in it and in its prerequisites."""
    terms, enrollment = course.course, found.get(course.id)
    free = None if terms.capacity is None else max(terms.capacity - course.seats_taken, 0)
    completed = {course_id for course_id, each in found.items() if each.completed_at is not None}
    enrolled = {course_id for course_id, each in found.items() if each.is_open(now)}
    missing = prerequisites.missing(course.prerequisites, completed=completed, enrolled=enrolled, now=now)
    ends = [end for end in (terms.enroll_until, terms.ends_at) if end is not None]
    if course.id in enrolled:
        state = OfferState.ENROLLED
    elif position is not None:
        state = OfferState.WAITING
    elif enrollment is not None and enrollment.status is not EnrollmentStatus.DROPPED:
        state = OfferState.ENDED
    elif any(end <= now for end in ends) or not terms.is_published:
        state = OfferState.CLOSED
    elif terms.enroll_from is not None and terms.enroll_from > now:
        state = OfferState.NOT_OPEN_YET
    elif missing:
        state = OfferState.PREREQUISITES
    else:
        state = OfferState.FULL if free == 0 else OfferState.FREE
    return Offer(state, free, position, missing, enrollment)
