"""The assessments of a course for its staff: what waits to be graded, who has handed in what, and grading in place."""

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from headway.assessments.gradebook import WorkPage
from headway.assessments.model import BINS, CourseAssessment, LearnersWork, NewGrade, SeenGrade, Work, WorkStage
from headway.courses.model import Assessment
from headway.csv_files import csv_of
from headway.db.database import ReadTransaction, WriteTransaction
from headway.errors import NotFound
from headway.http.pages import Cursor
from headway.http.params import LARGEST_INTEGER, parse_id
from headway.http.request import READ_LARGE, WRITE
from headway.instants import Instant, iso
from headway.paging.service import Walk
from headway.services import Services
from headway.web.page_routes import Download, Page, PageRequest, Redirect, get, post

_ROWS = 50
_ALL_ROWS = 200_000
_CSV = ".csv"
_LONGEST_SEARCH = 200


class WorkQuery(msgspec.Struct):
    """Which learners to show. `after` is when the work was handed in that was graded last: the next one gets the focus."""

    show: Work = Work.ALL
    q: Annotated[str, Meta(max_length=_LONGEST_SEARCH)] | None = None
    cursor: Cursor | None = None
    after: Annotated[int, Meta(ge=0, le=LARGEST_INTEGER)] | None = None


class GradeForm(msgspec.Struct):
    """A grade, and when the one was given that the page showed: 0 if there was none."""

    grade: float
    seen: int
    feedback: str | None = None


class AssessmentsPages:
    """The pages of assessments for staff."""

    def __init__(self, services: Services) -> None:
        self._staff = services.course_staff
        self._gradebook = services.gradebook
        self._assessments = services.assessments
        self._paging = services.paging
        self._clock = services.clock

    @get("/app/courses/{course_id:str}/assessments", transaction=READ_LARGE)
    async def list_all(self, request: PageRequest[None, None], tx: ReadTransaction) -> Page:
        """List the assessments of a course, what waits to be graded first."""
        course, found = await self._read_all(request, tx)
        return Page("course/assessments.html", {"course": course, "assessments": found, "now": self._clock()})

    @get("/app/courses/{course_id:str}/assessments.csv", transaction=READ_LARGE)
    async def download_all(self, request: PageRequest[None, None], tx: ReadTransaction) -> Download:
        """Return the list as CSV."""
        course, found = await self._read_all(request, tx)
        return Download(f"assessments-{course.id}{_CSV}", _csv_of_all(request, found))

    @get("/app/courses/{course_id:str}/assessments/{assessment_id:str}", query=WorkQuery, transaction=READ_LARGE)
    async def show(self, request: PageRequest[WorkQuery, None], tx: ReadTransaction) -> Page | Download:
        """Show who has handed in what; with the ending `.csv`, all that is listed as CSV."""
        course_id, query = parse_id(request.path["course_id"]), request.query
        assessment_id = parse_id(request.path["assessment_id"].removesuffix(_CSV))
        course = await self._staff.taught_course(tx, request.caller, course_id)
        is_csv = request.path["assessment_id"].endswith(_CSV)
        bound = "work", assessment_id, query.show, query.q
        walk = (
            Walk(_ALL_ROWS, 1)
            if is_csv
            else self._paging.walk(request.caller.user_id, bound, cursor=query.cursor, page=1, limit=_ROWS)
        )
        found = await self._gradebook.list_work(tx, request.caller, assessment_id, walk, work=query.show, name=query.q)
        if found.assessment.course_id != course_id:
            raise NotFound("There is no such assessment.", code="ASSESSMENT_NOT_FOUND")
        if is_csv:
            return Download(f"assessment-{assessment_id}{_CSV}", _csv_of_work(request, found, self._clock()))
        kept = None
        if request.failed is not None:
            kept = await self._gradebook.find_work(tx, request.caller, assessment_id, request.path.get("submission_id", ""))
        return Page("course/assessment.html", _shown(request, found, walk, kept) | {"course": course, "now": self._clock()})

    @post(
        "/app/courses/{course_id:str}/assessments/{assessment_id:str}/submissions/{submission_id:str}/grade",
        form=GradeForm,
        page="show",
        transaction=WRITE,
    )
    async def grade(self, request: PageRequest[None, GradeForm], tx: WriteTransaction) -> Redirect:
        """Grade what a learner handed in, and lead to the next work to grade."""
        form = request.form
        new = NewGrade(form.grade, form.feedback, SeenGrade(form.seen or None))
        submission, _ = await self._assessments.grade(
            tx, request.caller, request.path["submission_id"], new, client=request.client
        )
        path = request.scope["path"].partition("/submissions/")[0]
        kept = request.scope["query_string"].decode("latin-1")
        after = urlencode({"after": submission.submitted_at})
        return Redirect(f"{path}?{kept}&{after}" if kept else f"{path}?{after}", notice=request.text("The grade is saved."))

    async def _read_all(self, request: PageRequest[None, None], tx: ReadTransaction) -> tuple[Any, list[CourseAssessment]]:
        course_id = parse_id(request.path["course_id"])
        course = await self._staff.taught_course(tx, request.caller, course_id)
        return course, await self._gradebook.list_assessments(tx, request.caller, course_id)


