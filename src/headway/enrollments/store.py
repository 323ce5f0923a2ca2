"""Enrollments as rows, with their progress and seats."""

from collections.abc import Mapping, Sequence
from itertools import repeat
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Integer, Text, and_, bindparam, func, or_, select, update

from headway.accounts.tables import users
from headway.courses.completion import decode_evidence, encode_evidence
from headway.courses.tables import courses
from headway.db.database import ReadTransaction, Row, RowsToWrite, WriteTransaction
from headway.db.dialects import UpdateRows, WriteRows, lookup, rows
from headway.db.types import Id
from headway.enrollments.model import Enrollment, LearnerInCourse
from headway.enrollments.status import LIMITED, OPEN, EnrollmentStatus
from headway.enrollments.tables import enrollments, waiting_list
from headway.instants import DAY, Instant


def status_among(*statuses: EnrollmentStatus) -> ColumnElement[bool]:
    """Return the condition that an enrollment has one of these statuses."""
    # Not IN: its values would be put into the text at each run, and statements are compiled once.
    return or_(*(enrollments.c.status == status.value for status in statuses))


_keys = rows("keys", {"user_id": Id, "course_id": Id})
_by_key = and_(enrollments.c.user_id == _keys.c.user_id, enrollments.c.course_id == _keys.c.course_id)
COLUMNS = (
    *(enrollments.c[name] for name in ("user_id", "course_id", "status", "percent", "study_ms", "metadata")),
    *(enrollments.c[name] for name in ("last_activity_at", "enrolled_at", "completed_at", "certificate_url")),
    *(enrollments.c.created_at, enrollments.c.updated_at, enrollments.c.id),
    *(courses.c.revision, courses.c.access_days, enrollments.c.completed_revision),
    *(enrollments.c.required_percents, enrollments.c.required_completed, enrollments.c.closed_at),
    *(enrollments.c.last_unit_id, enrollments.c.last_unit_at),
    *(enrollments.c.active_weeks, enrollments.c.unit_states, enrollments.c.access_until, enrollments.c.counts_from),
)
_found, _lock = (
    select(*COLUMNS).select_from(
        lookup(lookup(_keys, enrollments, _by_key, is_locking=is_locking), courses, courses.c.id == enrollments.c.course_id)
    )
    for is_locking in (False, True)
)
_lock_page = (
    select(*COLUMNS)
    .join(courses, courses.c.id == enrollments.c.course_id)
    .where(enrollments.c.course_id == bindparam("in_course"), enrollments.c.user_id > bindparam("after_user"))
    .order_by(enrollments.c.user_id)
    .limit(bindparam("limit"))
    .with_for_update(of=enrollments)
)

_learner_ids = select(enrollments.c.user_id).where(enrollments.c.course_id == bindparam("course_id"))
_insert = WriteRows(
    enrollments,
    [
        *("user_id", "course_id", "id", "access_until", "status", "percent", "study_ms", "metadata"),
        *("enrolled_at", "created_at", "updated_at"),
    ],
)
# SQLite rewrites each index that has a column which an UPDATE sets, also where the value stays.
_PROGRESS = [
    *("percent", "study_ms", "metadata", "required_percents", "required_completed", "last_activity_at", "updated_at"),
    *("last_unit_id", "last_unit_at", "active_weeks", "unit_states"),
]
_STEPS = ["status", "completed_at", "completed_revision"]
_update_progress = UpdateRows(enrollments, _PROGRESS)
_update_steps = UpdateRows(enrollments, [*_PROGRESS, *_STEPS])
_update_status = UpdateRows(
    enrollments, ["status", "enrolled_at", "closed_at", "access_until", "certificate_url", "updated_at"]
)
_RENEWED = ["enrolled_at", "access_until", "certificate_url", "counts_from"]
_update_all = UpdateRows(enrollments, [*_PROGRESS, *_STEPS, *_RENEWED])
_add_seats = (
    update(courses)
    .where(courses.c.id == bindparam("course_id"))
    .values(seats_taken=courses.c.seats_taken + bindparam("count", type_=Integer()))
)


