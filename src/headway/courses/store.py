"""The rows of courses, their lists and prerequisites, and the terms of enrollment."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Select, Text, bindparam, case, exists, func, or_, select

from headway.accounts.tables import users
from headway.courses.model import (
    SEATS,
    CourseKind,
    CoursePage,
    CourseTree,
    EnrollmentTerms,
    Facets,
    NewCourse,
    Prerequisite,
    Schedule,
)
from headway.courses.parts_store import list_assessments, list_modules, list_units
from headway.courses.staff_store import is_tutor
from headway.courses.tables import course_prerequisites, course_staff, course_statistics, course_terms, courses, units
from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import lookup, rows
from headway.paging.service import Slice

COURSE_FIELDS = [name for name in NewCourse.__struct_fields__ if name not in {"modules", "assessments", "prerequisites"}]
"""The fields of a course that are columns of `courses`."""

_ids = rows("ids", {"id": BigInteger()})
_schedules = select(courses.c.id, courses.c.kind, courses.c.starts_at, courses.c.ends_at).select_from(
    lookup(_ids, courses, courses.c.id == _ids.c.id)
)
_facets = {
    column.name: select(column).where(courses.c.is_published.is_(True), column.is_not(None)).distinct().order_by(column)
    for column in (courses.c.subject, courses.c.level)
}
_state = select(courses.c.created_at, courses.c.revision).where(courses.c.id == bindparam("course_id"))
_staff = course_staff.alias("staff")
_counted_seats = (
    select(func.coalesce(func.sum(course_statistics.c.value), 0))
    .where(course_statistics.c.course_id == courses.c.id, course_statistics.c.name == SEATS)
    .scalar_subquery()
)
_courses = (
    select(
        *(column for column in courses.c if column is not courses.c.seats_taken),
        case((courses.c.capacity.is_(None), _counted_seats), else_=courses.c.seats_taken).label("seats_taken"),
        users.c.id.label("owner_id"),
        users.c.name.label("owner_name"),
    )
    .join(course_staff, course_staff.c.course_id == courses.c.id)
    .join(users, users.c.id == course_staff.c.user_id)
    .where(is_tutor)
)
_course = _courses.where(courses.c.id == bindparam("course_id"))
_enrollment_terms = select(*(courses.c[name] for name in EnrollmentTerms.__struct_fields__)).where(
    courses.c.id == bindparam("course_id")
)
# Not FOR UPDATE: rows that refer to the course may be written meanwhile.
_lock_enrollment_terms = _enrollment_terms.with_for_update(key_share=True)
_by_slug = select(courses.c.id).where(courses.c.slug == bindparam("slug"))
_reached = select(_ids.c.id).cte("reached", recursive=True)
_reached = _reached.union(
    select(course_prerequisites.c.prerequisite_id).select_from(
        lookup(_reached, course_prerequisites, course_prerequisites.c.course_id == _reached.c.id)
    )
)
_leads_to = select(_reached.c.id).where(_reached.c.id == bindparam("target"))
_other = courses.alias("other")
# Not EXISTS: PostgreSQL may read all units once for it.
_their_unit = select(units.c.id).where(units.c.course_id == _other.c.id).limit(1)
_counting = _their_unit.where(units.c.is_required, units.c.retired_at.is_(None), units.c.is_hidden.is_(False))
_prerequisites_in_full = (
    select(
        course_prerequisites.c.course_id.label("of_course"),
        *(_other.c.id.label("course_id"), _other.c.title, _other.c.is_published, _other.c.enroll_until, _other.c.ends_at),
        _their_unit.scalar_subquery().is_not(None).label("has_units"),
        _counting.scalar_subquery().is_not(None).label("has_required_units"),
    )
    .select_from(
        lookup(
            lookup(_ids, course_prerequisites, course_prerequisites.c.course_id == _ids.c.id),
            _other,
            _other.c.id == course_prerequisites.c.prerequisite_id,
        )
    )
    .order_by(course_prerequisites.c.course_id, course_prerequisites.c.prerequisite_id)
)
_terms = rows("terms", {"first": Text(), "last": Text()})
_in_range = course_terms.c.term.between(_terms.c.first, _terms.c.last)
courses_with_terms = (
    select(course_terms.c.course_id)
    .select_from(_terms)
    .join(course_terms, _in_range)
    .group_by(course_terms.c.course_id)
    .having(func.count(_terms.c.first.distinct()) == bindparam("term_count"))
)
_term_counts = select(course_terms.c.course_id, func.count().label("terms")).group_by(course_terms.c.course_id)
_texts = (
    select(courses.c.id, *(courses.c[name] for name in ("title", "description", "subject", "level")))
    .where(courses.c.id > bindparam("after"))
    .order_by(courses.c.id)
    .limit(bindparam("limit"))
)


@cache
def _listing(filters: frozenset[str], *, is_after: bool) -> tuple[Select[Any], Select[Any]]:
    """Build the statements for a page of courses and for their number, with the conditions of these filters."""
    conditions: dict[str, ColumnElement[bool]] = {
        "after": courses.c.id < bindparam("after"),
        "is_published": courses.c.is_published == bindparam("is_published"),
        "terms": courses.c.id.in_(courses_with_terms),
        "kind": courses.c.kind == bindparam("kind"),
        "external_id": courses.c.external_id == bindparam("external_id"),
        "tutor_id": users.c.id == bindparam("tutor_id"),
        "tutor": users.c.folded_name.like(bindparam("tutor"), escape="\\"),
        "staff_id": exists(
            select(_staff.c.user_id).where(_staff.c.course_id == courses.c.id, _staff.c.user_id == bindparam("staff_id"))
        ),
    }
    restrictions = [conditions[name] for name in sorted(filters - {"staff_id", "is_published"})]
    # Staff see their own courses before they are published.
    visible = [conditions[name] for name in ("is_published", "staff_id") if name in filters]
    matches = _courses.where(*restrictions, *([or_(*visible)] if visible else []))
    rest = matches.where(conditions["after"]) if is_after else matches
    page = rest.order_by(courses.c.id.desc()).limit(bindparam("limit")).offset(bindparam("offset"))
    return page, matches.with_only_columns(func.count().label("total"))


async def list_courses(tx: ReadTransaction, filters: Mapping[str, Any], part: Slice) -> CoursePage:
    """Return some courses, the newest first, without their modules and assessments.

    `filters` may hold `terms` with their number `term_count`, `tutor` (a pattern of folded names), `kind`, `external_id`,
    `tutor_id`, `is_published`, and `staff_id`: the id of a user whose own courses are listed before they are published too. The
    key of a part is a course's id.
    """
    page, count = _listing(frozenset(filters) - {"term_count"}, is_after=part.after is not None)
    page_rows = await tx.all(page, **filters, **part.params)
    total = (await tx.one(count, **filters))["total"]
    prerequisites = await read_prerequisites(tx, [row["id"] for row in page_rows])
    return CoursePage([_tree(row, prerequisites[row["id"]]) for row in page_rows], total)


async def read_prerequisites(tx: ReadTransaction, course_ids: Sequence[int]) -> dict[int, list[Prerequisite]]:
    """Return the prerequisites of each of these courses, in the order of their ids."""
    found: dict[int, list[Prerequisite]] = {course_id: [] for course_id in course_ids}
    for row in await tx.all(_prerequisites_in_full, ids=[(course_id,) for course_id in course_ids]):
        fields = {name: row[name] for name in Prerequisite.__struct_fields__}
        flags = {name: bool(row[name]) for name in ("is_published", "has_units", "has_required_units")}
        found[row["of_course"]].append(Prerequisite(**fields | flags))
    return found


async def leads_to(tx: ReadTransaction, course_ids: Sequence[int], target: int) -> bool:
    """Return whether a course is one of these, or a prerequisite of one of them, or of such a prerequisite, and so on."""
    return await tx.first(_leads_to, ids=[(i,) for i in course_ids], target=target) is not None


async def count_terms(tx: ReadTransaction) -> dict[int, int]:
    """Return the number of terms by which each course is found."""
    return {row["course_id"]: row["terms"] for row in await tx.all(_term_counts)}


async def list_texts(tx: ReadTransaction, *, after: int, limit: int) -> dict[int, NewCourse]:
    """Return the texts of courses in the order of their ids, which come after one."""
    found = await tx.all(_texts, after=after, limit=limit)
    return {
        course_id: NewCourse(title, description=about, subject=subject, level=level)
        for course_id, title, about, subject, level in found
    }


async def find_enrollment_terms(tx: ReadTransaction, course_id: int) -> EnrollmentTerms | None:
    """Return the terms of enrollment of a course as they are now."""
    return _terms_of(await tx.first(_enrollment_terms, course_id=course_id))


async def hold_enrollment_terms(tx: WriteTransaction, course_id: int) -> EnrollmentTerms | None:
    """Return the terms of enrollment of a course, which stay as they are until the transaction ends.

    It locks the seats and the waiting list of a course whose seats are limited. In others, learners come and go side by side.
    """
    await tx.share_course_locks([course_id])
    terms = await find_enrollment_terms(tx, course_id)
    return terms if terms is None or terms.capacity is None else await lock_enrollment_terms(tx, course_id)


async def lock_enrollment_terms(tx: WriteTransaction, course_id: int) -> EnrollmentTerms | None:
    """Return the terms of enrollment of a course; lock its row until the transaction ends."""
    return _terms_of(await tx.first(_lock_enrollment_terms, course_id=course_id))


def _terms_of(row: Row | None) -> EnrollmentTerms | None:
    if row is None:
        return None
    fields = {name: row[name] for name in EnrollmentTerms.__struct_fields__}
    return EnrollmentTerms(**fields | {"is_published": bool(row["is_published"])})


async def tree(tx: ReadTransaction, course_id: int) -> CourseTree:
    """Return a course that exists, with its modules, units and assessments."""
    row, prerequisites = await tx.one(_course, course_id=course_id), await read_prerequisites(tx, [course_id])
    return msgspec.structs.replace(
        _tree(row, prerequisites[course_id]),
        modules=await list_modules(tx, [course_id]),
        units=await list_units(tx, [course_id]),
        assessments=await list_assessments(tx, course_id),
    )


def _tree(row: Row, prerequisites: list[Prerequisite]) -> CourseTree:
    fields = {name: row[name] for name in COURSE_FIELDS}
    fields |= {"kind": CourseKind(row["kind"])}
    fields |= {name: bool(row[name]) for name in ("is_sequential", "is_published")}
    course = NewCourse(**fields, prerequisites=tuple(each.course_id for each in prerequisites))
    own = {name: row[name] for name in ("id", "owner_id", "owner_name")}
    return CourseTree(
        **own,
        seats_taken=int(row["seats_taken"]),
        course=course,
        modules=[],
        units=[],
        assessments=[],
        prerequisites=prerequisites,
    )


async def find_by_slug(tx: ReadTransaction, slug: str) -> int | None:
    """Return the id of the course with a slug, or None."""
    row = await tx.first(_by_slug, slug=slug)
    return row["id"] if row else None


async def schedules(tx: ReadTransaction, course_ids: Sequence[int]) -> dict[int, Schedule]:
    """Return the kind of each of these courses that exists, and when it runs."""
    found = await tx.all(_schedules, ids=[(i,) for i in course_ids])
    return {row["id"]: Schedule(CourseKind(row["kind"]), row["starts_at"], row["ends_at"]) for row in found}


async def facets(tx: ReadTransaction) -> Facets:
    """Return the subjects and levels of published courses."""
    subjects, levels = [[row[0] for row in await tx.all(_facets[name])] for name in ("subject", "level")]
    return Facets(subjects, levels)


async def state(tx: ReadTransaction, course_id: int) -> str:
    """Return a text that differs between all states of a course, also of an earlier course with the same id."""
    row = await tx.one(_state, course_id=course_id)
    return f"{row['created_at']}.{row['revision']}"
