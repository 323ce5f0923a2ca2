"""Enrollments by the page: of a learner, of a course, in many orders."""

from collections.abc import Sequence
from functools import cache, partial
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select, union_all

from headway.accounts.store import has_name, name_words
from headway.accounts.tables import users
from headway.courses.tables import courses
from headway.db.database import ReadTransaction
from headway.db.dialects import EitherWay, lookup, rows
from headway.db.types import Id
from headway.enrollments import statistics_store
from headway.enrollments.lists import Order, Part, Sort
from headway.enrollments.model import Enrollment, LearnerInCourse, NamedEnrollment
from headway.enrollments.statistics import BANDS
from headway.enrollments.status import FINISHED, EnrollmentStatus
from headway.enrollments.store import COLUMNS, enrollment_of, find_many, status_among
from headway.enrollments.tables import enrollments
from headway.paging.service import Moving, Slice, in_order, put_in_order

_keys = rows("keys", {"user_id": Id, "course_id": Id})
_TITLED = (*COLUMNS, courses.c.title.label("title"))
_titled = select(*_TITLED).join(courses, courses.c.id == enrollments.c.course_id)
_by_user = (
    _titled.where(enrollments.c.user_id == bindparam("user_id"))
    .order_by(enrollments.c.enrolled_at.desc(), enrollments.c.course_id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_is_finished = or_(status_among(*sorted(FINISHED)), enrollments.c.certificate_url.is_not(None))
_finished = _titled.where(enrollments.c.user_id == bindparam("user_id"), _is_finished).order_by(
    enrollments.c.completed_at.desc().nulls_last(), enrollments.c.course_id.desc()
)
_order_of_user = (
    select(enrollments.c.course_id)
    .where(enrollments.c.user_id == bindparam("user_id"))
    .order_by(enrollments.c.enrolled_at.desc(), enrollments.c.course_id.desc())
)
_count_by_user = (
    select(func.count().label("total")).select_from(enrollments).where(enrollments.c.user_id == bindparam("user_id"))
)
_is_key = and_(enrollments.c.user_id == _keys.c.user_id, enrollments.c.course_id == _keys.c.course_id)
_titled_by_key = select(*_TITLED).select_from(
    lookup(lookup(_keys, enrollments, _is_key), courses, courses.c.id == enrollments.c.course_id)
)

_ids = rows("ids", {"id": Id})
_names = select(users.c.id, users.c.name).select_from(lookup(_ids, users, users.c.id == _ids.c.id))


@cache
def _in_course(statuses: tuple[EnrollmentStatus, ...], *, is_after: bool, is_named: bool) -> tuple[Select[Any], Select[Any]]:
    """Build the statements for a page of a course's enrollments and for their number."""
    conditions = [enrollments.c.course_id == bindparam("in_course"), *([status_among(*statuses)] if statuses else [])]
    count = select(func.count().label("total")).select_from(enrollments)
    if is_named:
        conditions.append(has_name)
        count = count.join(users, users.c.id == enrollments.c.user_id)
    page = (
        select(*COLUMNS, users.c.name.label("learner_name"))
        .join(courses, courses.c.id == enrollments.c.course_id)
        .join(users, users.c.id == enrollments.c.user_id)
        .where(*conditions, *([enrollments.c.user_id > bindparam("after")] if is_after else []))
        .order_by(enrollments.c.user_id)
        .limit(bindparam("limit"))
        .offset(bindparam("offset"))
    )
    return page, count.where(*conditions)


def _directed(order_by: Order, *columns: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    return [column.desc() if order_by.is_descending else column.asc() for column in columns]


@cache
def _sorted_page(order_by: Order, *, has_date: bool | None, is_banded: bool, is_tied: bool) -> Select[Any]:
    """Build the statement for a page of learners: of each status no more than may be on it, then merged.

    They come from an index in order. But PostgreSQL sorts those who are in some bands (`is_banded`), unless they are all at
    the same percent (`is_tied`): then nothing but the index is read.
    """
    key, user_id = enrollments.c[order_by.sort.value], enrollments.c.user_id
    conditions: list[ColumnElement[bool]] = []
    if has_date is not None:
        conditions.append(key.is_not(None) if has_date else key.is_(None))
    if is_banded:
        in_bands = _between(enrollments.c.percent_band, "first_band", "last_band", is_tied=is_tied)
        conditions.append(EitherWay(in_bands, _between(key, "lowest", "highest", is_tied=is_tied)))
    keys = [] if is_tied else [key.label("key")]
    parts = [
        select(user_id.label("user_id"), *keys)
        .where(enrollments.c.course_id == bindparam("in_course"), enrollments.c.status == status.value, *conditions)
        .order_by(*_directed(order_by, *([] if is_tied else [key]), user_id))
        .limit(bindparam("upto"))
        .subquery(f"part{number}")
        for number, status in enumerate(order_by.statuses)
    ]
    merged = union_all(*(select(part) for part in parts)).subquery("merged")
    order = _directed(order_by, *([] if is_tied else [merged.c.key]), merged.c.user_id)
    return select(merged.c.user_id).order_by(*order).limit(bindparam("limit")).offset(bindparam("offset"))


def _between(column: ColumnElement[int], first: str, last: str, *, is_tied: bool) -> ColumnElement[bool]:
    """Return the condition that a column lies between two parameters, or if they are tied, that it equals the first one."""
    least, most = (bindparam(name, type_=column.type) for name in (first, last))
    return column == least if is_tied else column.between(least, most)


@cache
def _whole_order(order_by: Order, *, is_named: bool, is_backwards: bool = False) -> Select[Any]:
    """Build the statement for the learners of a course in order, of all names or of some; those without a date come last.

    Backwards, they come first.
    """
    is_by_name = order_by.sort is Sort.NAME
    key = func.coalesce(users.c.folded_name, "") if is_by_name else enrollments.c[order_by.sort.value]
    undated = key.is_(None)
    whole = (
        select(enrollments.c.user_id)
        .where(enrollments.c.course_id == bindparam("in_course"), status_among(*order_by.statuses))
        .order_by(
            *([] if is_by_name else [undated.desc() if is_backwards else undated]),
            *_directed(order_by, key, enrollments.c.user_id),
        )
    )
    if is_by_name or is_named:
        whole = whole.join(users, users.c.id == enrollments.c.user_id)
    return whole.where(has_name) if is_named else whole


@cache
def _whole_page(order_by: Order, *, is_backwards: bool) -> Select[Any]:
    """Build the statement for a page of such a list: the database puts it into order, and no more is read than the page."""
    order = _whole_order(order_by, is_named=False, is_backwards=is_backwards)
    return order.limit(bindparam("limit")).offset(bindparam("offset"))


async def read_names(tx: ReadTransaction, user_ids: Sequence[int]) -> dict[int, str]:
    """Return the names of these users."""
    return {row["id"]: row["name"] for row in await tx.all(_names, ids=[(user_id,) for user_id in user_ids])}


async def add_names(tx: ReadTransaction, found: Sequence[Enrollment]) -> list[NamedEnrollment]:
    """Add the names of the learners."""
    names = await read_names(tx, [each.user_id for each in found])
    return [NamedEnrollment(each, names[each.user_id]) for each in found]


async def list_of_user(tx: ReadTransaction, user_id: int, part: Slice) -> list[tuple[Enrollment, str]]:
    """Read some of a learner's enrollments with the courses' titles, the newest first."""
    return [(enrollment_of(row), row["title"]) for row in await tx.all(_by_user, user_id=user_id, **part.params)]


async def count_of_user(tx: ReadTransaction, user_id: int) -> int:
    """Count a learner's enrollments."""
    return int((await tx.one(_count_by_user, user_id=user_id))["total"])


async def order_of_user(tx: ReadTransaction, user_id: int) -> list[int]:
    """Return the courses of all of a learner's enrollments, the newest first."""
    return [row["course_id"] for row in await tx.all(_order_of_user, user_id=user_id)]


async def find_of_user(tx: ReadTransaction, user_id: int, course_ids: Sequence[int]) -> list[tuple[Enrollment, str]]:
    """Read a learner's enrollments in these courses with their titles, in the order of the courses."""
    found = await list_keys(tx, [(user_id, course_id) for course_id in course_ids])
    return in_order(course_ids, {each[0].course_id: each for each in found})


async def list_finished(tx: ReadTransaction, user_id: int) -> list[tuple[Enrollment, str]]:
    """Read a learner's completed and certified enrollments with the courses' titles, the newest completion first.

    Those whose progress was reset after a certificate was issued come last: it stays.
    """
    return [(enrollment_of(row), row["title"]) for row in await tx.all(_finished, user_id=user_id)]


async def list_keys(tx: ReadTransaction, keys: Sequence[LearnerInCourse]) -> list[tuple[Enrollment, str]]:
    """Read these enrollments with the courses' titles."""
    return [(enrollment_of(row), row["title"]) for row in await tx.all(_titled_by_key, keys=keys)]


async def list_sorted(
    tx: ReadTransaction, course_id: int, order_by: Order, part: Part, *, limit: int, offset: int
) -> list[int]:
    """Return some of the learners of a part of a course's enrollments in order, from the end of it to which they are nearer."""
    limit = min(limit, part.size - offset)
    if limit <= 0:
        return []
    after = part.size - offset - limit
    is_backwards = after < offset
    if is_backwards:
        order_by, offset = order_by._replace(is_descending=not order_by.is_descending), after
    bounds: dict[str, int] = {}
    if part.bands is not None:
        first, last = part.bands
        bounds = {"first_band": first, "last_band": last, "lowest": BANDS[first].start, "highest": BANDS[last].stop - 1}
    is_tied = bool(bounds) and bounds["lowest"] == bounds["highest"]
    page = _sorted_page(order_by, has_date=part.has_date, is_banded=bool(bounds), is_tied=is_tied)
    found = await tx.all(page, in_course=course_id, upto=limit + offset, limit=limit, offset=offset, **bounds)
    return [row["user_id"] for row in (reversed(found) if is_backwards else found)]


async def order_in_course(tx: ReadTransaction, course_id: int, order_by: Order, name: str | None = None) -> list[int]:
    """Return the learners of all enrollments of a course in order, or of those with a name; without a date they come last."""
    named = {} if name is None else {"name_words": name_words(name)}
    found = await tx.all(_whole_order(order_by, is_named=name is not None), in_course=course_id, **named)
    return [row["user_id"] for row in found]


async def in_whole_order(
    tx: ReadTransaction, course_id: int, order_by: Order, name: str | None
) -> tuple[Moving[NamedEnrollment], int]:
    """Return how to read a list of a course's learners that is put into order as a whole, and how many they are."""
    some = partial(find_in_course, tx, course_id, order_by)
    if name is not None:
        # All have to be looked at to count them.
        found = await order_in_course(tx, course_id, order_by, name)
        return put_in_order(found, some, _learner_id), len(found)
    total, _ = await statistics_store.count_by_status(tx, course_id, order_by.statuses)

    async def page(part: Slice) -> list[NamedEnrollment]:
        limit = min(part.limit, total - part.offset)
        if limit <= 0:
            return []
        after = total - part.offset - limit
        # Of a list that has to be sorted, what is near an end is found with less effort.
        is_backwards = after < part.offset
        order = order_by._replace(is_descending=order_by.is_descending is not is_backwards)
        statement = _whole_page(order, is_backwards=is_backwards)
        rows = await tx.all(statement, in_course=course_id, limit=limit, offset=after if is_backwards else part.offset)
        return await some([row["user_id"] for row in (reversed(rows) if is_backwards else rows)])

    return Moving(page, partial(order_in_course, tx, course_id, order_by), some, _learner_id), total


def _learner_id(listed: NamedEnrollment) -> int:
    return listed.enrollment.user_id


async def find_in_course(
    tx: ReadTransaction, course_id: int, order_by: Order, user_ids: Sequence[int]
) -> list[NamedEnrollment]:
    """Read the enrollments of these learners that have one of the statuses, in the order of the learners."""
    found = await find_many(tx, [(user_id, course_id) for user_id in user_ids])
    enrolled = in_order(user_ids, {user_id: each for (user_id, _), each in found.items()})
    return await add_names(tx, [each for each in enrolled if each.status in order_by.statuses])


async def list_in_course(
    tx: ReadTransaction, course_id: int, *, statuses: Sequence[EnrollmentStatus], name: str | None, part: Slice
) -> tuple[list[NamedEnrollment], int]:
    """Read some of a course's enrollments, of some statuses and names or of all, by learner, and how many there are.

    The key of a part is a learner's id.
    """
    page, count = _in_course(tuple(sorted(statuses)), is_after=part.after is not None, is_named=name is not None)
    params: dict[str, Any] = {"in_course": course_id} | ({} if name is None else {"name_words": name_words(name)})
    found = await tx.all(page, **params, **part.params)
    total = (await tx.one(count, **params))["total"]
    return [NamedEnrollment(enrollment_of(row), row["learner_name"]) for row in found], total
