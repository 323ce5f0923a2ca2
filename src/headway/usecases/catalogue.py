"""Building courses."""

from headway.domain.catalogue import CourseTree, NewCourse, check_course
from headway.domain.errors import Conflict, FieldError, Invalid, NotFound
from headway.domain.instants import Clock
from headway.storage import catalogue, users
from headway.storage.database import Database


class Catalogue:
    """The courses of this installation."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(self, course: NewCourse, *, owner_id: int) -> CourseTree:
        """Make a course with its modules, units and assessments, all or nothing, and give it as stored.

        Raises Invalid for what breaks a rule, Conflict SLUG_TAKEN, NotFound USER_NOT_FOUND for the owner.
        """
        errors = check_course(course)
        if errors:
            raise Invalid(errors)
        async with self._database.write() as tx:
            if await users.find(tx, owner_id) is None:
                raise NotFound(f"There is no user {owner_id}.", code="USER_NOT_FOUND")
            known = await catalogue.revisions(tx, sorted(set(course.prerequisites)))
            unknown = set(course.prerequisites) - known.keys()
            if unknown:
                raise Invalid([FieldError("prerequisites", f"course {i} does not exist") for i in sorted(unknown)])
            if course.slug is not None and await catalogue.find_by_slug(tx, course.slug) is not None:
                raise Conflict(f"The slug {course.slug!r} belongs to another course.", code="SLUG_TAKEN")
            course_id = await catalogue.insert_course(tx, course, owner_id=owner_id, now=self._clock())
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
