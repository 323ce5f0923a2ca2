"""Regrade learners after staff changed the completion rules or the required units of a course."""

from collections.abc import Sequence
from copy import copy

from headway.courses import grading_store
from headway.courses.completion import percent_of_course
from headway.courses.model import CourseStructure
from headway.db.database import WriteTransaction
from headway.enrollments import store as enrollments
from headway.enrollments.model import LIMITED, Enrollment, EnrollmentStatus, StatisticsDelta
from headway.instants import Instant
from headway.learning import store as activity

_PAGE_SIZE = 2_000


async def regrade(
    tx: WriteTransaction, before: CourseStructure, after: CourseStructure, delta: StatisticsDelta, now: Instant
) -> None:
    """Apply changed completion rules to units, and changed sets of required units to the course, for all its learners.

    Percents may fall; completed units and completed enrollments stay completed. Records what newly completed units met, the
    revision that newly completed enrollments completed, and what the course is graded by from now on. The course must be
    locked. Adds the change of its statistics to `delta`.
    """
    if before.grading == after.grading:
        return
    await grading_store.insert_grading(tx, after)
    changed = [
        unit_id
        for unit_id, unit in after.units.items()
        if unit_id in before.units and unit.completion != before.units[unit_id].completion
    ]
    if not changed and before.required == after.required:
        return
    last_user = 0
    while page := await enrollments.lock_page(tx, after.course_id, after_user=last_user, limit=_PAGE_SIZE):
        last_user = page[-1].user_id
        if changed:
            await _regrade_units(tx, page, after, changed, delta, now)
        await _regrade_course(tx, page, after, delta, now)


async def _regrade_units(
    tx: WriteTransaction,
    page: Sequence[Enrollment],
    structure: CourseStructure,
    changed: Sequence[int],
    delta: StatisticsDelta,
    now: Instant,
) -> None:
    keys = [(enrollment.user_id, structure.course_id, unit_id) for enrollment in page for unit_id in changed]
    regraded = []
    for progress in await activity.read_units(tx, keys):
        before = copy(progress)
        progress.grade(structure.units[progress.unit_id].completion, now)
        if progress.graded != before.graded:
            delta.replace(structure.course_id, before, progress)
            regraded.append(progress)
    await tx.write_rows(activity.unit_rows(regraded, now))


async def _regrade_course(
    tx: WriteTransaction, page: Sequence[Enrollment], structure: CourseStructure, delta: StatisticsDelta, now: Instant
) -> None:
    reached = await activity.required_progress(tx, [(each.user_id, each.course_id) for each in page])
    required_units = len(structure.required)
    regraded = []
    for enrollment in page:
        percents, completed = reached.get((enrollment.user_id, enrollment.course_id), (0, 0))
        percent = percent_of_course(percents, required_units)
        is_complete = 0 < required_units <= completed and enrollment.completed_at is None
        if percent == enrollment.percent and not is_complete:
            continue
        before = copy(enrollment)
        enrollment.percent = percent
        if is_complete:
            enrollment.completed_at, enrollment.completed_revision = now, structure.revision
            enrollment.status = EnrollmentStatus.COMPLETED if enrollment.status in LIMITED else enrollment.status
        delta.replace(structure.course_id, before, enrollment)
        regraded.append(enrollment)
    await tx.write_rows(enrollments.progress_rows(regraded, now))
