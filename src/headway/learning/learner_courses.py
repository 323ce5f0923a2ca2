"""Courses as learners see them, and modules that they declare complete."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from headway.accounts import store as users
from headway.courses import store as courses
from headway.courses.completion import COMPLETE, Declaration, Evidence, Percent
from headway.courses.model import CourseTree, Schedule
from headway.courses.prerequisites import for_learners, for_staff
from headway.courses.structure import CourseStructure
from headway.courses.times import Lock
from headway.db.database import ReadTransaction, WriteTransaction
from headway.enrollments import lists_store as enrollment_lists
from headway.enrollments import store as enrollments
from headway.enrollments.authorization import require_known, require_staff
from headway.enrollments.lists import ALL_BY_LEARNER, Listed
from headway.enrollments.model import Enrollment, NamedEnrollment
from headway.enrollments.status import EnrollmentStatus
from headway.errors import Conflict, Forbidden, NotFound
from headway.identity import Caller
from headway.instants import Clock, Instant, Milliseconds
from headway.learning import store as activity
from headway.learning.counting import counting_of
from headway.learning.explanation import explain
from headway.learning.paths import CoursePath, OwnCourse, find_path
from headway.learning.progress import ProgressChange, advance
from headway.learning.store import CourseStructures
from headway.learning.study_time import Timing
from headway.paging.service import Moving, Walk


class CourseProgress(NamedTuple):
    """A learner's progress in a course. `percent` is in hundredths."""

    course_id: int
    title: str
    status: EnrollmentStatus
    completed_modules: list[int]
    """Those whose required units are all complete; a module without any is not among them."""
    percent: Percent
    last_activity_at: Instant | None
    study_ms: Milliseconds
    version: int
    """It grows with each change of the enrollment."""


class LearnerCourses:
    """Courses from the learner's side, and the list of learners from the staff's."""

    def __init__(self, clock: Clock, structures: CourseStructures) -> None:
        self._clock = clock
        self._structures = structures

    async def find_course(self, tx: ReadTransaction, caller: Caller | None, course_id: int) -> CourseTree:
        """Read a course with everything in it, if the caller may know of it. Raises NotFound COURSE_NOT_FOUND.

        Its staff gets all prerequisites and warnings about them, and hidden units, others the prerequisites that can be
        completed.
        """
        access = await require_known(tx, caller, course_id)
        tree = await courses.tree(tx, course_id)
        return for_staff(tree, self._clock()) if access.is_staff else for_learners(tree.without_hidden, self._clock())

    async def view(self, tx: ReadTransaction, caller: Caller, course_id: int) -> OwnCourse:
        """Read a course as the caller sees it as a learner, with the caller's own progress.

        Raises NotFound COURSE_NOT_FOUND.
        """
        access = await require_known(tx, caller, course_id)
        now = self._clock()
        tree = for_learners(await courses.tree(tx, course_id), now)
        tree = tree if access.is_staff else tree.without_hidden
        found = await activity.read_progress(tx, caller.user_id, course_id)
        revisions = {} if found is None else {course_id: found[0].course_revision}
        structure = (await self._structures.get(tx, [course_id], revisions))[course_id]
        if found is None:
            return OwnCourse(tree, access.is_staff, None, explain(structure, [], now, with_hidden=access.is_staff))
        enrollment, units = found
        schedule = Schedule(tree.course.kind, tree.course.starts_at, tree.course.ends_at)
        path = find_path(enrollment, tree.course.title, schedule, structure, units, now=now)
        explained = explain(structure, units, now, with_hidden=access.is_staff, counting=counting_of(enrollment))
        return OwnCourse(tree, access.is_staff, path, explained)

    async def progress(self, tx: ReadTransaction, user_id: int, walk: Walk) -> tuple[list[CourseProgress], int]:
        """List a learner's courses, those left too, the newest enrollment first, and how many there are."""
        found = await walk.read(tx, _enrollments_of(tx, user_id))
        return await self._progress(tx, user_id, found), await enrollment_lists.count_of_user(tx, user_id)

    async def paths(self, tx: ReadTransaction, user_id: int, walk: Walk) -> tuple[list[CoursePath], int]:
        """List a learner's courses with the next step in each, in the order of `progress`, and how many there are."""
        found = await walk.read(tx, _enrollments_of(tx, user_id))
        revisions = {enrollment.course_id: enrollment.course_revision for enrollment, _ in found}
        structures = await self._structures.get(tx, revisions, revisions)
        schedules = await courses.schedules(tx, list(revisions))
        units = await activity.read_units_of(tx, [(user_id, course_id) for course_id in revisions])
        now = self._clock()
        paths = [
            find_path(enrollment, title, schedules[course_id], structures[course_id], units[user_id, course_id], now=now)
            for enrollment, title in found
            for course_id in [enrollment.course_id]
        ]
        return paths, await enrollment_lists.count_of_user(tx, user_id)

    async def list_finished(self, tx: ReadTransaction, user_id: int) -> list[tuple[Enrollment, str]]:
        """List the courses that a learner completed, certified or not, with their titles, the newest completion first."""
        return await enrollment_lists.list_finished(tx, user_id)

    async def complete_module(self, tx: WriteTransaction, caller: Caller, course_id: int, module_id: int) -> CourseProgress:
        """Declare all units of a module complete.

        Raises NotFound COURSE_NOT_FOUND or MODULE_NOT_FOUND, Forbidden NOT_ENROLLED, Conflict MODULE_LOCKED where units
        before it have to be completed first, or one of its units is not open.
        """
        now, key = self._clock(), (caller.user_id, course_id)
        await tx.share_course_locks([course_id])
        enrollment = (await enrollments.lock(tx, [key])).get(key)
        revisions = {course_id: enrollment.course_revision} if enrollment else {}
        structure = (await self._structures.get(tx, [course_id], revisions)).get(course_id)
        if structure is None:
            raise NotFound("There is no such course.", code="COURSE_NOT_FOUND")
        if enrollment is None:
            await require_known(tx, caller, course_id)
        if enrollment is None or not enrollment.is_open(now):
            raise Forbidden("You are not enrolled in this course.", code="NOT_ENROLLED")
        units = structure.units_of(module_id)
        if module_id not in structure.module_ids or not units:
            raise NotFound("There is no such module in this course.", code="MODULE_NOT_FOUND")
        if structure.is_sequential or structure.timed:
            await _check_lock(tx, caller.user_id, structure, module_id, now)
        change = ProgressChange(enrollment, structure)
        declared = Evidence(is_declared_complete=True, declared_percent=COMPLETE, declaration=Declaration(caller.user_id, now))
        for unit in units:
            change.step(unit.id, Timing(now, 0, is_shifted=False), declared, is_command=True)
        await advance(tx, [change], now)
        (stored,) = await enrollment_lists.list_keys(tx, [key])
        (progress,) = await self._progress(tx, caller.user_id, [stored])
        return progress

    async def list_enrollments(
        self,
        tx: ReadTransaction,
        caller: Caller,
        course_id: int,
        walk: Walk,
        listed: Listed = ALL_BY_LEARNER,
    ) -> tuple[list[NamedEnrollment], int]:
        """List the learners of a course for its staff, and how many there are. Raises NotFound COURSE_NOT_FOUND, Forbidden."""
        await require_staff(tx, caller, course_id)
        if listed.sort is not None:
            source, total = await enrollment_lists.in_whole_order(tx, course_id, listed.order, listed.name)
            return await walk.read(tx, source), total
        found, total = await enrollment_lists.list_in_course(
            tx, course_id, statuses=listed.statuses, name=listed.name, part=walk.slice
        )
        return walk.cut(found, lambda each: each.enrollment.user_id), total

    async def find_name(self, tx: ReadTransaction, user_id: int) -> str:
        """Return the name of a user. Raises NotFound USER_NOT_FOUND."""
        user = await users.find(tx, user_id)
        if user is None:
            raise NotFound("There is no such user.", code="USER_NOT_FOUND")
        return user.name

    async def _progress(
        self, tx: ReadTransaction, user_id: int, found: Sequence[tuple[Enrollment, str]]
    ) -> list[CourseProgress]:
        revisions = {enrollment.course_id: enrollment.course_revision for enrollment, _ in found}
        structures = await self._structures.get(tx, revisions, revisions)
        completed = await activity.completed_units(tx, [(user_id, course_id) for course_id in revisions])
        return [
            CourseProgress(
                enrollment.course_id,
                title,
                enrollment.status,
                _completed_modules(structures, enrollment.course_id, completed),
                enrollment.percent,
                enrollment.last_activity_at,
                enrollment.study_ms,
                enrollment.updated_at,
            )
            for enrollment, title in found
        ]


