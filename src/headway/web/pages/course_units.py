"""How the units of a course are used, and one of them in detail, for staff."""

from enum import StrEnum
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

import msgspec

from headway.attention.model import RuleName
from headway.courses.model import Module
from headway.db.database import ReadTransaction
from headway.http.params import parse_id
from headway.http.request import READ_LARGE
from headway.instants import SECOND
from headway.reports.distribution import ValueClass
from headway.reports.model import STUCK_DAYS, STUCK_TIMES, UnitDetail, UnitReport
from headway.reports.retention import Retention, Strip
from headway.services import Services
from headway.web.page_routes import Download, Page, PageRequest, get
from headway.web.pages.large_courses import UnitChoice, choose_units, chosen_reports, is_large
from headway.web.pages.overview_sheets import quartiles_table, study_time_table
from headway.web.pages.reasons import suggested_message
from headway.web.sheets import DURATION, NUMBER, PERCENT, Column, ReportTable, named_csv
from headway.web.texts import Viewer

_PATH = "/app/courses/{course_id:str}/units"
_CSV = ".csv"


class UnitSort(StrEnum):
    """What the units are sorted by: the order of the course, or the most first."""

    COURSE = "course"
    STARTED = "started"
    COMPLETED = "completed"
    STUCK = "stuck"
    SKIPPED = "skipped"
    TIME = "time"


class UnitsQuery(msgspec.Struct):
    """Which units, in which order."""

    sort: UnitSort = UnitSort.COURSE
    units: UnitChoice | None = None

    def url(self, **changed: object) -> str:
        """Return the query of a URL with some fields changed, with its question mark; nothing for what is so anyway."""
        values = {**msgspec.to_builtins(self), **changed}
        initial = msgspec.to_builtins(UnitsQuery())
        given = urlencode({name: value for name, value in values.items() if value != initial[name]})
        return f"?{given}" if given else ""


class CourseUnitsPages:
    """The units of a course."""

    def __init__(self, services: Services) -> None:
        self._staff = services.course_staff
        self._reports = services.reports

    @get(_PATH, query=UnitsQuery, transaction=READ_LARGE)
    async def list_all(self, request: PageRequest[UnitsQuery, None], tx: ReadTransaction) -> Page:
        """List the units."""
        course = await self._staff.taught_course(tx, request.caller, parse_id(request.path["course_id"]))
        everything = await self._reports.units(tx, request.caller, course.id)
        choice = choose_units([each.unit for each in everything], request.query.units)
        units = _sorted(chosen_reports(everything, choice), request.query.sort)
        # That many skip an optional unit is no wonder.
        most = {
            "skipped": max((each.counts.skipped for each in units if each.unit.is_required), default=0),
            "stuck": max((each.stuck or 0 for each in units), default=0),
        }
        values: dict[str, Any] = {
            "units": units,
            "modules": _by_module(units) if request.query.sort is UnitSort.COURSE and is_large(units) else [],
            "choice": choice,
            "required": sum(each.unit.is_required for each in everything),
            "total": len(everything),
            "query": request.query,
            "most": most,
            "days": STUCK_DAYS,
        }
        return Page("course/units.html", {"course": course, "times": STUCK_TIMES, **values})

    @get(f"{_PATH}{_CSV}", query=UnitsQuery, transaction=READ_LARGE)
    async def download_all(self, request: PageRequest[UnitsQuery, None], tx: ReadTransaction) -> Download:
        """Return the list as CSV."""
        course_id = parse_id(request.path["course_id"])
        everything = await self._reports.units(tx, request.caller, course_id)
        choice = choose_units([each.unit for each in everything], request.query.units)
        units = _sorted(chosen_reports(everything, choice), request.query.sort)
        return Download(f"units-{course_id}{_CSV}", _units_table(request.viewer, units).to_csv())

    @get(f"{_PATH}/{{unit_id:str}}", transaction=READ_LARGE)
    async def show(self, request: PageRequest[None, None], tx: ReadTransaction) -> Page:
        """Show one unit."""
        course = await self._staff.taught_course(tx, request.caller, parse_id(request.path["course_id"]))
        unit = await self._reports.unit(tx, request.caller, course.id, parse_id(request.path["unit_id"]))
        tables = unit_tables(request.viewer, unit)
        suggestion = suggested_message(request.viewer, course.title, request.caller.name, RuleName.STUCK)
        values = {
            "suggestion": suggestion,
            "course": course,
            "unit": unit,
            "tables": tables,
            "days": STUCK_DAYS,
            "times": STUCK_TIMES,
        }
        return Page("course/unit.html", values | _notes(unit.retention))

    @get(f"{_PATH}/{{unit_id:str}}/{{part:str}}", transaction=READ_LARGE)
    async def download(self, request: PageRequest[None, None], tx: ReadTransaction) -> Download:
        """Return a table of a unit as CSV, such as `retention.csv`."""
        ids = (parse_id(request.path[name]) for name in ("course_id", "unit_id"))
        unit = await self._reports.unit(tx, request.caller, *ids)
        return named_csv(unit_tables(request.viewer, unit), request.path["part"])