def _shown(request: PageRequest[WorkQuery, None], found: WorkPage, walk: Walk, kept: LearnersWork | None) -> dict[str, Any]:
    """Return what the page of an assessment shows; `kept` is the work whose grade was refused, which stays in the list."""
    query, learners = request.query, found.learners
    if kept is not None:
        learners = [kept, *(each for each in learners if each.user_id != kept.user_id)]
    filters = [(name, value) for name, value in (("show", query.show.value), ("q", query.q)) if value]
    here = [*filters, *([("cursor", query.cursor)] if query.cursor else [])]
    return {
        "assessment": found.assessment,
        "summary": found.summary,
        "learners": learners,
        "kept_id": None if kept is None else kept.user_id,
        "focus_id": _next_to_grade(learners, query.after),
        "show": query.show,
        "q": query.q or "",
        "sizes": {work.value: found.summary.size_of(work) for work in Work},
        "bins": _bins(request, found),
        "filters": urlencode(filters),
        "here": urlencode(here),
        "next": urlencode([*filters, ("cursor", walk.next_cursor)]) if walk.next_cursor else None,
    }


def _next_to_grade(learners: list[LearnersWork], after: Instant | None) -> int | None:
    """Return the learner whose work comes next after the one that was graded; None if nothing was, or nothing is left."""
    waiting = [each for each in learners if each.stage is WorkStage.TO_GRADE and each.submission is not None]
    if after is None or not waiting:
        return None
    later = (each.user_id for each in waiting if each.submission is not None and each.submission.submitted_at >= after)
    return next(later, waiting[0].user_id)


def _bins(request: PageRequest[Any, Any], found: WorkPage) -> list[tuple[str, int]]:
    """Return the bins of the distribution of grades, named by their limits in grades."""
    step, number = found.assessment.max_grade / BINS, request.viewer.number
    return [
        (f"{number(n * step, 2)} - {number((n + 1) * step, 2)}", count) for n, count in enumerate(found.summary.grades.bins)
    ]


def state_text(request: PageRequest[Any, Any], work: LearnersWork, assessment: Assessment, now: Instant) -> str:
    """Return how far a learner is, as the page says it."""
    if work.stage is WorkStage.GRADED:
        return request.text("Graded")
    if work.stage is WorkStage.TO_GRADE:
        return request.text("To grade")
    is_due = assessment.due_at is not None and assessment.due_at < now
    return request.text("Missing") if is_due else request.text("Not handed in yet")


def _csv_of_all(request: PageRequest[None, None], found: list[CourseAssessment]) -> bytes:
    text = request.text
    header = [
        *(text("Assessment"), text("Due"), text("Handed in"), text("To grade"), text("Graded"), text("Late"), text("Missing")),
        *(text("Largest grade"), text("Mean"), text("Median")),
    ]
    rows = []
    for assessment, summary in found:
        due, grades = None if assessment.due_at is None else iso(assessment.due_at), summary.grades
        mean, median = (grades.mean, grades.median) if grades.total else (None, None)
        counts = summary.handed_in, summary.to_grade, summary.graded, summary.late, summary.missing
        rows.append((assessment.title, due, *counts, assessment.max_grade, mean, median))
    return csv_of(header, rows)


def _csv_of_work(request: PageRequest[WorkQuery, None], found: WorkPage, now: Instant) -> bytes:
    text = request.text
    header = [
        *(text("Learner"), text("State"), text("Handed in"), text("Late"), text("Work"), text("Grade")),
        *(text("Largest grade"), text("Feedback"), text("Graded")),
    ]
    rows: list[Sequence[object]] = []
    for work in found.learners:
        state = state_text(request, work, found.assessment, now)
        if (submission := work.submission) is None:
            rows.append((work.name, state, None, None, None, None, found.assessment.max_grade, None, None))
            continue
        late = request.text("yes") if submission.is_late(found.assessment) else request.text("no")
        graded = None if submission.graded_at is None else iso(submission.graded_at)
        handed_in = iso(submission.submitted_at), late, submission.submission_url
        rows.append((work.name, state, *handed_in, submission.grade, found.assessment.max_grade, submission.feedback, graded))
    return csv_of(header, rows)
