"""Submissions and their grades as rows."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select

from headway.accounts.store import has_name, name_words
from headway.accounts.tables import users
from headway.assessments.model import (
    GradedResult,
    OwnAssessment,
    Submission,
    SubmissionOrder,
    SubmissionPage,
    SubmissionSort,
)
from headway.assessments.tables import submissions
from headway.courses.model import Assessment
from headway.courses.tables import assessments
from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import UpdateRows, WriteRows, lookup, rows
from headway.db.personal_keys import PersonalTexts, reader, texts_for
from headway.db.types import Id
from headway.enrollments.tables import enrollments
from headway.paging.service import Slice, in_order

_insert_graded = WriteRows(submissions, ["user_id", "id", "assessment_id", "grade", "submitted_at", "graded_at"])
_insert = WriteRows(submissions, ["user_id", "id", "assessment_id", "submission_url", "submitted_at"])
_grade = UpdateRows(submissions, ["grade", "feedback", "graded_at", "graded_by"])
COLUMNS = [submissions.c[field] for field in Submission.__struct_fields__]
_by_id = select(*COLUMNS).where(submissions.c.id == bindparam("submission_id"))
_of_assessment = submissions.c.assessment_id == bindparam("assessment_id")
_versions = (
    select(*COLUMNS)
    .where(_of_assessment, submissions.c.user_id == bindparam("user_id"))
    .order_by(submissions.c.submitted_at.desc(), submissions.c.id.desc())
)
_ASSESSMENT_FIELDS = [name for name in Assessment.__struct_fields__ if name != "is_retired"]
_own = and_(submissions.c.assessment_id == assessments.c.id, submissions.c.user_id == enrollments.c.user_id)
_all_own = (
    select(
        *(assessments.c[name].label(f"task_{name}") for name in _ASSESSMENT_FIELDS),
        assessments.c.retired_at.is_not(None).label("task_is_retired"),
        *COLUMNS,
    )
    .select_from(
        lookup(
            lookup(enrollments, assessments, assessments.c.course_id == enrollments.c.course_id),
            submissions,
            _own,
            is_outer=True,
        )
    )
    .where(enrollments.c.user_id == bindparam("user_id"))
    .where(or_(assessments.c.retired_at.is_(None), submissions.c.id.is_not(None)))
    .order_by(assessments.c.course_id, assessments.c.position, assessments.c.id)
    .order_by(submissions.c.submitted_at.desc(), submissions.c.id.desc())
)
_own_in_course = _all_own.where(enrollments.c.course_id == bindparam("course_id"))
later = submissions.alias("later")
is_later = and_(
    later.c.assessment_id == submissions.c.assessment_id,
    later.c.user_id == submissions.c.user_id,
    (later.c.submitted_at > submissions.c.submitted_at)
    | and_(later.c.submitted_at == submissions.c.submitted_at, later.c.id > submissions.c.id),
)
"""The condition that the submission `later` replaces another one."""
is_newest = ~select(later.c.id).where(is_later).exists()
"""The condition that a submission is the newest of its learner for its assessment."""
_all_newest = (
    select(*COLUMNS, users.c.name.label("learner_name"))
    .join(users, users.c.id == submissions.c.user_id)
    .where(_of_assessment, is_newest)
    .order_by(submissions.c.user_id)
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_all_learners = select(func.count(submissions.c.user_id.distinct()).label("total")).where(_of_assessment)
_newest = {False: _all_newest, True: _all_newest.where(has_name)}
_newest_after = {key: page.where(submissions.c.user_id > bindparam("after")) for key, page in _newest.items()}
_learners = {
    False: _all_learners,
    True: _all_learners.join(users, users.c.id == submissions.c.user_id).where(has_name),
}


_ids = rows("ids", {"user_id": Id})
_newest_of = (
    select(*COLUMNS, users.c.name.label("learner_name"))
    .select_from(
        lookup(
            lookup(_ids, submissions, and_(submissions.c.user_id == _ids.c.user_id, _of_assessment)),
            users,
            users.c.id == submissions.c.user_id,
        )
    )
    .where(is_newest)
)


@cache
def _order(order: SubmissionOrder, *, is_named: bool) -> Select[Any]:
    """Build the statement for the learners of an assessment in the order of their newest submissions."""
    keys: dict[SubmissionSort, ColumnElement[Any]] = {
        SubmissionSort.LEARNER: submissions.c.user_id,
        SubmissionSort.NAME: func.coalesce(users.c.folded_name, ""),
        SubmissionSort.SUBMITTED_AT: submissions.c.submitted_at,
    }
    directed = [each.desc() if order.is_descending else each.asc() for each in (keys[order.sort], submissions.c.user_id)]
    found = select(submissions.c.user_id).where(_of_assessment, is_newest).order_by(*directed)
    if is_named or order.sort is SubmissionSort.NAME:
        found = found.join(users, users.c.id == submissions.c.user_id)
    return found.where(has_name) if is_named else found


async def insert_graded(tx: WriteTransaction, results: Sequence[GradedResult]) -> int:
    """Store the submissions whose (user_id, submission_id) is new, as graded when they were submitted; return how many."""
    values = [(*result, result.submitted_at) for result in sorted(results, key=lambda result: result[:2])]
    return len(await tx.insert_new(_insert_graded, values))


async def insert_submission(tx: WriteTransaction, submission: Submission) -> None:
    """Store a new submission, not graded yet."""
    s = submission
    await tx.write_rows((_insert, [(s.user_id, s.id, s.assessment_id, s.submission_url, s.submitted_at)]))


async def set_grade(tx: WriteTransaction, submission: Submission) -> None:
    """Overwrite the grade with what comes with it."""
    s = submission
    feedback = None if s.feedback is None else (await texts_for(tx, (s.user_id,))).encrypt(s.feedback, (s.user_id,))
    await tx.write_rows((_grade, [(s.grade, feedback, s.graded_at, s.graded_by, s.user_id, s.id)]))


async def find(tx: ReadTransaction, submission_id: str) -> Submission | None:
    """Look a submission up by its id."""
    row = await tx.first(_by_id, submission_id=submission_id)
    return None if row is None else (await submissions_of(tx, [row]))[0]


async def versions(tx: ReadTransaction, assessment_id: int, user_id: int) -> list[Submission]:
    """Read all that a learner handed in for an assessment, the newest first."""
    return await submissions_of(tx, await tx.all(_versions, assessment_id=assessment_id, user_id=user_id))


async def list_own(tx: ReadTransaction, user_id: int, course_id: int | None) -> list[OwnAssessment]:
    """Read the assessments of a learner's courses, or of one, with what the learner handed in; retired ones only with that.

    They are in the order of courses, and of a course's assessments.
    """
    if course_id is None:
        found = await tx.all(_all_own, user_id=user_id)
    else:
        found = await tx.all(_own_in_course, user_id=user_id, course_id=course_id)
    personal = await reader(tx, [row["feedback"] for row in found])
    own: dict[int, OwnAssessment] = {}
    for row in found:
        assessment_id = row["task_id"]
        if assessment_id not in own:
            own[assessment_id] = OwnAssessment(_assessment(row), [])
        if row["id"] is not None:
            own[assessment_id].submissions.append(submission_of(personal, row))
    return list(own.values())


def _assessment(row: Row) -> Assessment:
    fields = {name: row[f"task_{name}"] for name in _ASSESSMENT_FIELDS}
    return Assessment(**fields, is_retired=bool(row["task_is_retired"]))


async def list_newest(tx: ReadTransaction, assessment_id: int, part: Slice, name: str | None) -> SubmissionPage:
    """Read the newest submission of some learners, of those with a name or of all, in the order of learners.

    The key of a part is a learner's id.
    """
    params: dict[str, Any] = {"assessment_id": assessment_id} | ({} if name is None else {"name_words": name_words(name)})
    page = (_newest if part.after is None else _newest_after)[name is not None]
    found = await tx.all(page, **params, **part.params)
    total = (await tx.one(_learners[name is not None], **params))["total"]
    return SubmissionPage(await _named(tx, found), total)


async def order_newest(tx: ReadTransaction, assessment_id: int, order: SubmissionOrder, name: str | None) -> list[int]:
    """Return the learners of an assessment, those with a name or all, in the order of their newest submissions."""
    named = {} if name is None else {"name_words": name_words(name)}
    found = await tx.all(_order(order, is_named=name is not None), assessment_id=assessment_id, **named)
    return [row["user_id"] for row in found]


async def find_newest(tx: ReadTransaction, assessment_id: int, user_ids: Sequence[int]) -> list[tuple[Submission, str]]:
    """Read the newest submissions of these learners with their names, in the order of the learners."""
    found = await tx.all(_newest_of, assessment_id=assessment_id, ids=[(user_id,) for user_id in user_ids])
    return in_order(user_ids, {each.user_id: (each, name) for each, name in await _named(tx, found)})


async def _named(tx: ReadTransaction, found: Sequence[Row]) -> list[tuple[Submission, str]]:
    return list(zip(await submissions_of(tx, found), [row["learner_name"] for row in found], strict=True))


async def submissions_of(tx: ReadTransaction, found: Sequence[Row]) -> list[Submission]:
    """Read submissions from rows that have `COLUMNS`."""
    personal = await reader(tx, [row["feedback"] for row in found])
    return [submission_of(personal, row) for row in found]


def submission_of(personal: PersonalTexts, row: Row) -> Submission:
    """Read a submission from a row that has `COLUMNS`."""
    fields = {field: row[field] for field in Submission.__struct_fields__}
    return Submission(**fields | {"feedback": personal.text_if(row["feedback"])})
