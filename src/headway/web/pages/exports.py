"""Exports of a course for its staff: tables for spreadsheets, and everything as lines of JSON."""

from collections.abc import Callable

from headway.errors import NotFound
from headway.http.params import parse_id
from headway.http.streams import Streamed
from headway.reports.export_files import CsvFile, ExportFile, NdjsonFile, failure_line
from headway.reports.export_model import ExportedCourse, Part, TableName
from headway.services import Services
from headway.web.page_routes import PageRequest, get

_LINES = f"everything{NdjsonFile.suffix}"


class ExportPages:
    """The files behind *Export*."""

    def __init__(self, services: Services) -> None:
        self._exports = services.exports

    @get("/app/courses/{course_id:str}/export/{file:str}")
    async def download(self, request: PageRequest[None, None]) -> Streamed:
        """Send a file such as `learners.csv`, or `everything.ndjson`; days are those of the viewer's time zone."""
        course_id, name = parse_id(request.path["course_id"]), request.path["file"]
        make, media_type = _form(name)
        parts = self._exports.file(request.read_large, request.caller, course_id, make, request.viewer.zone)
        return Streamed(
            f"course-{course_id}-{name}",
            media_type,
            parts,
            lambda each: failure_line(each.code, each.message, each.request_id) if name == _LINES else b"",
        )


def _form(name: str) -> tuple[Callable[[ExportedCourse], ExportFile], str]:
    if name == _LINES:
        return lambda course: NdjsonFile(course, frozenset(Part)), NdjsonFile.media_type
    table = next((each for each in TableName if name == f"{each}{CsvFile.suffix}"), None)
    if table is None:
        raise NotFound("There is no such file.")
    return lambda course: CsvFile(table, course, for_spreadsheets=True), CsvFile.media_type
