"""Exports of courses."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from headway.contracts.learner.course_wire import ExportFormat, ExportQuery
from headway.errors import Invalid
from headway.http.params import parse_id
from headway.http.request import Request
from headway.http.routes import get
from headway.http.streams import Streamed
from headway.identity import Scope
from headway.reports.export_files import CsvFile, ExportFile, NdjsonFile, failure_line
from headway.reports.export_model import ExportedCourse, Part, TableName
from headway.services import Services
from headway.settings import Settings


class ExportRoutes:
    """Export a course."""

    def __init__(self, services: Services, settings: Settings) -> None:
        self._exports = services.exports
        self._zone = ZoneInfo(settings.display_timezone)

    @get(
        "/courses/{course_id:str}/export",
        query=ExportQuery,
        responses={},
        streams=(CsvFile.media_type, NdjsonFile.media_type),
        scope=Scope.PROGRESS_READ,
    )
    async def export(self, request: Request[ExportQuery, None]) -> Streamed:
        """Export all learners of a course: for its staff.

        CSV is one of the tables `learners` (the default: a row for each, a column for each unit and assessment), `units`,
        `days` and `grades`. NDJSON has a line for the course, one for each learner with `units`, `days` and `grades`, and at
        its end a line of the type `end`, or `error`.
        """
        query, course_id = request.query, parse_id(request.path["course_id"])
        zone = self._zone if query.time_zone is None else _zone(query.time_zone)
        if query.format is ExportFormat.NDJSON:
            if query.table is not None:
                raise Invalid.field("table", "goes with the format csv")
            parts = frozenset(Part) if query.include is None else frozenset(map(Part, query.include.split(",")))
            name, media_type = f"course-{course_id}{NdjsonFile.suffix}", NdjsonFile.media_type

            def make(course: ExportedCourse) -> ExportFile:
                return NdjsonFile(course, parts)

            file = self._exports.file(request.read_large, request.caller, course_id, make, zone)
            return Streamed(name, media_type, file, lambda each: failure_line(each.code, each.message, each.request_id))
        if query.include is not None:
            raise Invalid.field("include", "goes with the format ndjson")
        table = query.table or TableName.LEARNERS
        name = f"course-{course_id}-{table}{CsvFile.suffix}"
        file = self._exports.file(request.read_large, request.caller, course_id, lambda course: CsvFile(table, course), zone)
        return Streamed(name, CsvFile.media_type, file)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid.field("timeZone", "must be a time zone such as Europe/Berlin") from None
