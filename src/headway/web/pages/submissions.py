"""An assessment as a learner sees it: hand in work, and read the grade."""

from typing import Annotated

import msgspec
from msgspec import Meta

from headway.assessments.model import MAX_SUBMISSION_URL_LENGTH, OwnAssessment
from headway.db.database import ReadTransaction, WriteTransaction
from headway.errors import NotFound
from headway.http.params import parse_id
from headway.http.request import READ_LARGE, WRITE
from headway.services import Services
from headway.web.page_routes import Page, PageRequest, Redirect, get, post

_PATH = "/app/learning/{course_id:str}/assessments/{assessment_id:str}"


class SubmitForm(msgspec.Struct):
    """The URL of the work."""

    submission_url: Annotated[str, Meta(max_length=MAX_SUBMISSION_URL_LENGTH)]


class SubmissionPages:
    """Assessments, with what the learner handed in."""

    def __init__(self, services: Services) -> None:
        self._clock = services.clock
        self._assessments = services.assessments
        self._courses = services.courses

    @get(_PATH, transaction=READ_LARGE)
    async def show(self, request: PageRequest[None, None], tx: ReadTransaction) -> Page:
        """Show an assessment with all that the learner handed in."""
        own = await self._find(request, tx)
        course = await self._courses.find(tx, own.assessment.course_id)
        context = {"own": own, "state": own.state(self._clock()), "course_title": course.course.title}
        return Page("learning/assessment.html", context)

    @post(_PATH, form=SubmitForm, page="show", transaction=WRITE)
    async def submit(self, request: PageRequest[None, SubmitForm], tx: WriteTransaction) -> Redirect:
        """Hand in work."""
        own = await self._find(request, tx)
        await self._assessments.submit(tx, request.caller, own.assessment.id, request.form.submission_url)
        return Redirect(request.url, notice=request.text("Your work is handed in."))

    async def _find(
        self, request: PageRequest[None, SubmitForm] | PageRequest[None, None], tx: ReadTransaction
    ) -> OwnAssessment:
        """Return the assessment, if it is one of the course in the path."""
        own = await self._assessments.find(tx, request.caller, parse_id(request.path["assessment_id"]))
        if own.assessment.course_id != parse_id(request.path["course_id"]):
            raise NotFound("There is no such assessment in this course.", code="ASSESSMENT_NOT_FOUND")
        return own
