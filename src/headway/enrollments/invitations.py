"""Invitations: addresses without an account, enrolled in a course as soon as somebody has an account with one."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from headway.accounts.model import User
from headway.audit.model import Act, Action, Deed, course_target, enrollment_target, learner_in_course
from headway.audit.service import AuditRecorder
from headway.courses import store as catalogue
from headway.db.database import ReadTransaction, WriteTransaction
from headway.enrollments import invitations_store as invitations
from headway.enrollments import statistics_store
from headway.enrollments import store as enrollments
from headway.enrollments.authorization import require_staff
from headway.enrollments.enrolling_model import Invitation
from headway.enrollments.mailing import CourseMail
from headway.enrollments.seating import Refusal, Seating, Waiting, seated_entries, take_seats
from headway.enrollments.statistics import StatisticsDelta
from headway.enrollments.status import OPEN
from headway.errors import Conflict, NotFound
from headway.feed import store as feed
from headway.feed.model import NewFeedEntry
from headway.identity import Caller, Client
from headway.instants import MINUTE, Clock
from headway.paging.service import Walk
from headway.verify import Difference, Findings

_MAILED_EVERY = 10 * MINUTE


class Invitations:
    """The invitations to courses; `Enrolling` makes them."""

    def __init__(self, clock: Clock, audit: AuditRecorder, mail: CourseMail) -> None:
        self._clock = clock
        self._audit = audit
        self._mail = mail

    async def list(self, tx: ReadTransaction, caller: Caller, course_id: int, walk: Walk) -> tuple[Sequence[Invitation], int]:
        """List the invitations to a course, the newest first, for its staff, and how many they are.

        Raises NotFound COURSE_NOT_FOUND, Forbidden, Invalid naming `cursor`.
        """
        await require_staff(tx, caller, course_id)
        found, total = await invitations.list_page(tx, course_id, walk.slice)
        return walk.cut(found, lambda each: each.id), total

    async def withdraw(
        self, tx: WriteTransaction, caller: Caller, course_id: int, invitation_id: int, *, client: Client | None = None
    ) -> None:
        """Withdraw an invitation to a course, as its staff.

        Raises Forbidden, NotFound COURSE_NOT_FOUND or INVITATION_NOT_FOUND.
        """
        terms = await catalogue.lock_enrollment_terms(tx, course_id)
        await require_staff(tx, caller, course_id)
        if terms is None or await invitations.withdraw(tx, course_id, invitation_id) is None:
            raise NotFound("There is no such invitation.", code="INVITATION_NOT_FOUND")
        record: dict[str, object] = {"courseId": str(course_id), "invitationId": str(invitation_id)}
        act = Act(Action.WITHDRAW_INVITATION, course_target(course_id, terms.title), record)
        await self._audit.record_all_for(tx, caller, [act], client)

    async def resend(self, tx: WriteTransaction, caller: Caller, course_id: int, invitation_id: int, *, client: Client) -> None:
        """Mail an invitation again, as staff of the course; the link of the mail before ends.

        Raises Forbidden, NotFound COURSE_NOT_FOUND or INVITATION_NOT_FOUND, Conflict MAIL_NOT_SET_UP or MAILED_LATELY.
        """
        terms = await catalogue.lock_enrollment_terms(tx, course_id)
        await require_staff(tx, caller, course_id)
        found = await invitations.lock(tx, course_id, invitation_id)
        now = self._clock()
        if terms is None or found is None or found.ends_at <= now:
            raise NotFound("There is no such invitation.", code="INVITATION_NOT_FOUND")
        if not self._mail.is_on:
            raise Conflict("This server sends no mail: tell people yourself.", code="MAIL_NOT_SET_UP")
        if found.mailed_at is not None and now < found.mailed_at + _MAILED_EVERY:
            raise Conflict("The invitation was mailed within the last ten minutes.", code="MAILED_LATELY")
        await self._mail.invite(tx, terms.title, [found], client)
        record: dict[str, object] = {"courseId": str(course_id), "invitationId": str(invitation_id), "isAgain": True}
        act = Act(Action.INVITE_LEARNER, course_target(course_id, terms.title), record)
        await self._audit.record_all_for(tx, caller, [act], client)

    async def fulfill(self, tx: WriteTransaction, accounts: Sequence[User]) -> None:
        """Enroll accounts that have just got their addresses in the courses to which these were invited.

        Who finds no free seat waits for one. The staff decided when it invited, so neither the window for enrollment nor the
        end of the course matters.
        """
        owners = {user.email: user for user in accounts if user.email is not None}
        if not owners:
            return
        await invitations.lock_addresses(tx, list(owners))
        found = await invitations.find(tx, list(owners), now=self._clock())
        if not found:
            return
        by_course = defaultdict[int, dict[int, Invitation]](dict)
        for each in found:
            by_course[each.course_id][owners[each.email].id] = each
        await self._enroll(tx, dict(sorted(by_course.items())), {user.id: user for user in owners.values()})
        await invitations.delete_all(tx, found)

    async def _enroll(self, tx: WriteTransaction, by_course: dict[int, dict[int, Invitation]], users: dict[int, User]) -> None:
        now, delta = self._clock(), StatisticsDelta()
        held = {course_id: await catalogue.hold_enrollment_terms(tx, course_id) for course_id in by_course}
        keys = [(user_id, course_id) for course_id, invited in by_course.items() for user_id in invited]
        locked = await enrollments.lock(tx, keys)
        entries: list[NewFeedEntry] = []
        deeds = []
        for course_id, invited in by_course.items():
            terms = held[course_id]
            own = {user_id: locked.get((user_id, course_id)) for user_id in invited}
            seeking = [user_id for user_id, found in own.items() if found is None or found.status not in OPEN]
            if terms is None or not seeking:
                continue
            ends = {user_id: invited[user_id].access_until for user_id in seeking}
            placed = await take_seats(tx, terms, seeking, Seating(now, now, seeking, ends), delta)
            entries += seated_entries(placed.values(), terms.title)
            for user_id, place in placed.items():
                if not isinstance(place, Refusal):
                    invitation = {"invitationId": str(invited[user_id].id), "isWaiting": isinstance(place, Waiting)}
                    record = learner_in_course(course_id, user_id) | invitation
                    target = enrollment_target(course_id, user_id)
                    deeds.append(Deed(Action.ENROLL_LEARNER, users[user_id].actor, target, record, None))
        await statistics_store.write_statistics(tx, delta)
        await feed.publish(tx, entries, now)
        await self._audit.record_all(tx, deeds)


async def check_invitations(tx: ReadTransaction, findings: Findings) -> None:
    """Find invitations whose address belongs to an account: it should have been enrolled."""
    difference = partial(Difference, "invitations", column="email_hash")
    findings.add(
        difference(
            key={"id": row["id"]}, stored=f"the address of user {row['user_id']}", expected="an address without an account"
        )
        for row in await invitations.find_fulfilled(tx)
    )
