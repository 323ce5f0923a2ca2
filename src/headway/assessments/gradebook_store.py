"""The work for assessments as staff lists it, by how far learners are, and the figures of assessments."""

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select

from headway.accounts.store import has_name, name_words
from headway.accounts.tables import users
from headway.assessments.model import GradeCount, LearnersWork, WorkStage
from headway.assessments.store import COLUMNS, find, is_later, is_newest, later, submissions_of
from headway.assessments.tables import submissions
from headway.courses.model import Assessment
from headway.courses.tables import assessments
from headway.db.database import ReadTransaction, Row
from headway.db.dialects import lookup
from headway.db.types import Id, Timestamp
from headway.enrollments.status import OPEN, EnrollmentStatus
from headway.enrollments.store import status_among
from headway.enrollments.tables import enrollments
from headway.instants import Instant


class WorkKey(NamedTuple):
    """The place of a learner in a list for staff; it stays while the learner is in the same stage."""

    stage: WorkStage
    submitted_at: Instant
    """Of what is to be graded, which comes in the order in which it was handed in; 0 in other stages."""
    user_id: int


class WorkFilter(NamedTuple):
    """Which learners of a stage to list: those with a name, those who were late, or all."""

    assessment: Assessment
    name: str | None = None
    is_late: bool = False


_in_assessment = submissions.c.assessment_id == bindparam("assessment_id")
_in_course = enrollments.c.course_id == bindparam("in_course", type_=Id)
_is_open = status_among(*sorted(OPEN))
_has_access = and_(enrollments.c.user_id == submissions.c.user_id, _in_course, _is_open)
_handed_in = select(submissions.c.id).where(_in_assessment, submissions.c.user_id == enrollments.c.user_id).exists()
_submitted = (
    select(*COLUMNS, users.c.name, enrollments.c.user_id.label("enrolled"))
    .select_from(
        lookup(lookup(submissions, users, users.c.id == submissions.c.user_id), enrollments, _has_access, is_outer=True)
    )
    .where(_in_assessment, is_newest)
)
_by_stage = {
    WorkStage.TO_GRADE: _submitted.where(submissions.c.graded_at.is_(None)).order_by(
        submissions.c.submitted_at, submissions.c.user_id
    ),
    WorkStage.MISSING: (
        select(enrollments.c.user_id, users.c.name)
        .join(users, users.c.id == enrollments.c.user_id)
        .where(_in_course, _is_open, ~_handed_in)
        .order_by(enrollments.c.user_id)
    ),
    WorkStage.GRADED: _submitted.where(submissions.c.graded_at.is_not(None)).order_by(submissions.c.user_id),
}
_of_learner = _submitted.where(submissions.c.user_id == bindparam("of_user"))
_after_user = bindparam("after_user", type_=Id)
_after_time: ColumnElement[Any] = bindparam("after_time", type_=Timestamp)
_is_after = {
    WorkStage.TO_GRADE: or_(
        submissions.c.submitted_at > _after_time,
        and_(submissions.c.submitted_at == _after_time, submissions.c.user_id > _after_user),
    ),
    WorkStage.MISSING: enrollments.c.user_id > _after_user,
    WorkStage.GRADED: submissions.c.user_id > _after_user,
}
_is_late = submissions.c.submitted_at > bindparam("due_at", type_=Timestamp)


@cache
def _page(stage: WorkStage, *, is_after: bool, is_named: bool, is_late: bool) -> Select[Any]:
    """Build the statement for some of the learners of a stage."""
    asked = ((_is_after[stage], is_after), (has_name, is_named), (_is_late, is_late))
    return _by_stage[stage].where(*(condition for condition, is_asked in asked if is_asked)).limit(bindparam("limit"))


async def list_work(
    tx: ReadTransaction, stage: WorkStage, wanted: WorkFilter, *, after: WorkKey | None, limit: int
) -> list[LearnersWork]:
    """Read some of the learners of a stage, after one of them or from the first one on."""
    assessment, name, is_late = wanted
    params: dict[str, Any] = {"assessment_id": assessment.id, "in_course": assessment.course_id, "limit": limit}
    params |= {} if name is None else {"name_words": name_words(name)}
    params |= {"due_at": assessment.due_at} if is_late else {}
    params |= {} if after is None else {"after_user": after.user_id}
    params |= {"after_time": after.submitted_at} if after is not None and stage is WorkStage.TO_GRADE else {}
    page = _page(stage, is_after=after is not None, is_named=name is not None, is_late=is_late)
    return await _works(tx, stage, await tx.all(page, **params))


