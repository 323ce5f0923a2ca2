"""Enrolling many learners at once, as the staff of a course: with a verdict about each."""

from collections.abc import Sequence

from headway.accounts.model import User
from headway.accounts.naming import find_users
from headway.audit.model import Act, Action, course_target, enrollment_target, learner_in_course
from headway.audit.service import AuditRecorder
from headway.courses import store as catalogue
from headway.courses.model import EnrollmentTerms
from headway.db.database import WriteTransaction
from headway.enrollments import invitations_store as invitations
from headway.enrollments import statistics_store
from headway.enrollments import store as enrollments
from headway.enrollments import waiting_store as waiting
from headway.enrollments.announcements import enrollment_updated
from headway.enrollments.authorization import course_not_found, require_staff
from headway.enrollments.enrolling_model import (
    INVITATION_LIFETIME,
    MAX_INVITATIONS,
    MAX_ITEMS,
    EnrollVerdict,
    Invitation,
    VerdictStatus,
    Wanted,
    rejected,
)
from headway.enrollments.mailing import CourseMail
from headway.enrollments.model import Enrollment, LearnerInCourse
from headway.enrollments.seating import Placed, Refusal, Seating, Waiting, seated_entries, take_seats
from headway.enrollments.statistics import StatisticsDelta
from headway.enrollments.status import LIMITED, OPEN, EnrollmentStatus
from headway.errors import Conflict, HeadwayError, Invalid, NotFound
from headway.feed import store as feed
from headway.identity import Caller, Client
from headway.instants import Clock, Instant, iso

_Users = dict[int, tuple[User, Wanted]]
"""By user id who is to be enrolled, and how."""
_Named = User | str | HeadwayError
"""Whom an item names: a user, an address to invite, or nobody."""


class Enrolling:
    """Enrolls for others: the staff of a course, and importers at the command line (a caller of None)."""

    def __init__(self, clock: Clock, audit: AuditRecorder, mail: CourseMail) -> None:
        self._clock = clock
        self._audit = audit
        self._mail = mail

    async def enroll(
        self,
        tx: WriteTransaction,
        caller: Caller | None,
        course_id: int,
        items: Sequence[Wanted | HeadwayError],
        *,
        client: Client | None = None,
    ) -> list[EnrollVerdict]:
        """Enroll up to `MAX_ITEMS` users in a course, and return a verdict about each, in order.

        Staff enrolls outside of the window for enrollment, after the end of the course, and without prerequisites, but never
        beyond the capacity. Seats go in the order of the items; who finds none is rejected, or waits if the item allows it.
        Somebody who left resumes what was earned. Whose access has ended gets a new end, or is rejected. An address that no
        account has is invited, if the item allows it. An item that is an error is rejected with it. No item fails another
        one; the number of statements does not depend on how many there are.

        Raises Invalid naming `items`, NotFound COURSE_NOT_FOUND, Forbidden, and Conflict COURSE_CLOSED if the course is not
        published.
        """
        if not 1 <= len(items) <= MAX_ITEMS:
            raise Invalid.field("items", f"must have 1 to {MAX_ITEMS} items")
        now = self._clock()
        named = await _find_users(tx, items, now)
        terms = await catalogue.lock_enrollment_terms(tx, course_id)
        # Checked under the lock of the course's row: the caller may have left the staff while waiting for it.
        if caller is not None:
            await require_staff(tx, caller, course_id)
        terms = check_terms(terms)
        verdicts, first = _reject(named)
        left = [(found, item) for at, (found, item) in enumerate(zip(named, items, strict=True)) if at not in verdicts]
        wanted = {found.id: (found, item) for found, item in left if isinstance(found, User) and isinstance(item, Wanted)}
        placed, acts = await _enroll_users(tx, terms, wanted, now)
        verdicts |= {first[user_id]: verdict for user_id, verdict in placed.items()}
        invited = {found: item for found, item in left if isinstance(found, str) and isinstance(item, Wanted)}
        invited_by = None if caller is None else caller.user_id
        for address, verdict in (await _invite(tx, course_id, invited, invited_by, now)).items():
            verdicts[first[address]] = verdict
            if isinstance(verdict.place, Invitation) and verdict.status is not VerdictStatus.UNCHANGED:
                acts.append(_act_of_inviting(terms, verdict.place))
        await self._audit.record_all_for(tx, caller, acts, client)
        if client is not None:
            # Imports at the command line tell nobody.
            await self._tell(tx, terms, list(verdicts.values()), client)
        return [verdicts[index] for index in range(len(items))]

    async def _tell(
        self, tx: WriteTransaction, terms: EnrollmentTerms, verdicts: Sequence[EnrollVerdict], client: Client
    ) -> None:
        """Mail those who are invited or enrolled anew."""
        new = [each for each in verdicts if each.status in {VerdictStatus.CREATED, VerdictStatus.UPDATED}]
        invited = [each.place for each in new if isinstance(each.place, Invitation)]
        await self._mail.invite(tx, terms.title, invited, client)
        created = [each for each in new if each.status is VerdictStatus.CREATED and isinstance(each.place, Enrollment)]
        enrolled = [each.user for each in created if each.user is not None]
        await self._mail.tell_enrolled(tx, terms.id, terms.title, enrolled, client)


