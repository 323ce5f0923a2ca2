"""The list of a course's learners, filtered and in many orders, and the filters that staff saved."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, bindparam, delete, func, select

from headway.accounts.store import has_name, name_words
from headway.accounts.tables import users
from headway.assessments.tables import submissions
from headway.attention.learners import LearnerFilter, LearnerOrder, LearnerSort, SavedFilter
from headway.attention.tables import saved_filters
from headway.courses.tables import assessments
from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.dialects import WriteRows, lookup, rows
from headway.db.types import Id
from headway.enrollments.store import status_among
from headway.enrollments.tables import enrollments
from headway.instants import Instant
from headway.paging.service import Slice

_KEYS: dict[LearnerSort, ColumnElement[Any]] = {
    LearnerSort.NAME: func.coalesce(users.c.folded_name, ""),
    LearnerSort.PERCENT: enrollments.c.percent,
    LearnerSort.STUDY_TIME: enrollments.c.study_ms,
    LearnerSort.LAST_SEEN: enrollments.c.last_activity_at,
    LearnerSort.ENROLLED: enrollments.c.enrolled_at,
}
_Shape = tuple[tuple[str, ...], bool, bool]
"""Which conditions there are: on the statuses, on the name, on the unit."""

_learners = rows("learners", {"user_id": Id})
_graded = and_(submissions.c.user_id == _learners.c.user_id, submissions.c.grade.is_not(None))
_grades = (
    select(submissions.c.user_id, submissions.c.assessment_id, submissions.c.grade, assessments.c.max_grade)
    .select_from(lookup(lookup(_learners, submissions, _graded), assessments, assessments.c.id == submissions.c.assessment_id))
    .where(assessments.c.course_id == bindparam("in_course"), assessments.c.retired_at.is_(None))
    .order_by(submissions.c.user_id, submissions.c.submitted_at, submissions.c.id)
)

_of_staff = and_(saved_filters.c.user_id == bindparam("of_user"), saved_filters.c.course_id == bindparam("in_course"))
_saved = select(saved_filters.c.name, saved_filters.c.query).where(_of_staff).order_by(saved_filters.c.name)
_save = WriteRows(saved_filters, ["user_id", "course_id", "name", "query", "saved_at"], update=["query", "saved_at"])
_delete_saved = delete(saved_filters).where(_of_staff, saved_filters.c.name == bindparam("of_name"))


def _filtered(shape: _Shape, *, has_names: bool) -> tuple[FromClause, list[ColumnElement[bool]]]:
    """Return what to select from, and the conditions of a filter."""
    statuses, is_named, is_in_unit = shape
    conditions = [
        enrollments.c.course_id == bindparam("in_course"),
        enrollments.c.percent.between(bindparam("percent_from"), bindparam("percent_to")),
        status_among(*statuses),  # type: ignore[arg-type]
    ]
    if is_in_unit:
        conditions.append(enrollments.c.last_unit_id == bindparam("in_unit"))
    if is_named:
        conditions.append(has_name)
    source: FromClause = enrollments
    if is_named or has_names:
        source = source.join(users, users.c.id == enrollments.c.user_id)
    return source, conditions


@cache
def _ordered(shape: _Shape, order: LearnerOrder) -> Select[Any]:
    """Build the statement for the learners of a filter in order; without a date they come last."""
    source, conditions = _filtered(shape, has_names=order.sort is LearnerSort.NAME)
    key, user_id = _KEYS[order.sort], enrollments.c.user_id
    last = [key.is_(None)] if order.sort is LearnerSort.LAST_SEEN else []
    directed = [column.desc() if order.is_descending else column.asc() for column in (key, user_id)]
    return select(user_id).select_from(source).where(*conditions).order_by(*last, *directed)


@cache
def _page(shape: _Shape, order: LearnerOrder) -> Select[Any]:
    return _ordered(shape, order).limit(bindparam("limit")).offset(bindparam("offset"))


@cache
def _count(shape: _Shape) -> Select[Any]:
    source, conditions = _filtered(shape, has_names=False)
    return select(func.count().label("total")).select_from(source).where(*conditions)


def _given(course_id: int, chosen: LearnerFilter) -> tuple[_Shape, dict[str, Any]]:
    given: dict[str, Any] = {"in_course": course_id, "percent_from": chosen.percent_from, "percent_to": chosen.percent_to}
    if chosen.name is not None:
        given["name_words"] = name_words(chosen.name)
    if chosen.unit_id is not None:
        given["in_unit"] = chosen.unit_id
    return (chosen.statuses, chosen.name is not None, chosen.unit_id is not None), given


async def list_learners(
    tx: ReadTransaction, course_id: int, chosen: LearnerFilter, order: LearnerOrder, part: Slice
) -> list[int]:
    """Return some of the learners of a course that a filter chooses, in order."""
    shape, given = _given(course_id, chosen)
    found = await tx.all(_page(shape, order), **given, limit=part.limit, offset=part.offset)
    return [row["user_id"] for row in found]


async def order_learners(tx: ReadTransaction, course_id: int, chosen: LearnerFilter, order: LearnerOrder) -> list[int]:
    """Return all learners of a course that a filter chooses, in order."""
    shape, given = _given(course_id, chosen)
    return [row["user_id"] for row in await tx.all(_ordered(shape, order), **given)]


async def count_learners(tx: ReadTransaction, course_id: int, chosen: LearnerFilter) -> int:
    """Count the learners of a course that a filter chooses."""
    shape, given = _given(course_id, chosen)
    return int((await tx.one(_count(shape), **given))["total"])


async def read_grades(tx: ReadTransaction, course_id: int, user_ids: Sequence[int]) -> dict[int, dict[int, float]]:
    """Return the newest grade of each assessment of a course as a percent of its maximum, of those learners who have any."""
    found: dict[int, dict[int, float]] = {}
    params = {"in_course": course_id, "learners": [(user_id,) for user_id in user_ids]}
    for user_id, assessment_id, grade, most in await tx.all(_grades, **params):
        # In the order in which they were handed in: the newest one stays.
        found.setdefault(user_id, {})[assessment_id] = grade * 100 / most if most else 0.0
    return found


async def list_saved(tx: ReadTransaction, course_id: int, user_id: int) -> list[SavedFilter]:
    """List the filters that a member of staff saved for a course, by name."""
    return [SavedFilter(row["name"], row["query"]) for row in await tx.all(_saved, of_user=user_id, in_course=course_id)]


async def save(tx: WriteTransaction, course_id: int, user_id: int, saved: SavedFilter, now: Instant) -> None:
    """Store a filter, in place of the one of the same name if there is one."""
    await tx.write_rows((_save, [(user_id, course_id, saved.name, saved.query, now)]))


async def delete_saved(tx: WriteTransaction, course_id: int, user_id: int, name: str) -> None:
    """Delete a saved filter."""
    await tx.run(_delete_saved, of_user=user_id, in_course=course_id, of_name=name)