def _enrollments_of(tx: ReadTransaction, user_id: int) -> Moving[tuple[Enrollment, str]]:
    """Return how to read a learner's enrollments with the titles of the courses, the newest first."""
    return Moving(
        page=partial(enrollment_lists.list_of_user, tx, user_id),
        order=partial(enrollment_lists.order_of_user, tx, user_id),
        some=partial(enrollment_lists.find_of_user, tx, user_id),
        key=lambda each: each[0].course_id,
    )


def _completed_modules(structures: Mapping[int, CourseStructure], course_id: int, completed: set[int]) -> list[int]:
    is_whole: dict[int, bool] = {}
    for unit in structures[course_id].units.values():
        if unit.counts:
            is_whole[unit.module_id] = is_whole.get(unit.module_id, True) and unit.id in completed
    return [module_id for module_id, whole in is_whole.items() if whole]


async def _check_lock(tx: ReadTransaction, user_id: int, structure: CourseStructure, module_id: int, now: Instant) -> None:
    (reached,) = (await activity.read_units_of(tx, [(user_id, structure.course_id)])).values()
    completed = {unit.unit_id for unit in reached if unit.is_complete}
    begun = {unit.unit_id for unit in reached if unit.is_started}
    # The units of the module itself are completed one after the other, so only those before it can lock it.
    within = completed | {unit.id for unit in structure.units_of(module_id)}
    left = [unit for unit in structure.units_of(module_id) if unit.id not in completed]
    for unit in left:
        lock = structure.find_lock(unit.id, within, now, is_begun=unit.id in begun)
        if lock is Lock.SEQUENCE:
            raise Conflict("The units before this module have to be completed first.", code="MODULE_LOCKED")
        if lock is not None:
            raise Conflict(f"The unit {unit.title!r} {unit.times.describe(lock)}.", code="MODULE_LOCKED")