_limited_courses = select(courses.c.id, courses.c.access_days).where(courses.c.access_days.is_not(None))
_cutoffs = rows("cutoffs", {"course_id": Id, "before": enrollments.c.enrolled_at.type})
_is_before = and_(
    enrollments.c.course_id == _cutoffs.c.course_id,
    enrollments.c.enrolled_at <= _cutoffs.c.before,
    enrollments.c.access_until.is_(None),
)
_run_out = (
    select(enrollments.c.user_id, enrollments.c.course_id)
    .select_from(lookup(_cutoffs, enrollments, and_(_is_before, status_among(*sorted(LIMITED)))))
    .order_by(enrollments.c.course_id, enrollments.c.user_id)
    .limit(bindparam("limit"))
)
_limited = rows("limited", {"status": Text()})
_is_over = and_(enrollments.c.status == _limited.c.status, enrollments.c.access_until <= bindparam("now"))
_over = (
    select(enrollments.c.user_id, enrollments.c.course_id)
    .select_from(lookup(_limited, enrollments, _is_over))
    .limit(bindparam("limit"))
)
_most_active = (
    select(enrollments.c.user_id)
    .where(enrollments.c.course_id == bindparam("course_id"), status_among(*sorted(OPEN)))
    .order_by(enrollments.c.study_ms.desc(), enrollments.c.user_id)
    .limit(bindparam("limit"))
)


def enrollment_of(row: Row | tuple[Any, ...]) -> Enrollment:
    """Read an enrollment from a row that begins with `COLUMNS`."""
    user_id, course_id, status, percent, study_ms, metadata, *others = tuple(row)[: len(COLUMNS)]
    evidence = decode_evidence(metadata)
    return Enrollment(user_id, course_id, EnrollmentStatus(status), percent, study_ms, evidence, *others)


async def find(tx: ReadTransaction, user_id: int, course_id: int) -> Enrollment | None:
    """Read one enrollment."""
    return (await find_many(tx, [(user_id, course_id)])).get((user_id, course_id))


async def lock(tx: WriteTransaction, keys: Sequence[LearnerInCourse]) -> dict[LearnerInCourse, Enrollment]:
    """Lock and read these learners' enrollments, in ascending order of (user, course); those that exist."""
    return {(row[0], row[1]): enrollment_of(row) for row in await tx.all(_lock, keys=sorted(keys))}


async def lock_page(tx: WriteTransaction, course_id: int, *, after_user: int, limit: int) -> list[Enrollment]:
    """Lock and read enrollments in a course in the order of their learners, up to `limit`."""
    return [enrollment_of(row) for row in await tx.all(_lock_page, in_course=course_id, after_user=after_user, limit=limit)]


async def list_learner_ids(tx: ReadTransaction, course_id: int) -> list[int]:
    """Return the ids of all who have an enrollment in a course, whatever its status."""
    return [row[0] for row in await tx.all(_learner_ids, course_id=course_id)]


async def insert_enrollments(
    tx: WriteTransaction,
    course_id: int,
    user_ids: Sequence[int],
    *,
    ends: Mapping[int, Instant | None] = MappingProxyType({}),
    enrolled_at: Instant,
    now: Instant,
) -> set[LearnerInCourse]:
    """Enroll learners in a course, and return those who had no enrollment in it yet; `ends` has who loses access at a time."""
    ids = await tx.new_ids(enrollments, len(user_ids))
    fixed = (EnrollmentStatus.ENROLLED.value, 0, 0, "{}", enrolled_at, now, now)
    keys = zip(user_ids, repeat(course_id), ids, map(ends.get, user_ids), strict=False)
    new = await tx.insert_new(_insert, [(*key, *fixed) for key in keys])
    return {(user_id, course_id) for user_id, course_id in new}


async def set_status(tx: WriteTransaction, changed: Sequence[Enrollment], now: Instant) -> None:
    """Overwrite status, dates of enrollment and end, and certificate of locked enrollments."""
    for enrollment in changed:
        enrollment.touch(now)
    values = [
        (e.status.value, e.enrolled_at, e.closed_at, e.access_until, e.certificate_url, e.updated_at, e.user_id, e.course_id)
        for e in changed
    ]
    await tx.write_rows((_update_status, values))


async def add_seats(tx: WriteTransaction, course_id: int, count: int) -> None:
    """Count seats as taken, or with a negative number as free again, in a course with a capacity that is locked."""
    if count:
        await tx.run(_add_seats, course_id=course_id, count=count)


