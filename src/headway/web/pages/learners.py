"""The list of a course's learners: filtered, sorted, by the page and as CSV, with saved filters."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

import msgspec
from msgspec import Meta

from headway.attention.learner_lists import LearnerRow
from headway.attention.learners import LearnerFilter, LearnerOrder, LearnerSort, SavedFilter
from headway.attention.model import MAX_FILTER_NAME, MAX_RECEIVERS, RuleName
from headway.attention.service import CourseFindings
from headway.csv_files import csv_of
from headway.db.database import ReadTransaction, WriteTransaction
from headway.enrollments.status import OPEN, EnrollmentStatus
from headway.http.params import parse_id
from headway.http.request import READ_LARGE, WRITE
from headway.instants import MINUTE, iso
from headway.services import Services
from headway.web.page_routes import Download, Page, PageRequest, Redirect, get, post
from headway.web.pages.reasons import Reason, reasons, rule_name, suggested_message
from headway.web.texts import Viewer

_PATH = "/app/courses/{course_id:str}/learners"
_ON_A_PAGE = 50
_OPEN, _EVERYBODY, _ANY_RULE = "open", "all", "any"
_FILTERS = ("q", "status", "attention", "unit", "percent_from", "percent_to", "sort", "order")
_MAX_TEXT = 200


class Direction(StrEnum):
    """Upwards or downwards."""

    ASCENDING = "asc"
    DESCENDING = "desc"


class Status(StrEnum):
    """A status of enrollments, those with access, or all."""

    OPEN = _OPEN
    EVERYBODY = _EVERYBODY
    ENROLLED = EnrollmentStatus.ENROLLED.value
    IN_PROGRESS = EnrollmentStatus.IN_PROGRESS.value
    COMPLETED = EnrollmentStatus.COMPLETED.value
    CERTIFIED = EnrollmentStatus.CERTIFIED.value
    DROPPED = EnrollmentStatus.DROPPED.value
    EXPIRED = EnrollmentStatus.EXPIRED.value


class Listed(StrEnum):
    """Those who are listed by a rule, or by any."""

    ANY = _ANY_RULE
    NOT_SEEN = RuleName.NOT_SEEN.value
    BEHIND_PLAN = RuleName.BEHIND_PLAN.value
    STUCK = RuleName.STUCK.value
    FAILED_TWICE = RuleName.FAILED_TWICE.value


WholePercent = Annotated[int, Meta(ge=0, le=100)]


class LearnersQuery(msgspec.Struct):
    """Which learners, in which order, from which place in the list."""

    q: Annotated[str, Meta(max_length=_MAX_TEXT)] | None = None
    status: Status = Status.OPEN
    attention: Listed | None = None
    unit: str | None = None
    percent_from: WholePercent = 0
    percent_to: WholePercent = 100
    sort: LearnerSort = LearnerSort.NAME
    order: Direction | None = None
    cursor: str | None = None

    @property
    def chosen(self) -> LearnerFilter:
        """The filter."""
        statuses = {_OPEN: sorted(OPEN), _EVERYBODY: list(EnrollmentStatus)}.get(self.status.value)
        return LearnerFilter(
            tuple(statuses or [EnrollmentStatus(self.status.value)]),
            self.q,
            self.percent_from * 100,
            # Who is at 41.5 percent is shown as being at 41.
            min(self.percent_to * 100 + 99, 10_000),
            None if self.unit is None else parse_id(self.unit),
            is_listed=self.attention is not None,
            rule=None if self.attention is None or self.attention is Listed.ANY else RuleName(self.attention.value),
        )

    @property
    def ordered(self) -> LearnerOrder:
        """The order: names and dates upwards, figures downwards, unless it is chosen."""
        is_figure = self.sort in {LearnerSort.PERCENT, LearnerSort.STUDY_TIME}
        return LearnerOrder(self.sort, self.order is Direction.DESCENDING if self.order else is_figure)

    def text(self, **changed: str | None) -> str:
        """Return the query of a URL with what is not as by default, with some of it changed; without a place."""
        values = {field: getattr(self, field) for field in _FILTERS} | changed
        defaults = {field.name: field.default for field in msgspec.structs.fields(self)}
        return urlencode({name: value for name, value in values.items() if value not in {None, "", defaults.get(name)}})


class FilterForm(msgspec.Struct):
    """A filter to save."""

    name: Annotated[str, Meta(max_length=MAX_FILTER_NAME)]
    query: str = ""


class NameForm(msgspec.Struct):
    """The name of a saved filter."""

    name: str
    query: str = ""


class ShownRow(NamedTuple):
    """A learner in the list, with why they are listed, in words."""

    row: LearnerRow
    reasons: Sequence[Reason]


class Column(NamedTuple):
    """A heading of the table: by what it sorts, and the query that sorts by it."""

    text: str
    definition: str
    sort: LearnerSort | None = None
    query: str = ""
    is_number: bool = False
    sorted: str = ""
    """`ascending` or `descending` where the list is sorted by it."""


class LearnersPages:
    """The page *Learners* of a course, and its CSV."""

    def __init__(self, services: Services) -> None:
        self._staff = services.course_staff
        self._lists = services.learner_lists
        self._paging = services.paging

    @get(_PATH, query=LearnersQuery, transaction=READ_LARGE)
    async def show(self, request: PageRequest[LearnersQuery, None], tx: ReadTransaction) -> Page:
        """Show a page of the list."""
        course_id, query, caller = parse_id(request.path["course_id"]), request.query, request.caller
        course = await self._staff.taught_course(tx, caller, course_id)
        bound = ("learners", course_id, query.text())
        request.walk = self._paging.walk(caller.user_id, bound, cursor=query.cursor, page=1, limit=_ON_A_PAGE)
        page = await self._lists.page(tx, caller, course_id, query.chosen, query.ordered, request.walk)
        viewer = request.viewer
        context = {
            "course": course,
            "query": query,
            "columns": _columns(viewer, query),
            "rows": _shown(viewer, page.findings, page.rows),
            "total": page.total,
            "next_cursor": request.walk.next_cursor,
            "statuses": _statuses(viewer),
            "rules": [(_ANY_RULE, viewer.text("Any reason")), *((each.value, rule_name(viewer, each)) for each in RuleName)],
            "units": _units(page.findings),
            "saved": await self._lists.list_saved(tx, caller, course_id),
            "suggestion": suggested_message(viewer, course.title, caller.name, None),
            "most_receivers": MAX_RECEIVERS,
        }
        return Page("course/learners.html", context)

    @get(f"{_PATH}.csv", query=LearnersQuery, transaction=READ_LARGE)
    async def download(self, request: PageRequest[LearnersQuery, None], tx: ReadTransaction) -> Download:
        """Return all learners of the filter, in its order, with the columns of the page."""
        course_id, query, viewer = parse_id(request.path["course_id"]), request.query, request.viewer
        page = await self._lists.all(tx, request.caller, course_id, query.chosen, query.ordered)
        statuses = dict(_statuses(viewer))
        header = [
            *(viewer.text("Learner"), viewer.text("Status"), viewer.text("Progress (%)"), viewer.text("Study time (minutes)")),
            *(viewer.text("Last seen"), viewer.text("Grades (%)"), viewer.text("Unit"), viewer.text("Why listed")),
            viewer.text("Enrolled"),
        ]
        rows = (_cells(each, statuses) for each in _shown(viewer, page.findings, page.rows))
        return Download(f"learners-{course_id}.csv", csv_of(header, rows))

    @post(f"{_PATH}/filters", form=FilterForm, page="show", transaction=WRITE)
    async def save(self, request: PageRequest[None, FilterForm], tx: WriteTransaction) -> Redirect:
        """Save a filter under a name."""
        form, course_id = request.form, parse_id(request.path["course_id"])
        await self._lists.save(tx, request.caller, course_id, SavedFilter(form.name.strip(), form.query))
        return Redirect(_page_of(course_id, form.query), notice=request.text("The filter is saved."))

    @post(f"{_PATH}/filters/delete", form=NameForm, page="show", transaction=WRITE)
    async def delete(self, request: PageRequest[None, NameForm], tx: WriteTransaction) -> Redirect:
        """Delete a saved filter."""
        form, course_id = request.form, parse_id(request.path["course_id"])
        await self._lists.delete_saved(tx, request.caller, course_id, form.name)
        return Redirect(_page_of(course_id, form.query), notice=request.text("The filter is deleted."))


def _page_of(course_id: int, query: str) -> str:
    """Return the URL of the list with a query that comes from a form, of which what the page knows stays."""
    known = [(name, value) for name, value in parse_qsl(query) if name in _FILTERS]
    return f"/app/courses/{course_id}/learners?{urlencode(known)}"


def _columns(viewer: Viewer, query: LearnersQuery) -> list[Column]:
    text = viewer.text
    order = query.ordered

    def sortable(sort: LearnerSort, heading: str, definition: str, *, is_number: bool = False) -> Column:
        is_sorted = order.sort is sort
        default = msgspec.structs.replace(query, sort=sort, order=None).ordered.is_descending
        turned = not order.is_descending if is_sorted else default
        direction = Direction.DESCENDING if turned else Direction.ASCENDING
        state = ("descending" if order.is_descending else "ascending") if is_sorted else ""
        return Column(heading, definition, sort, query.text(sort=sort, order=direction), is_number, state)

    progress = text("The mean of the required units' percents, where a complete unit counts 100, cut. 0 to 100 %.")
    study = text("Time of active study in this course, as measured; overlapping times count once.")
    seen = text("When the newest activity of the learner in this course was.")
    grades = text("The mean of the newest grades of all assessments that are graded, as percents of their maxima.")
    return [
        sortable(LearnerSort.NAME, text("Learner"), ""),
        sortable(LearnerSort.PERCENT, text("Progress"), progress, is_number=True),
        sortable(LearnerSort.STUDY_TIME, text("Study time"), study, is_number=True),
        sortable(LearnerSort.LAST_SEEN, text("Last seen"), seen),
        Column(text("Grades"), grades, is_number=True),
        Column(text("Unit"), text("The unit in which the learner was active last.")),
        Column(text("Why listed"), text("Why the learner needs attention, by the rules of this course.")),
        sortable(LearnerSort.ENROLLED, text("Enrolled"), text("When the learner enrolled, the last time.")),
    ]


def _statuses(viewer: Viewer) -> list[tuple[str, str]]:
    return [
        (_OPEN, viewer.text("With access")),
        (EnrollmentStatus.ENROLLED.value, viewer.text("Not started")),
        (EnrollmentStatus.IN_PROGRESS.value, viewer.text("In progress")),
        (EnrollmentStatus.COMPLETED.value, viewer.text("Completed")),
        (EnrollmentStatus.CERTIFIED.value, viewer.text("Certified")),
        (EnrollmentStatus.DROPPED.value, viewer.text("Left")),
        (EnrollmentStatus.EXPIRED.value, viewer.text("Access ended")),
        (_EVERYBODY, viewer.text("Everybody")),
    ]


def _units(findings: CourseFindings) -> list[tuple[int, str]]:
    return [(unit.id, unit.title) for unit in findings.course.structure.units.values() if not unit.is_retired]


def _shown(viewer: Viewer, findings: CourseFindings, rows: Sequence[LearnerRow]) -> list[ShownRow]:
    return [ShownRow(each, reasons(viewer, findings, each.learner)) for each in rows]


def _cells(shown: ShownRow, statuses: dict[str, str]) -> list[Any]:
    """Return the cells of a row: what the page shows, in whole percents and minutes, and times as RFC 3339."""
    row, enrollment = shown.row, shown.row.learner.enrollment
    return [
        row.learner.name,
        statuses[enrollment.status.value],
        enrollment.percent // 100,
        enrollment.study_ms // MINUTE,
        None if enrollment.last_activity_at is None else iso(enrollment.last_activity_at),
        None if row.grade is None else int(row.grade),
        None if row.unit is None else row.unit.title,
        "; ".join(each.text for each in shown.reasons),
        iso(enrollment.enrolled_at),
    ]