def check_terms(terms: EnrollmentTerms | None) -> EnrollmentTerms:
    """Return the terms of a course in which staff may enroll. Raises NotFound COURSE_NOT_FOUND, Conflict COURSE_CLOSED."""
    if terms is None:
        raise course_not_found()
    if not terms.is_published:
        raise Conflict("Publish the course before you enroll anybody.", code="COURSE_CLOSED")
    return terms


def is_disabled() -> Conflict:
    """Return the error about an account that is disabled."""
    return Conflict("The account is disabled.", code="USER_DISABLED")


def too_many_invitations() -> Conflict:
    """Return the error about a course with as many invitations as there can be."""
    return Conflict(f"A course has at most {MAX_INVITATIONS} invitations.", code="TOO_MANY_INVITATIONS")


def _reject(named: Sequence[_Named]) -> tuple[dict[int, EnrollVerdict], dict[int | str, int]]:
    """Return the verdicts about items that cannot be placed, and where each user and address comes first."""
    verdicts: dict[int, EnrollVerdict] = {}
    first: dict[int | str, int] = {}
    for index, found in enumerate(named):
        if isinstance(found, HeadwayError):
            verdicts[index] = rejected(found)
            continue
        user = found if isinstance(found, User) else None
        earlier = first.setdefault(user.id if user is not None else str(found), index)
        if earlier != index:
            verdicts[index] = rejected(Conflict(f"Item {earlier} names the same user.", code="DUPLICATE_ITEM"), user)
        elif user is not None and user.is_disabled:
            verdicts[index] = rejected(is_disabled(), user)
    return verdicts, first


async def _find_users(tx: WriteTransaction, items: Sequence[Wanted | HeadwayError], now: Instant) -> list[_Named]:
    """Return for each item the user, the address to invite, or why there is neither.

    Addresses to invite are locked, so that nobody gets an account with one until the invitation is stored.
    """
    checked = [_checked(item, now) for item in items]
    right = [item for item in checked if isinstance(item, Wanted)]
    found = await find_users(tx, {item.user for item in right})
    strangers = {
        item.user: item.address
        for item in right
        if item.may_invite and item.address is not None and isinstance(found[item.user], NotFound)
    }
    if strangers:
        await invitations.lock_addresses(tx, list(strangers.values()))
        # Somebody may have got an account with one of them meanwhile.
        found |= await find_users(tx, strangers)
    return [
        item
        if isinstance(item, HeadwayError)
        else strangers[item.user]
        if item.may_invite and item.user in strangers and isinstance(found[item.user], NotFound)
        else found[item.user]
        for item in checked
    ]


def _checked(item: Wanted | HeadwayError, now: Instant) -> Wanted | HeadwayError:
    if isinstance(item, HeadwayError):
        return item
    try:
        item.check(now)
    except Invalid as error:
        return error
    return item


async def _enroll_users(
    tx: WriteTransaction, terms: EnrollmentTerms, wanted: _Users, now: Instant
) -> tuple[dict[int, EnrollVerdict], list[Act]]:
    """Seat users, change when their access ends, or put them on the waiting list; the terms of the course are locked."""
    if not wanted:
        return {}, []
    locked = await enrollments.lock(tx, [(user_id, terms.id) for user_id in wanted])
    verdicts: dict[int, EnrollVerdict] = {}
    changed: dict[int, tuple[Instant | None, Enrollment]] = {}
    for (user_id, _), found in locked.items():
        user, item = wanted[user_id]
        before = found.access_until
        verdict = verdict_of_enrolled(user, item, found, now)
        if verdict is not None:
            verdicts[user_id] = verdict
            if verdict.status is VerdictStatus.UPDATED:
                changed[user_id] = before, found
    seeking = [user_id for user_id in wanted if user_id not in verdicts]
    delta = StatisticsDelta()
    placed, waited = await _place(tx, terms, {each: wanted[each] for each in seeking}, delta, now)
    await enrollments.set_status(tx, [found for _, found in changed.values()], now)
    verdicts |= await _verdicts_of_placed(tx, terms, wanted, placed, locked, waited)
    await statistics_store.write_statistics(tx, delta)
    entries = seated_entries(placed.values(), terms.title)
    entries += [entry for _, found in changed.values() for entry in enrollment_updated(found, terms.title)]
    await feed.publish(tx, entries, now)
    acts = [act_of_access(terms.id, found, before) for before, found in changed.values()]
    for user_id in seeking:
        if verdicts[user_id].status in {VerdictStatus.CREATED, VerdictStatus.UPDATED}:
            record = learner_in_course(terms.id, user_id) | {"isWaiting": isinstance(placed[user_id], Waiting)}
            acts.append(Act(Action.ENROLL_LEARNER, enrollment_target(terms.id, user_id), record))
    return verdicts, acts


