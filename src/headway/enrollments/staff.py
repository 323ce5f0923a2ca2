"""The staff of courses: who belongs to it, and who appoints and removes its members."""

from functools import partial

from headway.accounts import store as users
from headway.accounts.model import User
from headway.audit.model import Action, Target, course_target
from headway.audit.service import AuditRecorder
from headway.courses import staff_store
from headway.courses import store as catalogue
from headway.courses.staff import StaffMember, TaughtCourse, keeps_owner
from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.revisions import Revisions
from headway.enrollments.authorization import course_not_found, not_staff, require_known, require_staff
from headway.errors import Conflict, Forbidden, NotFound
from headway.feed import store as feed
from headway.feed.model import CourseUpdated, course_topic, new_entries
from headway.identity import Caller, Client, CourseRole
from headway.instants import Clock
from headway.paging.service import Moving, Walk


class CourseStaff:
    """The members of staff of courses. Every change locks the course first, so that its last owner cannot go.

    Without a caller, an operator asks at the command line.
    """

    def __init__(self, clock: Clock, revisions: Revisions, audit: AuditRecorder) -> None:
        self._clock = clock
        self._revisions = revisions
        self._audit = audit

    async def list_members(
        self, tx: ReadTransaction, caller: Caller | None, course_id: int, walk: Walk
    ) -> tuple[list[StaffMember], int]:
        """List the staff of a course for its staff, owners first, and how many there are.

        Raises NotFound COURSE_NOT_FOUND, Forbidden.
        """
        if caller is not None:
            await require_staff(tx, caller, course_id, shown=None)
        source = Moving(
            page=partial(staff_store.list_members, tx, course_id),
            order=partial(staff_store.member_order, tx, course_id),
            some=partial(staff_store.find_members, tx, course_id),
            key=lambda member: member.user_id,
        )
        return await walk.read(tx, source), await staff_store.count_members(tx, course_id)

    async def taught_course(self, tx: ReadTransaction, caller: Caller, course_id: int) -> TaughtCourse:
        """Return a course with the caller's part in it, for its staff. Raises NotFound COURSE_NOT_FOUND, Forbidden."""
        await require_staff(tx, caller, course_id, shown=None)
        found = await staff_store.find_taught(tx, caller.user_id, [course_id])
        if not found:
            raise course_not_found()
        return found[0]

    async def taught_courses(self, tx: ReadTransaction, caller: Caller) -> list[TaughtCourse]:
        """List the courses to whose staff the caller belongs, the last one to begin first."""
        return await staff_store.list_taught(tx, caller.user_id)

    async def set_role(
        self,
        tx: WriteTransaction,
        caller: Caller | None,
        course_id: int,
        user_id: int,
        role: CourseRole,
        *,
        client: Client | None = None,
    ) -> StaffMember:
        """Appoint a user with a role in a course, as its owner.

        Raises NotFound COURSE_NOT_FOUND or USER_NOT_FOUND, Forbidden, Conflict NOT_AN_INSTRUCTOR, USER_DISABLED or LAST_OWNER.
        """
        target = await self._lock(tx, caller, course_id)
        user = await users.find(tx, user_id)
        if user is None:
            raise NotFound("There is no such user.", code="USER_NOT_FOUND")
        check_can_teach(user)
        members = await staff_store.find_all(tx, course_id)
        before = members.get(user_id)
        if before is not None and before.role is role:
            return before
        member = StaffMember(user.id, course_id, user.name, role, user.role, user.is_disabled, self._clock())
        check_owners(members, members | {user_id: member})
        await staff_store.write_member(tx, member)
        await self._record(tx, caller, member, target, _roles(user_id, before, member), client)
        return member

    async def remove(
        self, tx: WriteTransaction, caller: Caller | None, course_id: int, user_id: int, *, client: Client | None = None
    ) -> None:
        """Remove a member of the staff, as an owner of the course or as that member.

        Raises NotFound COURSE_NOT_FOUND or STAFF_NOT_FOUND, Forbidden, Conflict LAST_OWNER.
        """
        target = await self._lock(tx, caller, course_id, leaving_id=user_id)
        members = await staff_store.find_all(tx, course_id)
        member = members.get(user_id)
        if member is None:
            raise NotFound("There is no such member of staff.", code="STAFF_NOT_FOUND")
        check_owners(members, {each: other for each, other in members.items() if each != user_id})
        await staff_store.delete_member(tx, course_id, user_id)
        await self._record(tx, caller, member, target, _roles(user_id, member, None), client)

    async def remove_erased(self, tx: WriteTransaction, course_id: int, user_id: int) -> None:
        """Remove a member of the staff who is being erased, without an entry in the audit log: the erasure has one.

        Raises NotFound COURSE_NOT_FOUND, Conflict LAST_OWNER.
        """
        await self._lock(tx, None, course_id)
        members = await staff_store.find_all(tx, course_id)
        check_owners(members, {each: other for each, other in members.items() if each != user_id})
        await staff_store.delete_member(tx, course_id, user_id)
        await self._revisions.record(tx, user_id)

    async def _lock(
        self, tx: WriteTransaction, caller: Caller | None, course_id: int, *, leaving_id: int | None = None
    ) -> Target:
        """Lock a course whose staff the caller may change, and return it as the target of an audit entry."""
        terms = await catalogue.lock_enrollment_terms(tx, course_id)
        if caller is not None:
            # Checked under the lock: the caller may have lost the role while waiting for it.
            access = await require_known(tx, caller, course_id)
            if not access.is_staff:
                raise not_staff()
            if not access.is_owner and caller.user_id != leaving_id:
                raise Forbidden("Only owners of the course may do this.")
        if terms is None:
            raise course_not_found()
        return course_target(course_id, terms.title)

    async def _record(
        self,
        tx: WriteTransaction,
        caller: Caller | None,
        member: StaffMember,
        target: Target,
        roles: dict[str, object],
        client: Client | None,
    ) -> None:
        await feed.publish(tx, new_entries(CourseUpdated(member.course_id), course_topic(member.course_id)), self._clock())
        await self._revisions.record(tx, member.user_id)
        await self._audit.record_for(tx, Action.CHANGE_COURSE_ROLE, caller, target, metadata=roles, client=client)


def _roles(user_id: int, before: StaffMember | None, after: StaffMember | None) -> dict[str, object]:
    roles = {name: None if member is None else member.role.value for name, member in (("from", before), ("to", after))}
    return {"userId": str(user_id), **roles}


def check_can_teach(user: User) -> None:
    """Check that an account may have a role in courses. Raises Conflict NOT_AN_INSTRUCTOR or USER_DISABLED."""
    if not user.role.can_teach:
        message = f"User {user.id} is a {user.role}; a role in a course needs an INSTRUCTOR or ADMIN."
        raise Conflict(message, code="NOT_AN_INSTRUCTOR")
    if user.is_disabled:
        raise Conflict(f"User {user.id} is disabled.", code="USER_DISABLED")


def check_owners(before: dict[int, StaffMember], after: dict[int, StaffMember]) -> None:
    """Check that a change leaves the course an owner. Raises Conflict LAST_OWNER."""
    if not keeps_owner(before.values(), after.values()):
        raise Conflict("The course needs another owner first.", code="LAST_OWNER")
