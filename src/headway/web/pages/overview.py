"""How a course goes: its overview for staff, and who stands at a step of its funnel."""

from headway.db.database import ReadTransaction
from headway.http.params import parse_id
from headway.http.request import READ_LARGE
from headway.services import Services
from headway.web.page_routes import Download, Page, PageRequest, get
from headway.web.pages.overview_sheets import step_name, step_table, tables_of
from headway.web.pages.reasons import suggested_message
from headway.web.sheets import named_csv

_PATH = "/app/courses/{course_id:str}"
_CSV = ".csv"
_SHOWN = 100


class OverviewPages:
    """The overview of a course."""

    def __init__(self, services: Services) -> None:
        self._staff = services.course_staff
        self._reports = services.reports

    @get(_PATH, transaction=READ_LARGE)
    async def show(self, request: PageRequest[None, None], tx: ReadTransaction) -> Page:
        """Show how the course goes."""
        course = await self._staff.taught_course(tx, request.caller, parse_id(request.path["course_id"]))
        overview = await self._reports.overview(tx, request.caller, course.id)
        tables = tables_of(request.viewer, overview, course.id)
        return Page("course/overview.html", {"course": course, "overview": overview, "tables": tables})

    @get(f"{_PATH}/overview/{{part:str}}", transaction=READ_LARGE)
    async def download(self, request: PageRequest[None, None], tx: ReadTransaction) -> Download:
        """Return one of the tables as CSV, such as `funnel.csv`."""
        overview = await self._reports.overview(tx, request.caller, parse_id(request.path["course_id"]))
        return named_csv(tables_of(request.viewer, overview, 0), request.path["part"])

    @get(f"{_PATH}/funnel/{{step:str}}", transaction=READ_LARGE)
    async def show_step(self, request: PageRequest[None, None], tx: ReadTransaction) -> Page | Download:
        """Show who stands at a step of the funnel, from 0; with the ending `.csv`, all of them as CSV."""
        step_text, is_csv = request.path["step"].removesuffix(_CSV), request.path["step"].endswith(_CSV)
        place = int(step_text) if step_text.isascii() and step_text.isdecimal() and len(step_text) < 5 else -1
        course = await self._staff.taught_course(tx, request.caller, parse_id(request.path["course_id"]))
        limit = None if is_csv else _SHOWN
        step, learners = await self._reports.standing(tx, request.caller, course.id, place, limit=limit)
        if is_csv:
            return Download(f"funnel-{place}{_CSV}", step_table(request.viewer, learners).to_csv())
        suggestion = suggested_message(request.viewer, course.title, request.caller.name, None)
        name = step_name(request.viewer, step, place)
        values = {"course": course, "suggestion": suggestion, "step": step, "place": place, "name": name}
        return Page("course/step.html", {**values, "learners": learners, "total": step.standing})
