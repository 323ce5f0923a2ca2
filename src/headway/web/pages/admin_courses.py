"""All courses of the installation, for administrators."""

from typing import Annotated

import msgspec
from msgspec import Meta

from headway.accounts.administration import require_admin
from headway.courses.model import MAX_TITLE, CourseKind, CourseSearch
from headway.csv_files import csv_of
from headway.db.database import ReadTransaction
from headway.http.request import READ_LARGE
from headway.instants import Instant, iso
from headway.paging.model import MAX_LENGTH
from headway.paging.service import Walk
from headway.services import Services
from headway.web.page_routes import Download, Page, PageRequest, get

_PATH = "/app/admin/courses"
_LIMIT = 50
_MOST_ROWS = 100_000


class CoursesQuery(msgspec.Struct):
    """The filters of the list, and the place in it."""

    q: Annotated[str, Meta(max_length=MAX_TITLE)] | None = None
    tutor: Annotated[str, Meta(max_length=MAX_TITLE)] | None = None
    kind: CourseKind | None = None
    cursor: Annotated[str, Meta(max_length=MAX_LENGTH)] | None = None

    @property
    def search(self) -> CourseSearch:
        """What to list."""
        return CourseSearch(q=self.q, tutor=self.tutor, kind=self.kind)


class AdminCoursesPages:
    """The list of all courses, the unpublished ones too."""

    def __init__(self, services: Services) -> None:
        self._courses = services.courses
        self._paging = services.paging

    @get(_PATH, query=CoursesQuery, transaction=READ_LARGE)
    async def show(self, request: PageRequest[CoursesQuery, None], tx: ReadTransaction) -> Page:
        """List the courses that match."""
        query, caller = request.query, request.caller
        await require_admin(tx, caller)
        bound = ("admin courses", query.q, query.tutor, query.kind)
        walk = self._paging.walk(caller.user_id, bound, cursor=query.cursor, page=1, limit=_LIMIT)
        found = await self._courses.search(tx, caller, query.search, walk)
        context = {"courses": found.courses, "total": found.total, "next": walk.next_cursor, "kinds": list(CourseKind)}
        return Page("admin/courses.html", context)

    @get(f"{_PATH}.csv", query=CoursesQuery, transaction=READ_LARGE)
    async def download(self, request: PageRequest[CoursesQuery, None], tx: ReadTransaction) -> Download:
        """Download the courses that match."""
        await require_admin(tx, request.caller)
        text = request.text
        found = await self._courses.search(tx, request.caller, request.query.search, Walk(_MOST_ROWS, 1))
        rows = [
            (
                *(each.id, each.course.title, each.course.kind.value, each.owner_name),
                text("yes") if each.course.is_published else text("no"),
                *(each.seats_taken, each.course.capacity, _time(each.course.starts_at), _time(each.course.ends_at)),
            )
            for each in found.courses
        ]
        header = [
            *(text("Id"), text("Title"), text("Kind"), text("Owner"), text("Published"), text("Seats taken"), text("Seats")),
            *(text("Starts"), text("Ends")),
        ]
        return Download("courses.csv", csv_of(header, rows))


def _time(instant: Instant | None) -> str | None:
    return None if instant is None else iso(instant)
