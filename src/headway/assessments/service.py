"""Assessments: submissions of learners, and their grades."""

from collections.abc import Sequence
from functools import partial

from headway.assessments import store as submissions
from headway.assessments.model import (
    GradedResult,
    NewGrade,
    OwnAssessment,
    Submission,
    SubmissionOrder,
    SubmissionPage,
    check_grade,
    check_submission_url,
)
from headway.audit.model import Action, Target, TargetType, caller_actor, learner_in_course
from headway.audit.service import AuditRecorder
from headway.courses import parts_store
from headway.courses.model import Assessment
from headway.db.database import ReadTransaction, WriteTransaction
from headway.disclosures.disclosing import disclose
from headway.disclosures.model import RecordKind
from headway.enrollments import store as enrollments
from headway.enrollments.access import Access
from headway.enrollments.authorization import not_staff, read_access
from headway.errors import Conflict, Forbidden, Invalid, NotFound
from headway.feed import store as feed
from headway.feed.model import GradeGiven, SubmissionReceived, course_topic, new_entries, user_topic
from headway.identity import Caller, Client
from headway.ids import NewId
from headway.instants import Clock
from headway.paging.service import Walk, put_in_order
from headway.webhooks import announcements


class Assessments:
    """Submissions and grades. Submitting and grading lock the learner's enrollment, so one waits for the other."""

    def __init__(self, clock: Clock, new_id: NewId, audit: AuditRecorder) -> None:
        self._clock = clock
        self._new_id = new_id
        self._audit = audit

    async def find(self, tx: ReadTransaction, caller: Caller, assessment_id: int) -> OwnAssessment:
        """Read an assessment, for those enrolled in its course and for its staff.

        A retired one exists for its staff and for learners who submitted work.
        Raises NotFound ASSESSMENT_NOT_FOUND, Forbidden NOT_ENROLLED.
        """
        now = self._clock()
        assessment, access = await find_known(tx, caller, assessment_id)
        own = await submissions.versions(tx, assessment_id, caller.user_id)
        if not access.is_staff:
            if assessment.is_retired and not own:
                raise _assessment_not_found()
            enrollment = await enrollments.find(tx, caller.user_id, assessment.course_id)
            if enrollment is None or not enrollment.is_open(now):
                raise _not_enrolled()
        return OwnAssessment(assessment, own)

    async def list_own(self, tx: ReadTransaction, user_id: int, course_id: int | None = None) -> list[OwnAssessment]:
        """List the assessments of a course, or of all courses, to which a learner has access, with what was handed in.

        Those of a course are in its order. A retired one is listed where work was handed in for it.
        """
        now = self._clock()
        found = await submissions.list_own(tx, user_id, course_id)
        keys = sorted({(user_id, each.assessment.course_id) for each in found})
        enrolled = await enrollments.find_many(tx, keys)
        return [each for each in found if enrolled[user_id, each.assessment.course_id].is_open(now)]

    async def submit(
        self, tx: WriteTransaction, caller: Caller, assessment_id: int, submission_url: str
    ) -> tuple[Submission, Assessment]:
        """Submit work by its URL. It replaces earlier work, which stays stored, until that is graded.

        Work after the due date is accepted and shown as late. Raises Invalid, NotFound ASSESSMENT_NOT_FOUND,
        Forbidden NOT_ENROLLED, Conflict ALREADY_GRADED.
        """
        fault = check_submission_url(submission_url)
        if fault is not None:
            raise Invalid.field("submission_url", fault)
        assessment, _ = await find_known(tx, caller, assessment_id)
        if assessment.is_retired:
            raise _assessment_not_found()
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
        submission = Submission(caller.user_id, self._new_id(), assessment_id, submission_url, None, None, at, None, None)
        await submissions.insert_submission(tx, submission)
        event = SubmissionReceived(
            submission.id, assessment.id, assessment.title, assessment.course_id, caller.user_id, submission_url
        )
        await feed.publish(tx, new_entries(event, course_topic(assessment.course_id)), now)
        tx.announce(
            announcements.SubmissionReceived(
                learner_id=caller.user_id,
                course_id=assessment.course_id,
                submission_id=submission.id,
                assessment_id=assessment.id,
            )
        )
        return submission, assessment

    async def list_submissions(
        self,
        tx: ReadTransaction,
        caller: Caller,
        assessment_id: int,
        walk: Walk,
        *,
        name: str | None = None,
        order: SubmissionOrder | None = None,
    ) -> tuple[SubmissionPage, Assessment]:
        """List the newest submission of each learner, or of those with a name, for staff; by learner, or in an order.

        Raises NotFound ASSESSMENT_NOT_FOUND, Forbidden.
        """
        assessment = await find_for_staff(tx, caller, assessment_id)
        if order is not None:
            ordered = await submissions.order_newest(tx, assessment_id, order, name)
            some = partial(submissions.find_newest, tx, assessment_id)
            rows = await walk.read(tx, put_in_order(ordered, some, lambda each: each[0].user_id))
            return SubmissionPage(rows, len(ordered)), assessment
        found = await submissions.list_newest(tx, assessment_id, walk.slice, name)
        page = walk.cut(found.submissions, lambda each: each[0].user_id)
        return found._replace(submissions=page), assessment

    async def grade(
        self,
        tx: WriteTransaction,
        caller: Caller,
        submission_id: str,
        new: NewGrade,
        *,
        client: Client | None = None,
    ) -> tuple[Submission, Assessment]:
        """Grade the newest submission of a learner, or correct the grade, as staff of the course.

        Raises Invalid, NotFound SUBMISSION_NOT_FOUND, Forbidden, Conflict SUBMISSION_REPLACED or GRADE_CHANGED.
        """
        submission = await submissions.find(tx, submission_id)
        assessment = await parts_store.find_assessment(tx, submission.assessment_id) if submission else None
        access = Access() if assessment is None else await read_access(tx, caller, assessment.course_id)
        if submission is None or assessment is None or not access.knows_course:
            raise NotFound("There is no such submission.", code="SUBMISSION_NOT_FOUND")
        if not access.is_staff:
            raise not_staff()
        grade = check_grade(new.grade, new.feedback, assessment)
        await enrollments.lock(tx, [(submission.user_id, assessment.course_id)])
        newest, *_ = await submissions.versions(tx, assessment.id, submission.user_id)
        if newest.id != submission_id:
            raise Conflict("The learner has handed in newer work.", code="SUBMISSION_REPLACED")
        if new.seen is not None and new.seen.graded_at != newest.graded_at:
            raise Conflict("Somebody else has graded this work meanwhile.", code="GRADE_CHANGED")
        newest.grade, newest.feedback = grade, new.feedback
        now = newest.graded_at = self._clock()
        newest.graded_by = caller.user_id
        await submissions.set_grade(tx, newest)
        topics = user_topic(newest.user_id), course_topic(assessment.course_id)
        given = _grade_given(newest, grade, assessment)
        await feed.publish(tx, new_entries(given, *topics), now)
        tx.announce(
            announcements.SubmissionGraded(
                learner_id=given.learner_id,
                course_id=given.course_id,
                submission_id=given.submission_id,
                assessment_id=given.assessment_id,
                grade=given.grade,
                max_grade=given.max_grade,
            )
        )
        target = Target(TargetType.OTHER, newest.id, None, assessment.title)
        record = learner_in_course(assessment.course_id, newest.user_id) | {"grade": grade, "maxGrade": assessment.max_grade}
        actor = caller_actor(caller)
        await self._audit.record(tx, Action.GRADE_SUBMISSION, actor, target, metadata=record, client=client)
        return newest, assessment

    async def store_results(self, tx: WriteTransaction, results: Sequence[GradedResult]) -> int:
        """Store results graded elsewhere; return how many are new. A repetition changes nothing."""
        return await submissions.insert_graded(tx, results)


