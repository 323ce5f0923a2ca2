"""The courses that the caller teaches."""

from headway.db.database import ReadTransaction
from headway.http.request import READ
from headway.services import Services
from headway.web.page_routes import Page, PageRequest, get


class CoursesPages:
    """The list of courses for staff."""

    def __init__(self, services: Services) -> None:
        self._staff = services.course_staff

    @get("/app/courses", transaction=READ)
    async def show(self, request: PageRequest[None, None], tx: ReadTransaction) -> Page:
        """List the courses to whose staff the caller belongs."""
        return Page("course/courses.html", {"courses": await self._staff.taught_courses(tx, request.caller)})
