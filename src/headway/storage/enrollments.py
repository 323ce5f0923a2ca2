"""Enrollments as rows, with the course progress they carry, and the seats they take."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import ColumnElement, and_, bindparam, case, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from headway.domain.completion import COMPLETE, Evidence, Percent
from headway.domain.enrollment_status import OPEN, EnrollmentStatus
from headway.domain.instants import Instant, Milliseconds
from headway.storage.database import ReadTransaction, Row, RowsToWrite, WriteTransaction
from headway.storage.dialects import UpdateRows, rows
from headway.storage.evidence import decode_evidence, encode_evidence
from headway.storage.tables import Id, courses, enrollments, unit_progress, units

LearnerInCourse = tuple[int, int]
"""(user_id, course_id)"""


class Enrollment(msgspec.Struct):
    """A learner's place in a course and the course progress. `percent` is in hundredths."""

    user_id: int
    course_id: int
    status: EnrollmentStatus
    percent: Percent
    study_ms: Milliseconds
    evidence: Evidence
    last_activity_at: Instant | None
    enrolled_at: Instant
    completed_at: Instant | None
    course_revision: int


def _status_among(*statuses: EnrollmentStatus) -> ColumnElement[bool]:
    # Not IN: its values would be put into the text at each run, and statements are compiled once.
    return or_(*(enrollments.c.status == status.value for status in statuses))


_keys = rows("keys", {"user_id": Id, "course_id": Id})
_columns = (
    enrollments.c.user_id,
    enrollments.c.course_id,
    enrollments.c.status,
    enrollments.c.percent,
    enrollments.c.study_ms,
    enrollments.c.metadata,
    enrollments.c.last_activity_at,
    enrollments.c.enrolled_at,
    enrollments.c.completed_at,
    courses.c.revision,
)
_found = (
    select(*_columns)
    .select_from(_keys)
    .join(enrollments, and_(enrollments.c.user_id == _keys.c.user_id, enrollments.c.course_id == _keys.c.course_id))
    .join(courses, courses.c.id == enrollments.c.course_id)
    .order_by(enrollments.c.user_id, enrollments.c.course_id)
)
_lock = _found.with_for_update(of=enrollments)
_insert = (
    insert(enrollments)
    .values(
        user_id=bindparam("user_id"),
        course_id=bindparam("course_id"),
        status=EnrollmentStatus.ENROLLED,
        percent=0,
        study_ms=0,
        metadata="{}",
        enrolled_at=bindparam("now"),
        created_at=bindparam("recorded_at"),
        updated_at=bindparam("recorded_at"),
    )
    .on_conflict_do_nothing()
    .returning(enrollments.c.user_id)
)
_update_progress = UpdateRows(
    enrollments,
    ["status", "percent", "study_ms", "metadata", "last_activity_at", "completed_at", "updated_at"],
)
_update_standing = UpdateRows(enrollments, ["status", "enrolled_at", "updated_at"])
_take_seat = (
    update(courses)
    .where(
        courses.c.id == bindparam("course_id"),
        or_(courses.c.capacity.is_(None), courses.c.seats_taken < courses.c.capacity),
    )
    .values(seats_taken=courses.c.seats_taken + 1)
)
_free_seat = update(courses).where(courses.c.id == bindparam("course_id")).values(seats_taken=courses.c.seats_taken - 1)
_is_complete = unit_progress.c.status == "COMPLETED"
_required_progress = (
    select(
        unit_progress.c.user_id,
        unit_progress.c.course_id,
        func.sum(case((_is_complete, COMPLETE), else_=unit_progress.c.percent)).label("percents"),
        func.sum(case((_is_complete, 1), else_=0)).label("completed"),
    )
    .select_from(_keys)
    .join(
        unit_progress,
        and_(unit_progress.c.user_id == _keys.c.user_id, unit_progress.c.course_id == _keys.c.course_id),
    )
    .join(units, and_(units.c.id == unit_progress.c.unit_id, units.c.is_required, units.c.retired_at.is_(None)))
    .group_by(unit_progress.c.user_id, unit_progress.c.course_id)
)
_completed_among = (
    select(enrollments.c.course_id)
    .join(_keys, and_(enrollments.c.user_id == _keys.c.user_id, enrollments.c.course_id == _keys.c.course_id))
    .where(_status_among(EnrollmentStatus.COMPLETED, EnrollmentStatus.CERTIFIED))
)
_open_in_course = (
    select(func.count())
    .select_from(enrollments)
    .where(enrollments.c.course_id == bindparam("course_id"), _status_among(*sorted(OPEN)))
)


