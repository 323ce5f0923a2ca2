"""The gradebook: what staff reads about the assessments of a course, and who has handed in what."""

from typing import NamedTuple

from headway.assessments import gradebook_store as store
from headway.assessments.gradebook_store import NO_WORK, WorkCounts, WorkFilter, WorkKey
from headway.assessments.model import STAGES, CourseAssessment, LearnersWork, Work, WorkStage, WorkSummary, summarize_work
from headway.assessments.service import find_for_staff
from headway.courses import parts_store
from headway.courses.model import Assessment
from headway.db.database import ReadTransaction
from headway.disclosures.disclosing import disclose
from headway.disclosures.model import RecordKind
from headway.enrollments.authorization import require_staff
from headway.enrollments.statistics_store import count_by_status
from headway.enrollments.status import OPEN
from headway.identity import Caller
from headway.instants import Clock
from headway.paging.service import Walk


class WorkPage(NamedTuple):
    """An assessment with its figures, and some of its learners."""

    assessment: Assessment
    summary: WorkSummary
    learners: list[LearnersWork]


class Gradebook:
    """Reads assessments for the staff of their courses."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def list_assessments(self, tx: ReadTransaction, caller: Caller, course_id: int) -> list[CourseAssessment]:
        """List the assessments of a course with their figures, what waits to be graded first; of retired ones those with work.

        Raises NotFound COURSE_NOT_FOUND, Forbidden.
        """
        await require_staff(tx, caller, course_id, shown=None)
        counts = await store.count_in_course(tx, course_id)
        enrolled, _ = await count_by_status(tx, course_id, sorted(OPEN))
        found = [
            CourseAssessment(each, _summarize(each, counts.get(each.id, NO_WORK), enrolled))
            for each in await parts_store.list_assessments(tx, course_id)
            if not each.is_retired or each.id in counts
        ]
        now = self._clock()
        return sorted(found, key=lambda each: each.urgency(now))

    async def list_work(
        self,
        tx: ReadTransaction,
        caller: Caller,
        assessment_id: int,
        walk: Walk,
        *,
        work: Work = Work.ALL,
        name: str | None = None,
    ) -> WorkPage:
        """List what the learners of an assessment handed in, each one's newest, for staff; `name` is as a search has it.

        What is to be graded comes first, in the order in which it was handed in; then those who have handed in nothing; then
        what is graded. Learners keep their places in a list while they are in the same stage, so nobody is skipped or repeated
        but by a step to another stage. Raises NotFound ASSESSMENT_NOT_FOUND, Forbidden, Invalid naming `cursor`.
        """
        assessment = await find_for_staff(tx, caller, assessment_id)
        counts = await store.count_one(tx, assessment_id)
        enrolled, _ = await count_by_status(tx, assessment.course_id, sorted(OPEN))
        summary = _summarize(assessment, counts, enrolled)
        wanted = WorkFilter(assessment, name, is_late=work is Work.LATE)
        stages = () if work is Work.LATE and assessment.due_at is None else STAGES[work]
        part = walk.slice
        after = None if part.after is None else _read_key(part.after)
        found: list[LearnersWork] = []
        for stage in stages:
            missing = part.offset + part.limit - len(found)
            if missing and (after is None or stage >= after.stage):
                begin = after if after is not None and after.stage is stage else None
                found += await store.list_work(tx, stage, wanted, after=begin, limit=missing)
        return WorkPage(assessment, summary, walk.cut(found[part.offset :], _write_key))

    async def find_work(
        self, tx: ReadTransaction, caller: Caller, assessment_id: int, submission_id: str
    ) -> LearnersWork | None:
        """Return the newest work of the learner who handed in a submission, for staff; None if there is no such submission.

        Raises NotFound ASSESSMENT_NOT_FOUND, Forbidden.
        """
        assessment = await find_for_staff(tx, caller, assessment_id, shown=None)
        found = await store.find_work(tx, assessment, submission_id)
        if found is not None:
            course_id, learner_id = assessment.course_id, found.user_id
            disclose(tx, caller, RecordKind.SUBMISSION, course_id=course_id, learner_id=learner_id)
        return found


def _summarize(assessment: Assessment, counts: WorkCounts, enrolled: int) -> WorkSummary:
    return summarize_work(counts.alike, assessment.max_grade, enrolled=enrolled, left=counts.left)


def _write_key(work: LearnersWork) -> str:
    submitted_at = work.submission.submitted_at if work.submission is not None and work.stage is WorkStage.TO_GRADE else 0
    return ".".join(map(str, WorkKey(work.stage, submitted_at, work.user_id)))


def _read_key(text: str) -> WorkKey:
    """Read what `_write_key` wrote: cursors are signed."""
    stage, submitted_at, user_id = map(int, text.split("."))
    return WorkKey(WorkStage(stage), submitted_at, user_id)