def _sorted(units: list[UnitReport], sort: UnitSort) -> list[UnitReport]:
    """Sort units; those of the same number stay in the order of the course."""
    match sort:
        case UnitSort.COURSE:
            return units
        case UnitSort.STUCK:
            return sorted(units, key=lambda each: -(each.stuck or 0))
        case UnitSort.TIME:
            return sorted(units, key=lambda each: -each.average_seconds)
        case UnitSort.STARTED | UnitSort.COMPLETED | UnitSort.SKIPPED:
            return sorted(units, key=lambda each: -int(getattr(each.counts, sort.value)))


def _by_module(units: list[UnitReport]) -> list[tuple[Module, list[UnitReport], int, bool]]:
    """Return the units by module, with how many are stuck there; the one where the most are stuck is open."""
    groups = [(module, list(reports)) for module, reports in groupby(units, key=lambda each: each.module)]
    stuck = [sum(each.stuck or 0 for each in reports) for _, reports in groups]
    most = stuck.index(max(stuck))
    return [(*group, number, place == most) for place, (group, number) in enumerate(zip(groups, stuck, strict=True))]


def _units_table(viewer: Viewer, units: list[UnitReport]) -> ReportTable:
    text = viewer.text
    numbers = (text("Started"), text("Completed"), text("Stuck"), text("Skipped"))
    columns = [
        *(Column(text("Unit")), Column(text("Module"))),
        *(Column(title, NUMBER) for title in numbers),
        Column(text("Average time"), DURATION),
    ]
    rows = [
        (
            *(each.unit.title, each.module.title),
            *(each.counts.started, each.counts.completed, each.stuck, each.counts.skipped),
            int(each.average_seconds * SECOND),
        )
        for each in units
    ]
    return ReportTable(columns, rows)


def unit_tables(viewer: Viewer, unit: UnitDetail) -> dict[str, ReportTable]:
    """Return the tables of a unit by their names."""
    text = viewer.text
    scores = [
        (_score_label(viewer, each), (each.values, viewer.number(each.values), {"tone": _score_tone(each, unit.pass_percent)}))
        for each in (unit.scores.classes if unit.scores.values else [])
    ]
    return {
        "study_time": study_time_table(viewer, unit.study_time),
        "quartiles": quartiles_table(viewer, text("This unit"), unit.study_time.quartiles),
        "scores": ReportTable([Column(text("Best score")), Column(text("Learners"), NUMBER)], scores),
        "retention": _retention_table(viewer, unit.retention),
        "stuck": ReportTable(
            [Column(text("Learner")), Column(text("Study time"), DURATION), Column(text("Last active in the unit"))],
            [(each.name, each.study_ms, viewer.datetime(each.last_activity_at)) for each in unit.stuck],
        ),
    }


def _score_label(viewer: Viewer, each: ValueClass) -> tuple[None, str]:
    last = 100 if each.end is None else each.end - 1
    return None, f"{viewer.number(each.start)}\N{EN DASH}{viewer.percent(last * 100)}"


def _score_tone(each: ValueClass, pass_percent: float | None) -> str:
    """Scores that pass are good, those that fail warn; a class with the score that passes has neither tone."""
    if pass_percent is None:
        return ""
    return "good" if each.start >= pass_percent else "warn" if (each.end or 100) <= pass_percent else ""


def _retention_table(viewer: Viewer, found: Retention | None) -> ReportTable:
    text = viewer.text
    columns = [Column(text("From")), Column(text("Watched"), PERCENT), Column(text("Watched again"), PERCENT)]
    strips = [] if found is None else found.strips
    rows = [
        (
            (strip.start_seconds, clock_text(strip.start_seconds)),
            _share(viewer, strip.watched, found, "bad" if strip.is_drop else ""),
            _share(viewer, strip.again, found, "warn" if strip.is_replayed else ""),
        )
        for strip in strips
    ]
    return ReportTable(columns, rows)


def _share(viewer: Viewer, count: int, found: Retention | None, tone: str) -> Any:
    share = 10_000 * count // (found.viewers if found else 1)
    shown = f"{viewer.percent(share)} ({viewer.number(count)})"
    return (share, shown, {"tone": tone}) if tone else (share, shown)


def clock_text(seconds: float) -> str:
    """Return a place in a video, such as 1:24 or 1:02:24."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _notes(found: Retention | None) -> dict[str, Any]:
    """Return the length of a video, and the strips that stand out with where they begin."""
    strips: list[Strip] = [] if found is None else found.strips
    places = [(clock_text(strip.start_seconds), strip) for strip in strips]
    return {
        "length": "" if found is None else clock_text(found.duration_seconds),
        "drops": [each for each in places if each[1].is_drop],
        "replayed": [each for each in places if each[1].is_replayed],
    }
