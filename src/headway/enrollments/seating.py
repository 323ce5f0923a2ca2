"""Seats and waiting lists: who gets one of the free seats of a course.

Every transaction here first holds the terms of the course, which locks its seats and its waiting list if the seats are limited,
or locks its row in any case, and then locks enrollments: so limited seats and waiting lists change in the order of arrival.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from headway.accounts.erasing_store import find_erased
from headway.courses import prerequisites
from headway.courses import store as catalogue
from headway.courses.model import EnrollmentTerms
from headway.db.database import WriteTransaction
from headway.enrollments import statistics_store
from headway.enrollments import store as enrollments
from headway.enrollments import waiting_store as waiting
from headway.enrollments.announcements import enrollment_updated, seat_taken
from headway.enrollments.model import Enrollment
from headway.enrollments.statistics import StatisticsDelta
from headway.enrollments.status import OPEN, EnrollmentStatus, earned
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


class Seating(NamedTuple):
    """How learners are seated."""

    now: Instant
    enrolled_at: Instant
    may_wait: Collection[int] = ()
    """Who waits for a seat if none is free."""
    ends: Mapping[int, Instant | None] = MappingProxyType({})
    """When the access of some ends; None for the course's days of access. Others who resume keep the end that they had."""
    is_by_staff: bool = False
    """Whether staff seat them: in a course with a waiting list, whoever else waits."""


Placed: TypeAlias = Enrollment | Waiting | Refusal
_CLOSED = Refusal(Reason.CLOSED, "This course is not open for enrollment now.")
_ALREADY_ENROLLED = Refusal(Reason.ALREADY_ENROLLED, "Learner is already enrolled in this course.")
_ACCESS_ENDED = Refusal(Reason.ACCESS_ENDED, "Learner no longer has access to this course.")
NO_SEAT = Refusal(Reason.NO_SEAT, "Every seat of this course is taken.")


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
    delta = StatisticsDelta()
    how = Seating(now, now if enrolled_at is None else enrolled_at, allowed if may_wait else ())
    placed |= await take_seats(tx, terms, allowed, how, delta)
    await statistics_store.write_statistics(tx, delta)
    await feed.publish(tx, seated_entries(placed.values(), terms.title), now)
    return {user_id: placed[user_id] for user_id in user_ids}


async def take_seats(
    tx: WriteTransaction, terms: EnrollmentTerms, user_ids: Sequence[int], how: Seating, delta: StatisticsDelta
) -> dict[int, Placed]:
    """Seat learners who may enroll in this order; where no seat is free, put those who may wait on the waiting list.

    The terms of the course must be held and the enrollments that there are locked; nobody may have an open one. The caller
    writes `delta`, and publishes `seated_entries`.
    """
    erased = await find_erased(tx, user_ids)
    seeking = [user_id for user_id in user_ids if user_id not in erased]
    free = len(seeking) if terms.free_seats is None else terms.free_seats
    first, others = seeking[:free], seeking[free:]
    placed: dict[int, Placed] = {**dict.fromkeys(others, NO_SEAT), **dict.fromkeys(erased, _ACCESS_ENDED)}
    patient = [user_id for user_id in others if user_id in how.may_wait]
    positions = await waiting.join_waiting_list(tx, patient, terms.id, how.now, how.ends)
    placed |= {user_id: Waiting(user_id, terms.id, position) for user_id, position in positions.items()}
    if first:
        seated = await _seat(tx, terms, first, how, delta)
        # Where seats are unlimited, somebody may have enrolled at the same time.
        placed |= dict.fromkeys(first, _ALREADY_ENROLLED) | {each.user_id: each for each in seated}
    return placed


def seated_entries(placed: Iterable[object], title: str) -> list[NewFeedEntry]:
    """Announce those who were seated in a course."""
    return [entry for each in placed if isinstance(each, Enrollment) for entry in enrollment_updated(each, title)]


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
    return await seat_from_list(tx, terms, next_ones, delta, now)


async def seat_from_list(
    tx: WriteTransaction,
    terms: EnrollmentTerms,
    ends: Mapping[int, Instant | None],
    delta: StatisticsDelta,
    now: Instant,
    *,
    is_by_staff: bool = False,
) -> list[NewFeedEntry]:
    """Seat some who wait, for each of whom there is a seat; return the feed entries. `ends` is as `list_waiting` returns it."""
    own = {user_id: end for user_id, end in ends.items() if end is not None}
    seated = await _seat(tx, terms, list(ends), Seating(now, now, ends=own, is_by_staff=is_by_staff), delta)
    return [entry for enrollment in seated for entry in seat_taken(enrollment, terms.title)]


async def _seat(
    tx: WriteTransaction, terms: EnrollmentTerms, user_ids: Sequence[int], how: Seating, delta: StatisticsDelta
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
        enrollment.enrolled_at, enrollment.closed_at = how.enrolled_at, None
        enrollment.access_until = how.ends.get(enrollment.user_id, enrollment.access_until)
    await enrollments.set_status(tx, [known[key] for key in before], how.now)
    others = [user_id for user_id, _ in keys if (user_id, course_id) not in known]
    new = await enrollments.insert_enrollments(tx, course_id, others, ends=how.ends, enrolled_at=how.enrolled_at, now=how.now)
    seated = await enrollments.lock(tx, sorted(before.keys() | new))
    if terms.capacity is not None:
        await enrollments.add_seats(tx, course_id, len(seated))
    waited = await waiting.stop_waiting(tx, course_id, user_ids)
    for key, enrollment in seated.items():
        delta.replace(course_id, before.get(key), enrollment)
        user_id = key[0]
        tx.announce(Enrolled(learner_id=user_id, course_id=course_id, is_resumed=key in before))
        if user_id in waited:
            tx.announce(MovedUp(learner_id=user_id, course_id=course_id, is_by_staff=how.is_by_staff))
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
        if found.is_open(now):
            refusals.setdefault(user_id, _ALREADY_ENROLLED)
        elif found.status is not EnrollmentStatus.DROPPED or found.is_over(now):
            refusals.setdefault(user_id, _ACCESS_ENDED)
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
