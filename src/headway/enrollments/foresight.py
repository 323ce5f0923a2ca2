"""What enrolling, leaving, inviting and appointing would lead to: the same decisions as where it is done, but nothing changes.

Nobody waits for it, and what it says holds while nobody else changes the same courses.
"""

from collections.abc import Sequence

import msgspec

from headway.accounts.model import User
from headway.courses import staff_store
from headway.courses import store as catalogue
from headway.courses.model import EnrollmentTerms
from headway.courses.staff import StaffMember
from headway.db.database import ReadTransaction
from headway.enrollments import invitations_store as invitations
from headway.enrollments import store as enrollments
from headway.enrollments import waiting_store as waiting
from headway.enrollments.enrolling import check_terms, is_disabled, too_many_invitations, verdict_of_enrolled
from headway.enrollments.enrolling_model import INVITATION_LIFETIME, MAX_INVITATIONS, Wanted
from headway.enrollments.model import Enrollment, LearnerInCourse
from headway.enrollments.seating import NO_SEAT
from headway.enrollments.service import DROPPABLE
from headway.enrollments.staff import check_can_teach, check_owners
from headway.enrollments.status import OPEN
from headway.errors import HeadwayError
from headway.identity import CourseRole
from headway.instants import Instant

_AS_THE_COURSE_SAYS = Wanted("")


