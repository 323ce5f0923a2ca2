"""Courses, modules, units and assessments as rows."""

from collections.abc import Sequence
from itertools import groupby

from sqlalchemy import BigInteger, and_, bindparam, insert, select

from headway.domain.accounts import CourseRole
from headway.domain.catalogue import Assessment, CourseKind, CourseTerms, CourseTree, Module, NewCourse, Outline, Unit
from headway.domain.completion import Completion, Rule
from headway.domain.instants import Instant
from headway.storage.database import ReadTransaction, Row, WriteTransaction
from headway.storage.dialects import WriteRows, rows
from headway.storage.tables import assessments, course_prerequisites, course_staff, courses, modules, units, users

_COURSE_FIELDS = [
    "slug",
    "title",
    "description",
    "subject",
    "level",
    "kind",
    "capacity",
    "starts_at",
    "ends_at",
    "enroll_from",
    "enroll_until",
    "access_days",
    "is_sequential",
    "is_published",
]

_ids = rows("ids", {"id": BigInteger()})
_revisions = select(courses.c.id, courses.c.revision).join(_ids, courses.c.id == _ids.c.id)
_modules = select(modules).join(_ids, modules.c.course_id == _ids.c.id).order_by(modules.c.course_id, modules.c.position)
_units = (
    select(units)
    .join(_ids, units.c.course_id == _ids.c.id)
    .join(modules, modules.c.id == units.c.module_id)
    .order_by(units.c.course_id, modules.c.position, units.c.position)
)
_assessments = select(assessments).where(assessments.c.course_id == bindparam("course_id")).order_by(assessments.c.position)
_course = (
    select(courses, users.c.id.label("owner_id"), users.c.name.label("owner_name"))
    .join(course_staff, and_(course_staff.c.course_id == courses.c.id, course_staff.c.role == CourseRole.OWNER))
    .join(users, users.c.id == course_staff.c.user_id)
    .where(courses.c.id == bindparam("course_id"))
)
_terms = select(
    courses.c.is_published, courses.c.enroll_from, courses.c.enroll_until, courses.c.ends_at, courses.c.access_days
).where(courses.c.id == bindparam("course_id"))
_by_slug = select(courses.c.id).where(courses.c.slug == bindparam("slug"))
_insert_course = (
    insert(courses)
    .values(
        {name: bindparam(name) for name in _COURSE_FIELDS}
        | {"revision": 1, "seats_taken": 0, "created_at": bindparam("now"), "updated_at": bindparam("now")}
    )
    .returning(courses.c.id)
)
_insert_modules = WriteRows(modules, ["course_id", "slug", "title", "position"])
_insert_units = WriteRows(
    units, ["course_id", "module_id", "slug", "title", "kind", "position", "is_required", "rule", "threshold"]
)
_insert_assessments = WriteRows(assessments, ["course_id", "title", "description", "due_at", "max_grade", "position"])
_insert_staff = WriteRows(course_staff, ["user_id", "course_id", "role"], update=["role"])
_staff_role = select(course_staff.c.role).where(
    course_staff.c.user_id == bindparam("user_id"), course_staff.c.course_id == bindparam("course_id")
)
_insert_prerequisites = WriteRows(course_prerequisites, ["course_id", "prerequisite_id"])
_prerequisites = select(course_prerequisites.c.prerequisite_id).where(
    course_prerequisites.c.course_id == bindparam("course_id")
)


def _unit(row: Row) -> Unit:
    return Unit(
        id=row["id"],
        course_id=row["course_id"],
        module_id=row["module_id"],
        title=row["title"],
        slug=row["slug"],
        kind=row["kind"],
        position=row["position"],
        is_required=bool(row["is_required"]),
        completion=Completion(Rule(row["rule"]), row["threshold"]),
        is_retired=row["retired_at"] is not None,
    )


def _module(row: Row) -> Module:
    return Module(
        id=row["id"],
        course_id=row["course_id"],
        title=row["title"],
        slug=row["slug"],
        position=row["position"],
        is_retired=row["retired_at"] is not None,
    )


def _assessment(row: Row) -> Assessment:
    return Assessment(
        id=row["id"],
        course_id=row["course_id"],
        title=row["title"],
        description=row["description"],
        due_at=row["due_at"],
        max_grade=row["max_grade"],
        position=row["position"],
        is_retired=row["retired_at"] is not None,
    )


