"""Live: who is in a course now."""

from headway.db.database import ReadTransaction
from headway.http.params import parse_id
from headway.http.request import READ_LARGE
from headway.services import Services
from headway.web.page_routes import Page, PageRequest, get


class PresencePages:
    """The page that shows who is here."""

    def __init__(self, services: Services) -> None:
        self._staff = services.course_staff
        self._presence = services.presence

    @get("/app/courses/{course_id:str}/live", transaction=READ_LARGE)
    async def show(self, request: PageRequest[None, None], tx: ReadTransaction) -> Page:
        """Show who is in the course now; the page fetches itself again as `/ws` tells of the course."""
        course_id = parse_id(request.path["course_id"])
        course = await self._staff.taught_course(tx, request.caller, course_id)
        here = await self._presence.list_here(tx, request.caller, course_id)
        return Page("course/live.html", {"course": course, "here": here})
