"""Seats and waiting lists: who gets one of the free seats of a course.

Every transaction here first holds the terms of the course, which locks its seats and its waiting list if the seats are limited,
or locks its row in any case, and then locks enrollments: so limited seats and waiting lists change in the order of arrival.
"""

from collections import defaultdict
from collections.abc import Sequence
from copy import copy
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from headway.courses import prerequisites
from headway.courses import store as catalogue
from headway.courses.model import EnrollmentTerms
from headway.db.database import WriteTransaction
from headway.enrollments import store as enrollments
from headway.enrollments import waiting_store as waiting
from headway.enrollments.model import (
    OPEN,
    Enrollment,
    EnrollmentStatus,
    StatisticsDelta,
    earned,
    enrollment_updated,
    seat_taken,
)
from headway.errors import Conflict
from headway.feed import store as feed
from headway.feed.model import NewFeedEntry
from headway.instants import Instant
from headway.webhooks.announcements import Enrolled, MovedUp

_EVERYBODY = 2**31 - 1


class Waiting(NamedTuple):
    """A place on the waiting list; the first one is 1."""

    user_id: int
    course_id: int
    position: int


class Reason(StrEnum):
    """Why somebody cannot enroll."""

    CLOSED = "closed"
    MISSING_PREREQUISITE = "missing-prerequisite"
    ALREADY_ENROLLED = "already-enrolled"
    ACCESS_ENDED = "access-ended"
    """The learner was enrolled, and the access has expired or was taken."""
    NO_SEAT = "no-seat"


_CODES = {
    Reason.CLOSED: "COURSE_CLOSED",
    Reason.MISSING_PREREQUISITE: "PREREQUISITE_MISSING",
    Reason.ALREADY_ENROLLED: "LEARNER_ENROLLMENT_DENIED",
    Reason.ACCESS_ENDED: "LEARNER_ENROLLMENT_DENIED",
    Reason.NO_SEAT: "COURSE_FULL",
}


class Refusal(NamedTuple):
    """Why a learner got no place in a course."""

    reason: Reason
    message: str

    @property
    def error(self) -> Conflict:
        """The error that tells it."""
        return Conflict(self.message, code=_CODES[self.reason])


Placed: TypeAlias = Enrollment | Waiting | Refusal
_CLOSED = Refusal(Reason.CLOSED, "This course is not open for enrollment now.")
_ALREADY_ENROLLED = Refusal(Reason.ALREADY_ENROLLED, "Learner is already enrolled in this course.")
_ACCESS_ENDED = Refusal(Reason.ACCESS_ENDED, "Learner no longer has access to this course.")
_NO_SEAT = Refusal(Reason.NO_SEAT, "Every seat of this course is taken.")


async def place(
    tx: WriteTransaction,
    terms: EnrollmentTerms,
    user_ids: Sequence[int],
    *,
    now: Instant,
    enrolled_at: Instant | None = None,
    may_wait: bool = False,
) -> dict[int, Placed]:
    """Seat learners in a course in this order, or where no seat is free, put them on its waiting list if they may wait.

    Return for each the enrollment, the place, or why there is neither. `enrolled_at` overrides the date of enrollment and the
    window, for imports. The number of statements does not depend on how many learners there are.
    """
    refusals = await _find_refusals(tx, terms, user_ids, now, is_window_open=enrolled_at is not None or _is_open(terms, now))
    placed: dict[int, Placed] = dict(refusals)
    allowed = [user_id for user_id in user_ids if user_id not in refusals]
    free = len(allowed) if terms.free_seats is None else terms.free_seats
    first, others = allowed[:free], allowed[free:]
    if may_wait:
        positions = await waiting.join_waiting_list(tx, others, terms.id, now)
        placed |= {user_id: Waiting(user_id, terms.id, position) for user_id, position in positions.items()}
    else:
        placed |= dict.fromkeys(others, _NO_SEAT)
    if first:
        delta = StatisticsDelta()
        seated = await _seat(tx, terms, first, delta, enrolled_at=now if enrolled_at is None else enrolled_at, now=now)
        # Where seats are unlimited, somebody may have enrolled at the same time.
        placed |= dict.fromkeys(first, _ALREADY_ENROLLED) | {each.user_id: each for each in seated}
        await enrollments.write_statistics(tx, delta)
        await feed.publish(tx, [entry for each in seated for entry in enrollment_updated(each, terms.title)], now)
    return {user_id: placed[user_id] for user_id in user_ids}


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
    tx.announce(*(MovedUp(learner_id=each.user_id, course_id=each.course_id) for each in seated))
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
        tx.announce(Enrolled(learner_id=key[0], course_id=course_id, is_resumed=key in before))
    return [seated[user_id, course_id] for user_id in user_ids if (user_id, course_id) in seated]


async def _find_refusals(
    tx: WriteTransaction, terms: EnrollmentTerms, user_ids: Sequence[int], now: Instant, *, is_window_open: bool
) -> dict[int, Refusal]:
    """Lock the enrollments of learners, and return why some cannot enroll."""
    if not is_window_open:
        return dict.fromkeys(user_ids, _CLOSED)
    refusals = await _find_missing_prerequisites(tx, terms.id, user_ids, now)
    locked = await enrollments.lock(tx, [(user_id, terms.id) for user_id in user_ids])
    for (user_id, _), found in locked.items():
        if found.status is not EnrollmentStatus.DROPPED:
            refusals.setdefault(user_id, _ALREADY_ENROLLED if found.is_open(now) else _ACCESS_ENDED)
    return refusals


def _is_open(terms: EnrollmentTerms, now: Instant) -> bool:
    has_begun = terms.enroll_from is None or terms.enroll_from <= now
    has_ended = any(end is not None and end <= now for end in (terms.enroll_until, terms.ends_at))
    return has_begun and not has_ended


async def _find_missing_prerequisites(
    tx: WriteTransaction, course_id: int, user_ids: Sequence[int], now: Instant
) -> dict[int, Refusal]:
    required = (await catalogue.read_prerequisites(tx, [course_id]))[course_id]
    if not required:
        return {}
    keys = [(user_id, each.course_id) for user_id in user_ids for each in required]
    own = defaultdict[int, list[Enrollment]](list)
    for found in (await enrollments.find_many(tx, keys)).values():
        own[found.user_id].append(found)
    refusals = {}
    for user_id in user_ids:
        completed = {each.course_id for each in own[user_id] if each.completed_at is not None}
        enrolled = {each.course_id for each in own[user_id] if each.is_open(now)}
        missing = prerequisites.missing(required, completed=completed, enrolled=enrolled, now=now)
        if missing:
            message = f"Complete these courses first: {prerequisites.names(missing)}."
            refusals[user_id] = Refusal(Reason.MISSING_PREREQUISITE, message)
    return refusals