async def find_known(tx: ReadTransaction, caller: Caller, assessment_id: int) -> tuple[Assessment, Access]:
    """Return an assessment of a course that the caller may know of, and the caller's access. Raises NotFound."""
    assessment = await parts_store.find_assessment(tx, assessment_id)
    access = Access() if assessment is None else await read_access(tx, caller, assessment.course_id)
    if assessment is None or not access.knows_course:
        raise _assessment_not_found()
    return assessment, access


async def find_for_staff(
    tx: ReadTransaction, caller: Caller, assessment_id: int, *, shown: RecordKind | None = RecordKind.SUBMISSION
) -> Assessment:
    """Return an assessment, for the staff of its course; what is `shown` of all learners is a disclosure.

    Raises NotFound ASSESSMENT_NOT_FOUND, Forbidden.
    """
    assessment, access = await find_known(tx, caller, assessment_id)
    if not access.is_staff:
        raise not_staff()
    if shown is not None:
        disclose(tx, caller, shown, course_id=assessment.course_id)
    return assessment


def _assessment_not_found() -> NotFound:
    return NotFound("There is no such assessment.", code="ASSESSMENT_NOT_FOUND")


def _not_enrolled() -> Forbidden:
    return Forbidden("Only those enrolled in the course have its assessments.", code="NOT_ENROLLED")


def _grade_given(graded: Submission, grade: float, assessment: Assessment) -> GradeGiven:
    return GradeGiven(
        submission_id=graded.id,
        assessment_id=assessment.id,
        title=assessment.title,
        course_id=assessment.course_id,
        learner_id=graded.user_id,
        grade=grade,
        max_grade=assessment.max_grade,
        feedback=graded.feedback,
    )