async def insert_course(tx: WriteTransaction, course: NewCourse, *, owner_id: int, now: Instant) -> int:
    """Store a course with everything in it, and its owner; give its id. The number of statements does not grow with it."""
    fields = {name: getattr(course, name) for name in _COURSE_FIELDS}
    course_id: int = (await tx.one(_insert_course, **fields, now=now))["id"]
    await tx.write_rows(
        (_insert_modules, [(course_id, module.slug, module.title, m) for m, module in enumerate(course.modules)])
    )
    stored = await list_modules(tx, course_id)
    new_units = [
        (
            *(course_id, module.id, unit.slug, unit.title, unit.kind, u),
            *(unit.is_required, unit.completion.rule, unit.completion.threshold),
        )
        for module, new in zip(stored, course.modules, strict=True)
        for u, unit in enumerate(new.units)
    ]
    new_assessments = [
        (course_id, each.title, each.description, each.due_at, each.max_grade, i) for i, each in enumerate(course.assessments)
    ]
    await tx.write_rows(
        (_insert_units, new_units),
        (_insert_assessments, new_assessments),
        (_insert_staff, [(owner_id, course_id, CourseRole.OWNER)]),
        (_insert_prerequisites, [(course_id, other) for other in sorted(set(course.prerequisites))]),
    )
    return course_id


async def terms(tx: ReadTransaction, course_id: int) -> CourseTerms | None:
    """Give what decides about enrolling in a course."""
    row = await tx.first(_terms, course_id=course_id)
    return None if row is None else CourseTerms(bool(row[0]), row[1], row[2], row[3], row[4])


async def tree(tx: ReadTransaction, course_id: int) -> CourseTree:
    """Read a course that exists, with everything in it."""
    row = await tx.one(_course, course_id=course_id)
    fields = {name: row[name] for name in _COURSE_FIELDS}
    fields |= {"kind": CourseKind(row["kind"])}
    fields |= {name: bool(row[name]) for name in ("is_sequential", "is_published")}
    return CourseTree(
        id=course_id,
        course=NewCourse(**fields, prerequisites=tuple(await list_prerequisites(tx, course_id))),
        seats_taken=row["seats_taken"],
        owner_id=row["owner_id"],
        owner_name=row["owner_name"],
        modules=await list_modules(tx, course_id),
        units=await list_units(tx, course_id),
        assessments=await list_assessments(tx, course_id),
    )


async def find_by_slug(tx: ReadTransaction, slug: str) -> int | None:
    """Give the id of the course with a slug."""
    row = await tx.first(_by_slug, slug=slug)
    return row["id"] if row else None


async def revisions(tx: ReadTransaction, course_ids: Sequence[int]) -> dict[int, int]:
    """Give the revision of each of these courses that exists."""
    return {row["id"]: row["revision"] for row in await tx.all(_revisions, ids=[(i,) for i in course_ids])}


async def outlines(tx: ReadTransaction, course_ids: Sequence[int]) -> dict[int, Outline]:
    """Load what is needed to place activity in each of these courses that exists."""
    ids = [(course_id,) for course_id in course_ids]
    found = {row["id"]: row["revision"] for row in await tx.all(_revisions, ids=ids)}
    modules_of: dict[int, frozenset[int]] = {
        course_id: frozenset(row["id"] for row in group)
        for course_id, group in groupby(await tx.all(_modules, ids=ids), lambda row: int(row["course_id"]))
    }
    units_of: dict[int, dict[int, Unit]] = {
        course_id: {row["id"]: _unit(row) for row in group}
        for course_id, group in groupby(await tx.all(_units, ids=ids), lambda row: int(row["course_id"]))
    }
    return {
        course_id: Outline(
            course_id=course_id,
            revision=revision,
            module_ids=modules_of.get(course_id, frozenset()),
            units=units_of.get(course_id, {}),
            required_units=sum(unit.counts for unit in units_of.get(course_id, {}).values()),
        )
        for course_id, revision in found.items()
    }


async def list_modules(tx: ReadTransaction, course_id: int) -> list[Module]:
    """Give a course's modules in order."""
    return [_module(row) for row in await tx.all(_modules, ids=[(course_id,)])]


async def list_units(tx: ReadTransaction, course_id: int) -> list[Unit]:
    """Give a course's units in the order of the course."""
    return [_unit(row) for row in await tx.all(_units, ids=[(course_id,)])]


async def list_assessments(tx: ReadTransaction, course_id: int) -> list[Assessment]:
    """Give a course's assessments in order."""
    return [_assessment(row) for row in await tx.all(_assessments, course_id=course_id)]


async def list_prerequisites(tx: ReadTransaction, course_id: int) -> list[int]:
    """Give the ids of the courses to be completed before this one."""
    return [row["prerequisite_id"] for row in await tx.all(_prerequisites, course_id=course_id)]


async def staff_role(tx: ReadTransaction, *, user_id: int, course_id: int) -> CourseRole | None:
    """Give what a user is in the staff of a course."""
    row = await tx.first(_staff_role, user_id=user_id, course_id=course_id)
    return CourseRole(row["role"]) if row else None