class Foresight:
    """Courses and their people as they would be after what was foreseen so far. What would be created has a negative id."""

    def __init__(self, now: Instant) -> None:
        self._now = now
        self.users: dict[int, User] = {}
        """Accounts as they would be, of those that would be created or changed."""
        self._terms: dict[int, EnrollmentTerms] = {}
        self._members: dict[int, dict[int, StaffMember]] = {}
        self._enrolled: set[LearnerInCourse] = set()
        self._left: set[LearnerInCourse] = set()
        self._invited: set[tuple[int, str]] = set()

    def is_open(self, key: LearnerInCourse, stored: Enrollment | None) -> bool:
        """Return whether a learner would have access to a course."""
        is_stored = stored is not None and stored.is_open(self._now) and key not in self._left
        return is_stored or key in self._enrolled

    def can_leave(self, key: LearnerInCourse, stored: Enrollment | None) -> bool:
        """Return whether a learner would be in a course, without a certificate."""
        is_stored = stored is not None and stored.status in DROPPABLE and key not in self._left
        return is_stored or key in self._enrolled

    def is_invited(self, course_id: int, address: str) -> bool:
        """Return whether an address would be invited that is not yet."""
        return (course_id, address) in self._invited

    def add_course(self, course_id: int, title: str, owner: User) -> None:
        """Foresee a new course without a limit of seats."""
        self._terms[course_id] = EnrollmentTerms(course_id, title, True, None, 0, None, None, None, None)
        self._members[course_id] = {owner.id: _member(owner, course_id, CourseRole.OWNER, self._now)}

    async def end_course(self, tx: ReadTransaction, course_id: int, ends_at: Instant | None) -> None:
        """Foresee that a course ends at another time: if it is not over any more, those who wait get free seats."""
        terms = await self._terms_of(tx, course_id)
        if terms is not None:
            self._terms[course_id] = msgspec.structs.replace(terms, ends_at=ends_at)
            await self._move_up(tx, course_id)

    async def enroll(self, tx: ReadTransaction, course_id: int, users: Sequence[User]) -> dict[int, HeadwayError]:
        """Foresee `Enrolling.enroll`, and return why some would not be enrolled. Raises NotFound, Conflict COURSE_CLOSED."""
        terms = check_terms(await self._terms_of(tx, course_id))
        stored = await enrollments.find_many(tx, sorted((user.id, course_id) for user in users))
        refused: dict[int, HeadwayError] = {}
        seeking = []
        for user in users:
            found = stored.get((user.id, course_id))
            verdict = None if found is None else verdict_of_enrolled(user, _AS_THE_COURSE_SAYS, found, self._now)
            if user.is_disabled:
                refused[user.id] = is_disabled()
            elif (user.id, course_id) in self._enrolled:
                continue
            elif verdict is None:
                seeking.append(user.id)
            elif verdict.error is not None:
                refused[user.id] = verdict.error
        seated = self._seat(terms, seeking)
        return refused | dict.fromkeys(seeking[len(seated) :], NO_SEAT.error)

    async def give_addresses(self, tx: ReadTransaction, users: Sequence[User]) -> None:
        """Foresee `Invitations.fulfill`: accounts with new addresses are enrolled where these are invited."""
        owners = {user.email: user.id for user in users if user.email is not None}
        found = await invitations.find(tx, list(owners), now=self._now) if owners else []
        keys = sorted((owners[each.email], each.course_id) for each in found)
        stored = await enrollments.find_many(tx, keys) if keys else {}
        for each in sorted(found, key=lambda invitation: invitation.course_id):
            key = owners[each.email], each.course_id
            terms = await self._terms_of(tx, each.course_id)
            if terms is not None and key not in self._enrolled and not (key in stored and stored[key].status in OPEN):
                self._seat(terms, [key[0]])

    async def drop(self, tx: ReadTransaction, course_id: int, user_ids: Sequence[int]) -> list[int]:
        """Foresee `Enrollments.drop_all`, and return who would be dropped."""
        stored = await enrollments.find_many(tx, sorted((user_id, course_id) for user_id in user_ids))
        keys = [(user_id, course_id) for user_id in user_ids]
        leaving = [key for key in keys if self.can_leave(key, stored.get(key))]
        self._left.update(leaving)
        self._enrolled.difference_update(leaving)
        terms = await self._terms_of(tx, course_id)
        if terms is not None and terms.capacity is not None:
            self._terms[course_id] = msgspec.structs.replace(terms, seats_taken=terms.seats_taken - len(leaving))
            await self._move_up(tx, course_id)
        return [user_id for user_id, _ in leaving]

    async def invite(self, tx: ReadTransaction, course_id: int, addresses: Sequence[str]) -> dict[str, HeadwayError]:
        """Foresee that addresses are invited, and return why some would not be. Raises NotFound, Conflict COURSE_CLOSED."""
        check_terms(await self._terms_of(tx, course_id))
        stored = await invitations.find_in_course(tx, course_id, addresses)
        since = self._now - INVITATION_LIFETIME
        count = await invitations.count_since(tx, course_id, since) + sum(each == course_id for each, _ in self._invited)
        refused: dict[str, HeadwayError] = {}
        for address in addresses:
            own = stored.get(address)
            if own is None and count >= MAX_INVITATIONS:
                refused[address] = too_many_invitations()
            else:
                count += own is None
                self._invited.add((course_id, address))
        return refused

    async def appoint(self, tx: ReadTransaction, course_id: int, user: User) -> None:
        """Foresee that a user gets a role in a course. Raises Conflict NOT_AN_INSTRUCTOR or USER_DISABLED."""
        check_can_teach(user)
        members = await self._members_of(tx, course_id)
        self._members[course_id] = {user.id: _member(user, course_id, CourseRole.INSTRUCTOR, self._now)} | members

    async def remove_member(self, tx: ReadTransaction, course_id: int, user_id: int) -> None:
        """Foresee that a member of the staff is removed. Raises Conflict LAST_OWNER."""
        members = await self._members_of(tx, course_id)
        left = {each: member for each, member in members.items() if each != user_id}
        check_owners(members, left)
        self._members[course_id] = left

    async def _terms_of(self, tx: ReadTransaction, course_id: int) -> EnrollmentTerms | None:
        if course_id not in self._terms:
            terms = await catalogue.find_enrollment_terms(tx, course_id)
            if terms is None:
                return None
            self._terms[course_id] = terms
        return self._terms[course_id]

    async def _members_of(self, tx: ReadTransaction, course_id: int) -> dict[int, StaffMember]:
        if course_id not in self._members:
            self._members[course_id] = await staff_store.find_all(tx, course_id)
        return {each: self._as_it_would_be(member) for each, member in self._members[course_id].items()}

    def _as_it_would_be(self, member: StaffMember) -> StaffMember:
        user = self.users.get(member.user_id)
        return member if user is None else msgspec.structs.replace(member, account_role=user.role)

    def _seat(self, terms: EnrollmentTerms, user_ids: Sequence[int]) -> Sequence[int]:
        seated = user_ids if terms.free_seats is None else user_ids[: terms.free_seats]
        self._enrolled.update((user_id, terms.id) for user_id in seated)
        if terms.capacity is not None:
            self._terms[terms.id] = msgspec.structs.replace(terms, seats_taken=terms.seats_taken + len(seated))
        return seated

    async def _move_up(self, tx: ReadTransaction, course_id: int) -> None:
        """Foresee `seating.move_up`."""
        terms = self._terms[course_id]
        is_over = terms.ends_at is not None and terms.ends_at <= self._now
        if is_over or not terms.is_published or not terms.free_seats:
            return
        gone = sum(each == course_id for _, each in self._enrolled)
        line = await waiting.list_waiting(tx, course_id, terms.free_seats + gone)
        self._seat(terms, [user_id for user_id in line if (user_id, course_id) not in self._enrolled])


def _member(user: User, course_id: int, role: CourseRole, now: Instant) -> StaffMember:
    return StaffMember(user.id, course_id, user.name, role, user.role, user.is_disabled, now)
