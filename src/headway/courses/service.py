"""Finding courses."""

from headway.courses import prerequisites, structure_store
from headway.courses import store as courses
from headway.courses.external_store import resolve_courses
from headway.courses.model import CoursePage, CourseSearch, CourseTree, Facets
from headway.db.database import ReadTransaction
from headway.errors import NotFound
from headway.identity import Caller
from headway.instants import Clock
from headway.paging.service import Walk
from headway.words import fold


class Courses:
    """The courses of this installation. Enrollment, and access to a single course, belong to the rooms above."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def search(self, tx: ReadTransaction, caller: Caller | None, search: CourseSearch, walk: Walk) -> CoursePage:
        """List published courses, and for their staff also others. Case and accents do not matter.

        A prerequisite that nobody can complete any more is not among those of a course.
        """
        filters: dict[str, object] = {}
        if terms := search.terms:
            filters |= {"terms": terms, "term_count": len(terms)}
        if search.kind is not None:
            filters["kind"] = search.kind.value
        if search.external_id is not None:
            filters["external_id"] = search.external_id
        if (tutor := search.tutor) is not None:
            is_id = tutor.isascii() and tutor.isdecimal() and len(tutor) <= 15
            filters |= {"tutor_id": int(tutor)} if is_id else {"tutor": _pattern(tutor)}
        if caller is None or not caller.sees_all:
            filters["is_published"] = True
            filters |= {"staff_id": caller.user_id} if caller is not None and caller.role.can_teach else {}
        found = await courses.list_courses(tx, filters, walk.slice)
        page, now = walk.cut(found.courses, lambda course: course.id), self._clock()
        return CoursePage([prerequisites.for_learners(course, now) for course in page], found.total)

    async def facets(self, tx: ReadTransaction) -> Facets:
        """Return the subjects and levels of published courses, to choose from in a search."""
        return await courses.facets(tx)

    async def find(self, tx: ReadTransaction, course_id: int) -> CourseTree:
        """Read a course with everything in it. Raises NotFound COURSE_NOT_FOUND."""
        if not await structure_store.revisions(tx, [course_id]):
            raise NotFound("There is no such course.", code="COURSE_NOT_FOUND")
        return await courses.tree(tx, course_id)

    async def find_id(self, tx: ReadTransaction, external_id: str) -> int | None:
        """Return the id of the course that has an external id, if there is one: for whoever then checks access to it."""
        return (await resolve_courses(tx, [external_id])).get(external_id)

    async def find_by_slug(self, tx: ReadTransaction, slug: str) -> CourseTree | None:
        """Read the course with a slug, if there is one."""
        course_id = await courses.find_by_slug(tx, slug)
        return None if course_id is None else await courses.tree(tx, course_id)


def _pattern(part: str) -> str:
    """Return the LIKE pattern for folded texts that contain `part`."""
    escaped = fold(part).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