def verdict_of_enrolled(user: User, item: Wanted, found: Enrollment, now: Instant) -> EnrollVerdict | None:
    """Return the verdict about somebody who has an enrollment, after changing when access ends; None for who needs a seat."""
    if found.status in OPEN:
        is_new_end = item.access_until is not None and item.access_until != found.access_until
        if is_new_end and found.status in LIMITED:
            found.access_until = item.access_until
            return EnrollVerdict(VerdictStatus.UPDATED, found, user)
        if found.is_open(now):
            return EnrollVerdict(VerdictStatus.UNCHANGED, found, user)
    elif found.status is EnrollmentStatus.DROPPED or item.access_until is not None:
        return None
    return rejected(Conflict("Access has ended. Name a new end to renew it.", code="ACCESS_ENDED"), user)


async def _place(
    tx: WriteTransaction, terms: EnrollmentTerms, wanted: _Users, delta: StatisticsDelta, now: Instant
) -> tuple[dict[int, Placed], set[int]]:
    """Seat users or let them wait; return what each has, and who waited before."""
    if not wanted:
        return {}, set()
    waited = set(await waiting.find_positions(tx, terms.id, list(wanted)))
    may_wait = waited | {user_id for user_id, (_, item) in wanted.items() if item.may_wait}
    ends = {user_id: item.access_until for user_id, (_, item) in wanted.items()}
    return await take_seats(tx, terms, list(wanted), Seating(now, now, may_wait, ends, is_by_staff=True), delta), waited


async def _verdicts_of_placed(
    tx: WriteTransaction,
    terms: EnrollmentTerms,
    wanted: _Users,
    placed: dict[int, Placed],
    before: dict[LearnerInCourse, Enrollment],
    waited: set[int],
) -> dict[int, EnrollVerdict]:
    verdicts = {}
    for user_id, place in placed.items():
        user, _ = wanted[user_id]
        if isinstance(place, Refusal):
            # Where seats are unlimited, a learner may have enrolled at the same time.
            own = None if terms.capacity is not None else await enrollments.find(tx, user_id, terms.id)
            is_enrolled = own is not None and own.status in OPEN
            verdicts[user_id] = (
                EnrollVerdict(VerdictStatus.UNCHANGED, own, user) if is_enrolled else rejected(place.error, user)
            )
            continue
        is_known = user_id in waited if isinstance(place, Waiting) else (user_id, terms.id) in before
        known = VerdictStatus.UNCHANGED if isinstance(place, Waiting) else VerdictStatus.UPDATED
        verdicts[user_id] = EnrollVerdict(known if is_known else VerdictStatus.CREATED, place, user)
    return verdicts


async def _invite(
    tx: WriteTransaction, course_id: int, wanted: dict[str, Wanted], invited_by: int | None, now: Instant
) -> dict[str, EnrollVerdict]:
    """Invite addresses, which are locked, to a course, which is locked too."""
    if not wanted:
        return {}
    await invitations.forget_before(tx, now - INVITATION_LIFETIME)
    stored = await invitations.find_in_course(tx, course_id, list(wanted))
    verdicts: dict[str, EnrollVerdict] = {}
    due: dict[str, Instant | None] = {}
    room = MAX_INVITATIONS - await invitations.count_since(tx, course_id, now - INVITATION_LIFETIME)
    for address, item in wanted.items():
        own = stored.get(address)
        if own is not None and own.ends_at > now and item.access_until in {None, own.access_until}:
            verdicts[address] = EnrollVerdict(VerdictStatus.UNCHANGED, own)
        elif own is None and room <= 0:
            verdicts[address] = rejected(too_many_invitations())
        else:
            due[address] = item.access_until
            room -= own is None
    made = await invitations.write(tx, course_id, due, stored, invited_by=invited_by, now=now) if due else {}
    for address, invitation in made.items():
        status = VerdictStatus.UPDATED if address in stored else VerdictStatus.CREATED
        verdicts[address] = EnrollVerdict(status, invitation)
    return verdicts


def _act_of_inviting(terms: EnrollmentTerms, invitation: Invitation) -> Act:
    record: dict[str, object] = {"courseId": str(terms.id), "invitationId": str(invitation.id)}
    return Act(Action.INVITE_LEARNER, course_target(terms.id, terms.title), record)


def act_of_access(course_id: int, enrollment: Enrollment, before: Instant | None) -> Act:
    """Return the audit record of another end of access."""
    ends = {name: None if end is None else iso(end) for name, end in (("from", before), ("to", enrollment.access_until))}
    record = learner_in_course(course_id, enrollment.user_id) | {"accessUntil": ends}
    return Act(Action.CHANGE_ENROLLMENT, enrollment_target(course_id, enrollment.user_id), record)
