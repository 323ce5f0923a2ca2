"""Assessments: what learners hand in, and what it is worth."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from headway.assessments import store as submissions
from headway.assessments.model import Submission, SubmissionPage, check_submission_url
from headway.audit.model import Action, Target, TargetType, caller_actor
from headway.audit.recorder import AuditRecorder
from headway.courses import store as catalogue
from headway.courses.model import Assessment
from headway.db.database import Database, ReadTransaction
from headway.enrollments import store as enrollments
from headway.enrollments.access import find_known, is_staff, require_staff
from headway.errors import Conflict, Forbidden, Invalid, NotFound
from headway.feed import store as feed
from headway.feed.model import Change, ChangeType, topic_of_course, topic_of_user
from headway.identity import Caller, Client
from headway.ids import NewId
from headway.instants import Clock, Instant

_MAX_FEEDBACK = 10_000


class GradedResult(NamedTuple):
    """A submission that was graded elsewhere; `grade` is None where it is not known."""

    user_id: int
    submission_id: str
    assessment_id: int
    grade: float | None
    submitted_at: Instant


class OwnAssessment(NamedTuple):
    """An assessment as a learner sees it: with the newest of the learner's own submissions, and how many there are."""

    assessment: Assessment
    submission: Submission | None
    versions: int


class Assessments:
    """Submissions and grades. Handing in and grading lock the learner's enrollment, so one comes after the other."""

    def __init__(self, database: Database, clock: Clock, new_id: NewId, audit: AuditRecorder) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._audit = audit

    async def find(self, caller: Caller, assessment_id: int) -> OwnAssessment:
        """Read an assessment, for those enrolled in its course and its staff.

        One that is retired is there for its staff and for those who handed something in.
        Raises NotFound ASSESSMENT_NOT_FOUND, Forbidden NOT_ENROLLED.
        """
        now = self._clock()
        async with self._database.read() as tx:
            assessment = await _known(tx, caller, assessment_id)
            own = await submissions.versions(tx, assessment_id, caller.user_id)
            if not await is_staff(tx, caller, assessment.course_id):
                if assessment.is_retired and not own:
                    raise _not_there()
                enrollment = await enrollments.find(tx, caller.user_id, assessment.course_id)
                if enrollment is None or not enrollment.is_open(now):
                    raise _not_enrolled()
        return OwnAssessment(assessment, own[0] if own else None, len(own))

    async def submit(self, caller: Caller, assessment_id: int, submission_url: str) -> tuple[Submission, Assessment]:
        """Hand in work by its URL. It replaces what was handed in before, which is kept, until that is graded.

        Work that comes after the due date is taken and shows as late. Raises Invalid, NotFound ASSESSMENT_NOT_FOUND,
        Forbidden NOT_ENROLLED, Conflict ALREADY_GRADED.
        """
        fault = check_submission_url(submission_url)
        if fault is not None:
            raise Invalid.field("submission_url", fault)
        async with self._database.write() as tx:
            assessment = await _known(tx, caller, assessment_id)
            if assessment.is_retired:
                raise _not_there()
            key = caller.user_id, assessment.course_id
            enrollment = (await enrollments.lock(tx, [key])).get(key)
            now = self._clock()
            if enrollment is None or not enrollment.is_open(now):
                raise _not_enrolled()
            earlier = await submissions.versions(tx, assessment_id, caller.user_id)
            if any(each.graded_at is not None for each in earlier):
                raise Conflict("The work has been graded already.", code="ALREADY_GRADED")
            # Later than what it replaces, even within the same millisecond.
            at = max(now, earlier[0].submitted_at + 1) if earlier else now
            made = Submission(caller.user_id, self._new_id(), assessment_id, submission_url, None, None, at, None, None)
            await submissions.insert_submission(tx, made)
            data = {**_told(made, assessment), "submissionUrl": submission_url}
            await feed.publish(tx, [Change(topic_of_course(assessment.course_id), ChangeType.SUBMISSION, data)], now)
        return made, assessment

    async def list_submissions(
        self, caller: Caller, assessment_id: int, *, page: int, limit: int
    ) -> tuple[SubmissionPage, Assessment]:
        """List the newest submission of each learner, for staff. Raises NotFound ASSESSMENT_NOT_FOUND, Forbidden."""
        async with self._database.read() as tx:
            assessment = await _known(tx, caller, assessment_id)
            await require_staff(tx, caller, assessment.course_id)
            found = await submissions.list_newest(tx, assessment_id, limit=limit, offset=(page - 1) * limit)
        return found, assessment

    async def grade(
        self, caller: Caller, submission_id: str, *, grade: float, feedback: str | None, client: Client | None = None
    ) -> tuple[Submission, Assessment]:
        """Let the staff of a course grade the newest submission of a learner, or correct the grade; the learner is told.

        Raises Invalid, NotFound SUBMISSION_NOT_FOUND, Forbidden, Conflict SUBMISSION_REPLACED.
        """
        async with self._database.write() as tx:
            found = await submissions.find(tx, submission_id)
            assessment = await catalogue.find_assessment(tx, found.assessment_id) if found else None
            if found is None or assessment is None or await find_known(tx, caller, assessment.course_id) is None:
                raise NotFound("There is no such submission.", code="SUBMISSION_NOT_FOUND")
            await require_staff(tx, caller, assessment.course_id)
            if not math.isfinite(grade) or not 0 <= grade <= assessment.max_grade:
                raise Invalid.field("grade", f"must be between 0 and {assessment.max_grade:g}")
            if feedback is not None and (len(feedback) > _MAX_FEEDBACK or "\0" in feedback):
                raise Invalid.field("feedback", f"must have at most {_MAX_FEEDBACK} characters, none of them NUL")
            await enrollments.lock(tx, [(found.user_id, assessment.course_id)])
            newest, *_ = await submissions.versions(tx, assessment.id, found.user_id)
            if newest.id != submission_id:
                raise Conflict("The learner has handed in newer work.", code="SUBMISSION_REPLACED")
            newest.grade, newest.feedback = grade, feedback
            now = newest.graded_at = self._clock()
            newest.graded_by = caller.user_id
            await submissions.set_grade(tx, newest)
            data = {**_told(newest, assessment), "grade": grade, "maxGrade": assessment.max_grade, "feedback": feedback}
            topics = topic_of_user(newest.user_id), topic_of_course(assessment.course_id)
            await feed.publish(tx, [Change(topic, ChangeType.GRADE, data) for topic in topics], now)
            target = Target(TargetType.OTHER, newest.id, None, assessment.title)
            told = {"learnerId": data["learnerId"], "courseId": data["courseId"], "grade": grade, "maxGrade": data["maxGrade"]}
            await self._audit.record(tx, Action.GRADE_SUBMISSION, caller_actor(caller), target, metadata=told, client=client)
        return newest, assessment

    async def store_results(self, results: Sequence[GradedResult]) -> int:
        """Store results that were graded elsewhere; give how many were not there yet. A repetition changes nothing."""
        async with self._database.write() as tx:
            return await submissions.insert_graded(
                tx,
                [(r.user_id, r.submission_id, r.assessment_id, r.grade, r.submitted_at, r.submitted_at) for r in results],
            )


async def _known(tx: ReadTransaction, caller: Caller, assessment_id: int) -> Assessment:
    assessment = await catalogue.find_assessment(tx, assessment_id)
    if assessment is None or await find_known(tx, caller, assessment.course_id) is None:
        raise _not_there()
    return assessment


def _not_there() -> NotFound:
    return NotFound("There is no such assessment.", code="ASSESSMENT_NOT_FOUND")


def _not_enrolled() -> Forbidden:
    return Forbidden("Only those enrolled in the course have its assessments.", code="NOT_ENROLLED")


def _told(submission: Submission, assessment: Assessment) -> dict[str, object]:
    return {
        "submissionId": submission.id,
        "assessmentId": str(assessment.id),
        "title": assessment.title,
        "courseId": str(assessment.course_id),
        "learnerId": str(submission.user_id),
    }