_most_active = (
    select(enrollments.c.user_id)
    .where(enrollments.c.course_id == bindparam("course_id"), _status_among(*sorted(OPEN)))
    .order_by(enrollments.c.study_ms.desc(), enrollments.c.user_id)
    .limit(1)
)


def _enrollment(row: Row) -> Enrollment:
    return Enrollment(
        row[0],
        row[1],
        EnrollmentStatus(row[2]),
        row[3],
        row[4],
        decode_evidence(row[5]),
        row[6],
        row[7],
        row[8],
        row[9],
    )


async def find(tx: ReadTransaction, user_id: int, course_id: int) -> Enrollment | None:
    """Read one enrollment."""
    row = await tx.first(_found, keys=[(user_id, course_id)])
    return _enrollment(row) if row else None


async def lock(tx: WriteTransaction, keys: Sequence[LearnerInCourse]) -> dict[LearnerInCourse, Enrollment]:
    """Lock and read these learners' enrollments, in ascending order of (user, course); those that exist."""
    found = (_enrollment(row) for row in await tx.all(_lock, keys=keys))
    return {(enrollment.user_id, enrollment.course_id): enrollment for enrollment in found}


async def insert_enrollment(tx: WriteTransaction, *, user_id: int, course_id: int, enrolled_at: Instant, now: Instant) -> bool:
    """Enroll; False if the learner has an enrollment in the course already."""
    row = await tx.first(_insert, user_id=user_id, course_id=course_id, now=enrolled_at, recorded_at=now)
    return row is not None


async def set_standing(
    tx: WriteTransaction,
    *,
    user_id: int,
    course_id: int,
    status: EnrollmentStatus,
    enrolled_at: Instant,
    now: Instant,
) -> None:
    """Overwrite status and enrollment date."""
    await tx.write_rows((_update_standing, [(status, enrolled_at, now, user_id, course_id)]))


async def take_seat(tx: WriteTransaction, course_id: int) -> bool:
    """Take a seat with one conditional update; False if none is free. Locks the course row until the transaction ends."""
    return await tx.run(_take_seat, course_id=course_id) > 0


async def free_seat(tx: WriteTransaction, course_id: int) -> None:
    """Give a seat back."""
    await tx.run(_free_seat, course_id=course_id)


def progress_rows(changed: Sequence[Enrollment], now: Instant) -> RowsToWrite:
    """Give what overwrites the progress of locked enrollments."""
    return _update_progress, [
        (
            *(e.status, e.percent, e.study_ms, encode_evidence(e.evidence), e.last_activity_at),
            *(e.completed_at, now, e.user_id, e.course_id),
        )
        for e in changed
    ]


async def required_progress(tx: ReadTransaction, keys: Sequence[LearnerInCourse]) -> dict[LearnerInCourse, tuple[int, int]]:
    """Add up these learners' progress in the units that count: (sum of percents, completed units)."""
    found = await tx.all(_required_progress, keys=keys)
    return {(row["user_id"], row["course_id"]): (int(row["percents"]), int(row["completed"])) for row in found}


async def completed_among(tx: ReadTransaction, user_id: int, course_ids: Sequence[int]) -> set[int]:
    """Say which of these courses the learner has completed."""
    found = await tx.all(_completed_among, keys=[(user_id, course_id) for course_id in course_ids])
    return {row["course_id"] for row in found}


async def count_open(tx: ReadTransaction, course_id: int) -> int:
    """Count the learners who hold a seat in a course."""
    return int((await tx.one(_open_in_course, course_id=course_id))[0])


async def most_active(tx: ReadTransaction, course_id: int) -> int:
    """Give the learner with the most study time of those who have access to a course that has any."""
    return int((await tx.one(_most_active, course_id=course_id))["user_id"])
