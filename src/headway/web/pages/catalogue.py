"""The catalogue: find courses, and enroll."""

from typing import Annotated
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from headway.courses.model import CourseKind, CourseSearch
from headway.db.database import ReadTransaction
from headway.http.params import Page as PageNumber
from headway.http.request import READ_LARGE
from headway.paging.service import Walk
from headway.services import Services
from headway.web.page_routes import Page, PageRequest, get

_COURSES_ON_A_PAGE = 24
_Filter = Annotated[str, Meta(max_length=200)] | None


class CatalogueQuery(msgspec.Struct):
    """Which courses to list."""

    q: _Filter = None
    subject: _Filter = None
    level: _Filter = None
    kind: CourseKind | None = None
    page: PageNumber = 1

    def at(self, page: int) -> str:
        """Return the query string of another page of the same list."""
        fields = {**msgspec.to_builtins(self), "page": page}
        return urlencode({name: value for name, value in fields.items() if value is not None})


class CataloguePages:
    """Lists courses with what each offers to the caller. Enrolling is a form of the course's own page."""

    def __init__(self, services: Services) -> None:
        self._courses = services.courses
        self._offers = services.offers

    @get("/app/catalogue", query=CatalogueQuery, transaction=READ_LARGE)
    async def show(self, request: PageRequest[CatalogueQuery, None], tx: ReadTransaction) -> Page:
        """List the courses that match, the newest first."""
        query, caller = request.query, request.caller
        page = query.page
        search = CourseSearch(subject=query.subject, level=query.level, kind=query.kind, q=query.q)
        found = await self._courses.search(tx, caller, search, Walk(_COURSES_ON_A_PAGE, page))
        offers = await self._offers.read(tx, caller.user_id, found.courses)
        facets = await self._courses.facets(tx)
        context = {
            "courses": [(course, offers[course.id]) for course in found.courses],
            "total": found.total,
            "query": query,
            "subjects": [(each, each) for each in facets.subjects],
            "levels": [(each, each) for each in facets.levels],
            "page": page,
            "has_more": page * _COURSES_ON_A_PAGE < found.total,
        }
        return Page("catalogue/catalogue.html", context)
