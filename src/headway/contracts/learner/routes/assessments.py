"""Assessments, submissions and grades."""

from headway.assessments.model import NewGrade
from headway.contracts.learner import course_wire, mapping, wire
from headway.db.database import ReadTransaction, WriteTransaction
from headway.http.pages import Pages
from headway.http.params import parse_id
from headway.http.request import READ_LARGE, WRITE, Request, Response
from headway.http.routes import get, patch, post
from headway.identity import Scope
from headway.services import Services

_ONE = "/assessments/{assessment_id:str}"


class AssessmentRoutes:
    """Read assessments, submit work, and grade it."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._assessments = services.assessments
        self._pages = pages

    @get(_ONE, responses={200: wire.One[wire.OwnAssessment]}, transaction=READ_LARGE, scope=Scope.COURSES_READ)
    async def read(self, request: Request[None, None], tx: ReadTransaction) -> Response:
        """Read an assessment with one's newest submission: for enrolled learners and the course's staff."""
        own = await self._assessments.find(tx, request.caller, parse_id(request.path["assessment_id"]))
        return Response(200, wire.One(data=mapping.own_assessment(own)))

    @post(
        f"{_ONE}/submit", body=wire.SubmitBody, responses={201: wire.One[wire.Submission]}, idempotent=True, transaction=WRITE
    )
    async def submit(self, request: Request[None, wire.SubmitBody], tx: WriteTransaction) -> Response:
        """Submit work. It replaces an earlier submission until that is graded."""
        assessment_id = parse_id(request.path["assessment_id"])
        submission, assessment = await self._assessments.submit(tx, request.caller, assessment_id, request.body.submission_url)
        return Response(201, wire.One(data=mapping.submission(submission, assessment)))

    @get(
        f"{_ONE}/submissions",
        query=course_wire.SubmissionsQuery,
        responses={200: wire.Many[wire.LearnersSubmission]},
        transaction=READ_LARGE,
        scope=Scope.PROGRESS_READ,
    )
    async def list_submissions(self, request: Request[course_wire.SubmissionsQuery, None], tx: ReadTransaction) -> Response:
        """List each learner's newest submission: for the course's staff."""
        assessment_id = parse_id(request.path["assessment_id"])
        walk = self._pages.walk(request)
        found, assessment = await self._assessments.list_submissions(
            tx,
            request.caller,
            assessment_id,
            walk,
            name=request.query.q,
            order=mapping.submission_order(request.query),
        )
        rows = [mapping.learners_submission(each, name, assessment) for each, name in found.submissions]
        return Response(200, mapping.many(rows, walk, found.total))

    @patch(
        "/submissions/{submission_id:str}", body=wire.GradeBody, responses={200: wire.One[wire.Submission]}, transaction=WRITE
    )
    async def grade(self, request: Request[None, wire.GradeBody], tx: WriteTransaction) -> Response:
        """Grade a learner's newest submission, or correct its grade: for the course's staff."""
        submission, assessment = await self._assessments.grade(
            tx,
            request.caller,
            request.path["submission_id"],
            NewGrade(request.body.grade, request.body.feedback),
            client=request.client,
        )
        return Response(200, wire.One(data=mapping.submission(submission, assessment)))
