"""Building, changing and finding courses."""

from collections.abc import Callable, Iterable

from headway.accounts import users_store as users
from headway.courses import store as catalogue
from headway.courses import write_store as course_writing
from headway.courses.model import CoursePage, CourseSearch, CourseTree, NewCourse, check_course, check_identities
from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.enrollments.access import find_known, require_known, require_staff
from headway.enrollments.service import move_up
from headway.enrollments.statistics_store import StatisticsDelta
from headway.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from headway.feed import store as feed
from headway.feed.model import Change, ChangeType, topic_of_course
from headway.identity import Caller, Role
from headway.instants import Clock
from headway.learning.regrade import regrade


class Catalogue:
    """The courses of this installation."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create_for(self, caller: Caller, course: NewCourse) -> CourseTree:
        """Make a course of the caller, who must be an instructor or administrator. Raises Forbidden, and as `create`."""
        if caller.role not in {Role.INSTRUCTOR, Role.ADMIN}:
            raise Forbidden("Only instructors and administrators make courses.")
        return await self.create(course, owner_id=caller.user_id)

    async def create(self, course: NewCourse, *, owner_id: int) -> CourseTree:
        """Make a course with its modules, units and assessments, all or nothing, and give it as stored.

        Raises Invalid for what breaks a rule, Conflict SLUG_TAKEN, NotFound USER_NOT_FOUND for the owner.
        """
        errors = check_course(course)
        if errors:
            raise Invalid(errors)
        async with self._database.write() as tx:
            owner = await users.find(tx, owner_id)
            if owner is None:
                raise NotFound(f"There is no user {owner_id}.", code="USER_NOT_FOUND")
            await _check_prerequisites(tx, Caller(owner.id, owner.role), course.prerequisites)
            await _check_slug(tx, course.slug)
            course_id = await course_writing.insert_course(tx, course, owner_id=owner_id, now=self._clock())
            return await catalogue.tree(tx, course_id)

    async def change(self, caller: Caller, course_id: int, edit: Callable[[CourseTree], NewCourse]) -> CourseTree:
        """Let the staff of a course make it what `edit` says, given what it is.

        Parts that are left out are retired: they keep their history and no longer count. What learners have reached in the
        course is counted anew, and seats that were added go to those who wait, in the same transaction.
        Raises Invalid, Forbidden, NotFound COURSE_NOT_FOUND, Conflict SLUG_TAKEN or CAPACITY_TOO_SMALL.
        """
        now = self._clock()
        async with self._database.write() as tx:
            await require_staff(tx, caller, course_id)
            await tx.lock_course(course_id)
            terms = await catalogue.lock_terms(tx, course_id)
            stored = await catalogue.tree(tx, course_id)
            course = edit(stored)
            errors = check_course(course) + check_identities(course, stored)
            if errors:
                raise Invalid(errors)
            await _check_prerequisites(tx, caller, course.prerequisites, kept=stored.course.prerequisites, of=course_id)
            await _check_slug(tx, course.slug, of=course_id)
            if course.capacity is not None and course.capacity < stored.seats_taken:
                raise Conflict(f"{stored.seats_taken} seats are taken already.", code="CAPACITY_TOO_SMALL")
            before = await catalogue.structures(tx, [course_id])
            await course_writing.change_course(tx, stored, course, now=now)
            after = await catalogue.structures(tx, [course_id])
            delta = StatisticsDelta()
            await regrade(tx, before[course_id], after[course_id], delta, now)
            terms = await catalogue.lock_terms(tx, course_id)
            assert terms is not None  # noqa: S101 - its staff was found above
            changes = await move_up(tx, course_id, terms, terms.free_seats, delta, now)
            await delta.write(tx)
            changed = Change(topic_of_course(course_id), ChangeType.COURSE, {"courseId": str(course_id)})
            await feed.publish(tx, [changed, *changes], now)
            return await catalogue.tree(tx, course_id)

    async def search(self, caller: Caller | None, search: CourseSearch, *, page: int, limit: int) -> CoursePage:
        """Find courses: published ones, and for their staff also those that are not. Case does not matter; pages begin at 1."""
        filters: dict[str, object] = {}
        for name, exact in (("subject", search.subject), ("level", search.level)):
            if exact is not None:
                filters[name] = exact.lower()
        if search.kind is not None:
            filters["kind"] = search.kind.value
        if (tutor := search.tutor) is not None:
            is_id = tutor.isascii() and tutor.isdecimal() and len(tutor) <= 15
            filters |= {"tutor_id": int(tutor)} if is_id else {"tutor": _pattern(tutor)}
        if search.q is not None:
            filters["q"] = _pattern(search.q)
        if caller is None or not caller.sees_all:
            filters["is_published"] = True
            filters |= {} if caller is None else {"staff_id": caller.user_id}
        async with self._database.read() as tx:
            return await catalogue.list_courses(tx, filters, limit=limit, offset=(page - 1) * limit)

    async def find_for(self, caller: Caller | None, course_id: int) -> CourseTree:
        """Read a course with everything in it. Raises NotFound COURSE_NOT_FOUND as `require_known`."""
        async with self._database.read() as tx:
            await require_known(tx, caller, course_id)
            return await catalogue.tree(tx, course_id)

    async def find(self, course_id: int) -> CourseTree:
        """Read a course with everything in it. Raises NotFound COURSE_NOT_FOUND."""
        async with self._database.read() as tx:
            if not await catalogue.revisions(tx, [course_id]):
                raise NotFound("There is no such course.", code="COURSE_NOT_FOUND")
            return await catalogue.tree(tx, course_id)

    async def find_by_slug(self, slug: str) -> CourseTree | None:
        """Read the course with a slug, if there is one."""
        async with self._database.read() as tx:
            course_id = await catalogue.find_by_slug(tx, slug)
            return None if course_id is None else await catalogue.tree(tx, course_id)


def _pattern(part: str) -> str:
    escaped = part.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


async def _check_prerequisites(
    tx: ReadTransaction, caller: Caller, wanted: Iterable[int], *, kept: Iterable[int] = (), of: int | None = None
) -> None:
    """Refuse courses that the caller knows nothing of, and those that in turn need course `of`: nobody could ever enroll.

    Those `kept` may have been another's choice. Raises Invalid.
    """
    asked = sorted(set(wanted))
    unknown = [i for i in asked if i not in set(kept) and await find_known(tx, caller, i) is None]
    errors = [FieldError("prerequisites", f"course {i} does not exist") for i in unknown]
    reached, following = set(asked), set(asked)
    while following and of not in reached:
        following = await catalogue.prerequisites_of(tx, sorted(following)) - reached
        reached |= following
    if of is not None and of in reached:
        errors.append(FieldError("prerequisites", "must not lead back to this course"))
    if errors:
        raise Invalid(errors)


async def _check_slug(tx: WriteTransaction, slug: str | None, *, of: int | None = None) -> None:
    if slug is not None and await catalogue.find_by_slug(tx, slug) not in {None, of}:
        raise Conflict(f"The slug {slug!r} belongs to another course.", code="SLUG_TAKEN")