def progress_rows(before: Sequence[Enrollment], changed: Sequence[Enrollment], now: Instant) -> list[RowsToWrite]:
    """Return what overwrites the progress of locked enrollments, each of which was one of `before`, in the same order."""
    progress, steps = [], []
    for old, e in zip(before, changed, strict=True):
        e.touch(now)
        row = _progress_of(e)
        step = e.status, e.completed_at, e.completed_revision
        if step == (old.status, old.completed_at, old.completed_revision):
            progress.append((*row, e.user_id, e.course_id))
        else:
            steps.append((*row, *step, e.user_id, e.course_id))
    return [(_update_progress, progress), (_update_steps, steps)]


def reset_rows(e: Enrollment, now: Instant) -> RowsToWrite:
    """Return what overwrites a locked enrollment of which progress was reset, or a reset undone."""
    e.touch(now)
    step = e.status, e.completed_at, e.completed_revision
    renewed = e.enrolled_at, e.access_until, e.certificate_url, e.counts_from
    return _update_all, [(*_progress_of(e), *step, *renewed, e.user_id, e.course_id)]


def _progress_of(e: Enrollment) -> tuple[Any, ...]:
    sums = e.required_percents, e.required_completed
    last = e.last_activity_at, e.updated_at, e.last_unit_id, e.last_unit_at
    return e.percent, e.study_ms, encode_evidence(e.evidence), *sums, *last, e.active_weeks, e.unit_states


async def most_active(tx: ReadTransaction, course_id: int, *, limit: int) -> list[int]:
    """Return the learners with the most study time of those with access to a course, the most active one first."""
    return [row["user_id"] for row in await tx.all(_most_active, course_id=course_id, limit=limit)]


async def run_out(tx: ReadTransaction, now: Instant, *, limit: int) -> list[LearnerInCourse]:
    """Return learners whose access has ended by itself: up to `limit` at a time of their own, and by the course's days."""
    over = await tx.all(_over, limited=[(status,) for status in sorted(LIMITED)], now=now, limit=limit)
    limited = [(row["id"], now - row["access_days"] * DAY) for row in await tx.all(_limited_courses)]
    by_days = await tx.all(_run_out, cutoffs=limited, limit=limit) if limited else []
    return [(row["user_id"], row["course_id"]) for row in (*over, *by_days)]


async def find_many(tx: ReadTransaction, keys: Sequence[LearnerInCourse]) -> dict[LearnerInCourse, Enrollment]:
    """Read these learners' enrollments, those that exist."""
    return {(row[0], row[1]): enrollment_of(row) for row in await tx.all(_found, keys=keys)}


_holds_seat = and_(enrollments.c.course_id == courses.c.id, status_among(*sorted(OPEN)))
_seats = (
    select(courses.c.id, courses.c.capacity, courses.c.seats_taken, func.count(enrollments.c.user_id).label("holders"))
    .select_from(courses)
    .outerjoin(enrollments, _holds_seat)
    .group_by(courses.c.id, courses.c.capacity, courses.c.seats_taken)
    .order_by(courses.c.id)
)
_waiting = (
    select(courses.c.id, func.count().label("waiting"))
    .join(waiting_list, waiting_list.c.course_id == courses.c.id)
    .join(users, and_(users.c.id == waiting_list.c.user_id, users.c.is_disabled.is_(False)))
    .where(
        or_(courses.c.capacity.is_(None), courses.c.seats_taken < courses.c.capacity),
        courses.c.is_published.is_(True),
        or_(courses.c.ends_at.is_(None), courses.c.ends_at > bindparam("now")),
    )
    .group_by(courses.c.id)
    .order_by(courses.c.id)
)


async def read_seats(tx: ReadTransaction) -> Sequence[Row]:
    """Read the seats of all courses: id, capacity, seats_taken, and holders, the learners who hold one."""
    return await tx.all(_seats)


async def find_waiting_beside_free_seats(tx: ReadTransaction, now: Instant) -> Sequence[Row]:
    """Find the courses with free seats for which learners wait who could use one: id, and waiting, their number."""
    return await tx.all(_waiting, now=now)
