"""What rules look at, read for all learners of a course who have access and have not finished, or for some of them.

The number of statements does not depend on the number of learners. What can be compared with an index, or in the row that is
read anyway, is compared here, so that few rows are read beside those of the enrollments.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Double, FromClause, Select, and_, bindparam, func, or_, select, true

from headway.assessments.tables import submissions
from headway.attention.model import NOTHING, FailedResult, Judge, LearnerFacts, RuleName, Run, UnitFacts, Values
from headway.courses.completion import Rule as UnitRule
from headway.courses.completion import decode_evidence
from headway.courses.structure import CourseStructure
from headway.courses.tables import assessments, courses
from headway.db.database import ReadTransaction, Row
from headway.db.dialects import is_one_of, lookup, rows
from headway.db.types import Id
from headway.enrollments.status import LIMITED
from headway.enrollments.store import status_among
from headway.enrollments.tables import enrollments
from headway.instants import DAY, Instant
from headway.learning.store import CourseStructures
from headway.learning.tables import study_days, unit_progress

_learners = rows("learners", {"user_id": Id})
_in_course = enrollments.c.course_id == bindparam("in_course", type_=Id)
_studies = status_among(*sorted(LIMITED))
_some = lookup(_learners, enrollments, and_(enrollments.c.user_id == _learners.c.user_id, _in_course))
_SOURCES: dict[bool, FromClause] = {False: enrollments, True: _some}
"""Whose enrollments: of some learners, or of all."""


def _of_all_and_some(build: Any) -> dict[bool, Select[Any]]:
    return {is_some: build(source).where(_in_course, _studies) for is_some, source in _SOURCES.items()}


_COLUMNS = [enrollments.c[name] for name in ("user_id", "percent", "enrolled_at", "last_activity_at", "access_until")]
_facts = _of_all_and_some(lambda source: select(*_COLUMNS).select_from(source))


def _is_unit(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    is_of = and_(unit_progress.c.user_id == enrollments.c.user_id, unit_progress.c.course_id == enrollments.c.course_id)
    return and_(is_of, *conditions)


_is_begun = unit_progress.c.status == "IN_PROGRESS"
_stuck = _of_all_and_some(
    lambda source: (
        select(enrollments.c.user_id, unit_progress.c.unit_id, unit_progress.c.created_at, unit_progress.c.study_ms)
        .select_from(lookup(source, unit_progress, _is_unit(unit_progress.c.unit_id == enrollments.c.last_unit_id)))
        .where(
            enrollments.c.last_activity_at > bindparam("active_since"),
            _is_begun,
            or_(unit_progress.c.created_at <= bindparam("begun_before"), unit_progress.c.study_ms >= bindparam("studied_for")),
        )
    )
)
_quizzes = rows("quizzes", {"unit_id": Id})
_is_quiz = is_one_of(unit_progress.c.unit_id, select(_quizzes.c.unit_id))
_has_failed = and_(_is_begun, unit_progress.c.metadata.like("%quiz_score_percent%"))
"""A quiz that has a score and is not complete: its best score does not pass."""
_failed_quizzes = (
    select(enrollments.c.user_id, unit_progress.c.unit_id, unit_progress.c.metadata)
    .select_from(lookup(_some, unit_progress, _is_unit(_is_quiz)))
    .where(_in_course, _has_failed)
)
_count_failed_quizzes = _of_all_and_some(
    lambda source: (
        select(enrollments.c.user_id, func.count().label("count"))
        .select_from(lookup(source, unit_progress, _is_unit(_is_quiz)))
        .where(enrollments.c.last_activity_at.is_not(None), _has_failed)
        .group_by(enrollments.c.user_id)
    )
)

_passing = rows("passing", {"assessment_id": Id, "grade": Double()})
_later = submissions.alias("later")
_is_newer_grade = and_(
    _later.c.assessment_id == submissions.c.assessment_id,
    _later.c.user_id == submissions.c.user_id,
    # Not IS NOT NULL, by which PostgreSQL would choose the index of grades in place of that of learners.
    func.coalesce(_later.c.grade, -1) >= 0,
    or_(
        _later.c.submitted_at > submissions.c.submitted_at,
        and_(_later.c.submitted_at == submissions.c.submitted_at, _later.c.id > submissions.c.id),
    ),
)
_is_graded_work = submissions.c.assessment_id == _passing.c.assessment_id
_is_below = submissions.c.grade < _passing.c.grade


def _newest_grades(source: FromClause) -> FromClause:
    """Return grades of which there is no newer one, where `later.id` is null."""
    return lookup(source, _later, _is_newer_grade, is_outer=True)


_grades = _newest_grades(lookup(_passing, submissions, and_(_is_graded_work, _is_below)))
_is_own_work = and_(_is_graded_work, submissions.c.user_id == _learners.c.user_id)
_grades_of_some = _newest_grades(lookup(_passing.join(_learners, true()), submissions, _is_own_work))
_failed_grades_of_some = (
    select(submissions.c.user_id, submissions.c.assessment_id, submissions.c.grade)
    .select_from(_grades_of_some)
    .where(_is_below, _later.c.id.is_(None))
)
_count_failed_grades = {
    is_some: select(submissions.c.user_id, func.count().label("count"))
    .select_from(source)
    .where(_is_below, _later.c.id.is_(None))
    .group_by(submissions.c.user_id)
    for is_some, source in ((False, _grades), (True, _grades_of_some))
}

_assessments = select(assessments.c.id, assessments.c.title, assessments.c.max_grade).where(
    assessments.c.course_id == bindparam("in_course"), assessments.c.retired_at.is_(None)
)
_run = select(courses.c.starts_at, courses.c.ends_at, courses.c.access_days, courses.c.revision).where(
    courses.c.id == bindparam("course_id")
)

_studied = and_(study_days.c.user_id == enrollments.c.user_id, study_days.c.course_id == enrollments.c.course_id)
_before = select(func.max(study_days.c.day)).where(_studied, study_days.c.day < bindparam("first_day")).scalar_subquery()
_first = select(func.min(study_days.c.day)).where(_studied, study_days.c.day >= bindparam("first_day")).scalar_subquery()
_active_lately = _of_all_and_some(
    lambda source: (
        select(*_COLUMNS, _before.label("before"), _first.label("first"))
        .select_from(source)
        .where(enrollments.c.last_activity_at >= bindparam("since"))
    )
)


class CourseFacts(NamedTuple):
    """What is known of a course: its parts, when it runs, and the titles and largest grades of its assessments."""

    structure: CourseStructure
    run: Run
    assessments: dict[int, tuple[str, float]]


class Recent(NamedTuple):
    """A learner who was active lately, with the days of study around the beginning of that time."""

    user_id: int
    enrolled_at: Instant
    last_activity_at: Instant
    before: int | None
    first: int | None


async def read_course(tx: ReadTransaction, course_id: int, structures: CourseStructures) -> CourseFacts:
    """Read what is known of a course that exists."""
    row = await tx.one(_run, course_id=course_id)
    graded = {each["id"]: (each["title"], each["max_grade"]) for each in await tx.all(_assessments, in_course=course_id)}
    structure = (await structures.get(tx, [course_id], {course_id: row["revision"]}))[course_id]
    return CourseFacts(structure, Run(row["starts_at"], row["ends_at"], row["access_days"]), graded)


async def read_learners(tx: ReadTransaction, course: CourseFacts, judge: Judge, user_ids: Sequence[int]) -> list[LearnerFacts]:
    """Read what the rules look at, of some learners of a course; for rules that are off, nothing is read."""
    found, units, failed = await _read(tx, course, judge, user_ids)
    return [
        LearnerFacts(user_id, percent, enrolled_at, last_at, units.get(user_id), failed[user_id], until)
        for user_id, percent, enrolled_at, last_at, until in found
    ]


async def find_listed(
    tx: ReadTransaction, course: CourseFacts, judge: Judge, user_ids: Sequence[int] | None = None
) -> dict[int, Values]:
    """Return what the rules find about all learners of a course, or about some: those about whom they find anything."""
    found, units, failed = await _read(tx, course, judge, user_ids)
    values, unit_of, failed_of = judge.values, units.get, failed.get
    return {
        user_id: got
        for user_id, percent, enrolled_at, last_at, until in found
        if (got := values(percent, enrolled_at, last_at, unit_of(user_id), failed_of(user_id, 0), until)) is not NOTHING
    }


async def _read(
    tx: ReadTransaction, course: CourseFacts, judge: Judge, user_ids: Sequence[int] | None
) -> tuple[Sequence[Row], dict[int, UnitFacts], Counter[int]]:
    """Read the enrollments, in which units learners may be stuck, and how many results do not pass; the latter by learner."""
    structure = course.structure
    given = _given(structure.course_id, user_ids)
    is_some = user_ids is not None
    units: dict[int, UnitFacts] = {}
    if judge.rules[RuleName.STUCK].is_on:
        bounds = {"begun_before": judge.begun_before, "studied_for": judge.studied_for, "active_since": judge.active_since}
        for user_id, unit_id, began_at, study_ms in await tx.all(_stuck[is_some], **given, **bounds):
            # In a unit that has closed, nobody can go on.
            if unit_id in structure.required and structure.units[unit_id].is_open(judge.now):
                units[user_id] = UnitFacts(unit_id, began_at, study_ms)
    failed: Counter[int] = Counter()
    if judge.rules[RuleName.FAILED_TWICE].is_on:
        failed = await _count_failed(tx, course, judge.rules[RuleName.FAILED_TWICE].threshold, user_ids)
    return await tx.all(_facts[is_some], **given), units, failed


async def read_failed(
    tx: ReadTransaction, course: CourseFacts, needed: int, user_ids: Sequence[int]
) -> dict[int, list[FailedResult]]:
    """Read the results below what is needed, of those learners who have any: grades below `needed` percent, then quizzes."""
    failed: defaultdict[int, list[FailedResult]] = defaultdict(list)
    learners = _as_rows(user_ids)
    for user_id, assessment_id, grade in await tx.all(
        _failed_grades_of_some, passing=_passing_grades(course, needed), learners=learners
    ):
        percent = grade * 100 / course.assessments[assessment_id][1]
        failed[user_id].append(FailedResult(None, assessment_id, percent, needed))
    quizzes = _quizzes_of(course)
    params = {"in_course": course.structure.course_id, "learners": learners, "quizzes": _as_rows(quizzes)}
    for user_id, unit_id, metadata in await tx.all(_failed_quizzes, **params):
        score = decode_evidence(metadata).quiz_score_percent
        failed[user_id].append(FailedResult(unit_id, None, score or 0, quizzes[unit_id]))
    return failed


async def read_recent(
    tx: ReadTransaction, course_id: int, *, since: Instant, user_ids: Sequence[int] | None = None
) -> list[Recent]:
    """Read the learners who were active since an instant, of all or of some, with the days of study around it."""
    given = _given(course_id, user_ids)
    found = await tx.all(_active_lately[user_ids is not None], **given, since=since, first_day=since // DAY)
    return [Recent(row["user_id"], row["enrolled_at"], row["last_activity_at"], row["before"], row["first"]) for row in found]


async def _count_failed(tx: ReadTransaction, course: CourseFacts, needed: int, user_ids: Sequence[int] | None) -> Counter[int]:
    """Count the results below what is needed, by learner."""
    failed: Counter[int] = Counter()
    is_some = user_ids is not None
    if passing := _passing_grades(course, needed):
        some = {} if user_ids is None else {"learners": _as_rows(user_ids)}
        failed.update(dict(map(tuple, await tx.all(_count_failed_grades[is_some], passing=passing, **some))))
    if quizzes := _quizzes_of(course):
        given = _given(course.structure.course_id, user_ids)
        failed.update(dict(map(tuple, await tx.all(_count_failed_quizzes[is_some], **given, quizzes=_as_rows(quizzes)))))
    return failed


def _passing_grades(course: CourseFacts, needed: int) -> list[tuple[int, float]]:
    return [(assessment_id, most * needed / 100) for assessment_id, (_, most) in course.assessments.items()]


def _quizzes_of(course: CourseFacts) -> dict[int, float]:
    """Return the passing scores of the quizzes of a course, by unit."""
    return {
        unit_id: unit.completion.threshold or 0
        for unit_id, unit in course.structure.units.items()
        if unit.completion.rule is UnitRule.QUIZ and unit.is_shown
    }


def _given(course_id: int, user_ids: Sequence[int] | None) -> dict[str, Any]:
    return {"in_course": course_id} | ({} if user_ids is None else {"learners": _as_rows(user_ids)})


def _as_rows(ids: Iterable[int]) -> list[tuple[int]]:
    return [(each,) for each in ids]