async def find_work(tx: ReadTransaction, assessment: Assessment, submission_id: str) -> LearnersWork | None:
    """Read the newest work of the learner who handed in a submission for an assessment."""
    found = await find(tx, submission_id)
    if found is None or found.assessment_id != assessment.id:
        return None
    params = {"assessment_id": assessment.id, "in_course": assessment.course_id, "of_user": found.user_id}
    return (await _works(tx, WorkStage.GRADED, [await tx.one(_of_learner, **params)]))[0]


async def _works(tx: ReadTransaction, stage: WorkStage, found: Sequence[Row]) -> list[LearnersWork]:
    if stage is WorkStage.MISSING:
        return [LearnersWork(row["user_id"], row["name"], None, is_enrolled=True) for row in found]
    return [
        LearnersWork(row["user_id"], row["name"], submission, is_enrolled=row["enrolled"] is not None)
        for row, submission in zip(found, await submissions_of(tx, found), strict=True)
    ]


_of_assessments = lookup(assessments, submissions, submissions.c.assessment_id == assessments.c.id)
_alike = (
    submissions.c.assessment_id,
    submissions.c.graded_at.is_not(None).label("is_graded"),
    (submissions.c.submitted_at > assessments.c.due_at).label("is_late"),
    submissions.c.grade,
)
# Looked up, where NOT EXISTS could be joined with all submissions that there are.
_with_later = lookup(_of_assessments, later, is_later, is_outer=True)
_counts = select(*_alike, func.count().label("learners")).select_from(_with_later).where(later.c.id.is_(None)).group_by(*_alike)
# Those who left are fewer than those who handed in, so that they are looked up, and not everybody's enrollment.
_closed = and_(
    enrollments.c.course_id == assessments.c.course_id,
    status_among(*(status for status in EnrollmentStatus if status not in OPEN)),
)
_their_work = and_(submissions.c.assessment_id == assessments.c.id, submissions.c.user_id == enrollments.c.user_id)
_left = (
    select(assessments.c.id, func.count(submissions.c.user_id.distinct()).label("learners"))
    .select_from(lookup(lookup(assessments, enrollments, _closed), submissions, _their_work))
    .group_by(assessments.c.id)
)
_of_course, _of_one = assessments.c.course_id == bindparam("course_id"), assessments.c.id == bindparam("assessment_id")
_counts_of_course, _left_of_course = _counts.where(_of_course), _left.where(_of_course)
_counts_of_one, _left_of_one = _counts.where(_of_one), _left.where(_of_one)


class WorkCounts(NamedTuple):
    """The newest submissions for an assessment, those that are alike counted at once; `left` are those who left the course."""

    alike: Sequence[GradeCount]
    left: int


NO_WORK = WorkCounts((), 0)


async def count_in_course(tx: ReadTransaction, course_id: int) -> dict[int, WorkCounts]:
    """Count the work for each assessment of a course for which there is some."""
    found = await tx.all(_counts_of_course, course_id=course_id)
    return _counted(found, await tx.all(_left_of_course, course_id=course_id))


async def count_one(tx: ReadTransaction, assessment_id: int) -> WorkCounts:
    """Count the work for an assessment."""
    found = await tx.all(_counts_of_one, assessment_id=assessment_id)
    counted = _counted(found, await tx.all(_left_of_one, assessment_id=assessment_id))
    return counted.get(assessment_id, NO_WORK)


def _counted(found: Sequence[Row], left: Sequence[Row]) -> dict[int, WorkCounts]:
    gone = {row["id"]: row["learners"] for row in left}
    counts = defaultdict[int, list[GradeCount]](list)
    for row in found:
        alike = GradeCount(bool(row["is_graded"]), bool(row["is_late"]), row["grade"], row["learners"])
        counts[row["assessment_id"]].append(alike)
    return {assessment_id: WorkCounts(some, gone.get(assessment_id, 0)) for assessment_id, some in counts.items()}
