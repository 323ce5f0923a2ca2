"""Assessments, what is handed in, and grades."""

from typing import Any

from litestar.handlers import HTTPRouteHandler

from headway.assessments.service import Assessments
from headway.contracts.learner import mapping, wire
from headway.contracts.learner.routes.paging import Pages
from headway.http.routing import Answer, Asked, Routes


def assessment_routes(routes: Routes, assessments: Assessments, pages: Pages) -> list[HTTPRouteHandler]:
    """Make the routes."""

    async def read(asked: Asked[Any, Any]) -> Answer:
        """Read an assessment with the newest of what one handed in: for those enrolled and staff."""
        found = await assessments.find(asked.caller, mapping.id_of(asked.path["assessment_id"]))
        return Answer(200, wire.One(data=mapping.own_assessment(found)))

    async def submit(asked: Asked[Any, wire.SubmitBody]) -> Answer:
        """Hand in work; it replaces what was handed in before, until that is graded."""
        assessment_id = mapping.id_of(asked.path["assessment_id"])
        made, assessment = await assessments.submit(asked.caller, assessment_id, asked.body.submission_url)
        return Answer(201, wire.One(data=mapping.submission(made, assessment)))

    async def list_submissions(asked: Asked[wire.PageQuery, Any]) -> Answer:
        """List the newest of what each learner handed in: for the course's staff."""
        query, limit = asked.query, pages.limit(asked.query.limit)
        assessment_id = mapping.id_of(asked.path["assessment_id"])
        found, assessment = await assessments.list_submissions(asked.caller, assessment_id, page=query.page, limit=limit)
        told = [mapping.learners_submission(each, name, assessment) for each, name in found.submissions]
        return Answer(200, pages.answer(told, query, found.total))

    async def grade(asked: Asked[Any, wire.GradeBody]) -> Answer:
        """Grade the newest of what a learner handed in, or correct the grade: for the course's staff."""
        graded, assessment = await assessments.grade(
            asked.caller,
            asked.path["submission_id"],
            grade=asked.body.grade,
            feedback=asked.body.feedback,
            client=asked.client,
        )
        return Answer(200, wire.One(data=mapping.submission(graded, assessment)))

    one = "/assessments/{assessment_id:str}"
    return [
        routes.add("GET", one, read, answers={200: wire.One[wire.OwnAssessment]}),
        routes.add("POST", f"{one}/submit", submit, body=wire.SubmitBody, answers={201: wire.One[wire.Submission]}),
        routes.add(
            "GET",
            f"{one}/submissions",
            list_submissions,
            query=wire.PageQuery,
            answers={200: wire.Many[wire.LearnersSubmission]},
        ),
        routes.add(
            "PATCH",
            "/submissions/{submission_id:str}",
            grade,
            body=wire.GradeBody,
            answers={200: wire.One[wire.Submission]},
        ),
    ]
