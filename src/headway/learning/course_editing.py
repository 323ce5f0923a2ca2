"""Create and change courses; a change of the completion rules or of the required units regrades what learners have reached."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from copy import copy
from functools import partial
from typing import Literal, NamedTuple, TypeAlias

from headway.accounts import store as users
from headway.accounts.model import User
from headway.audit.model import Action, course_target
from headway.audit.service import AuditRecorder
from headway.courses import store as catalogue
from headway.courses import structure_store
from headway.courses import write_store as course_writing
from headway.courses.changes import describe_change, match_names
from headway.courses.completion import Evidence, percent_of_course
from headway.courses.external_store import resolve_courses
from headway.courses.model import CourseLimits, CourseTree, NewCourse
from headway.courses.prerequisites import for_staff
from headway.courses.structure import CourseStructure
from headway.courses.times import Times
from headway.courses.validation import check_course, check_growth, check_identities
from headway.db.database import ReadTransaction, WriteTransaction
from headway.enrollments import statistics_store
from headway.enrollments import store as enrollments
from headway.enrollments.authorization import known_among, require_staff
from headway.enrollments.model import Enrollment
from headway.enrollments.seating import move_up
from headway.enrollments.staff import check_can_teach
from headway.enrollments.statistics import StatisticsDelta
from headway.enrollments.status import LIMITED, EnrollmentStatus
from headway.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from headway.feed import store as feed
from headway.feed.model import CourseUpdated, course_topic, new_entries, user_topic
from headway.identity import NOBODY, Caller, Client, Role
from headway.instants import MINUTE, Clock, Instant, Milliseconds
from headway.learning import store as activity
from headway.learning import uncounted_store
from headway.learning.completions import completions, module_states
from headway.learning.counting import counting_of
from headway.learning.study_time import length
from headway.learning.unit_progress import UnitProgress

_UNITS_AT_ONCE, _REQUIRED_AT_ONCE, _DAYS_OF_LEARNER = 2_000, 20_000, 20
"""How many rows of unit progress are regraded, and how many are added up, before others get their turn; and on how many days
a learner studies, for which there are rows to read where times have changed.
"""
_AHEAD = 5 * MINUTE
"""How far the clock of another server process may be ahead, by which it placed what it has recorded."""
_OPERATOR = Caller(NOBODY, Role.ADMIN)
"""Whoever uses the command line, where rights are looked at."""
Imported: TypeAlias = Literal["created", "updated", "unchanged"]


class CourseEditing:
    """Creates courses and changes them."""

    def __init__(self, clock: Clock, limits: CourseLimits, audit: AuditRecorder) -> None:
        self._clock = clock
        self._limits = limits
        self._audit = audit

    async def create_for(
        self, tx: WriteTransaction, caller: Caller, course: NewCourse, *, client: Client | None = None
    ) -> CourseTree:
        """Create a course as an instructor or administrator. Raises Forbidden, and as `create`."""
        if not caller.role.can_teach:
            raise Forbidden("Only instructors and administrators make courses.")
        return await self.create(tx, course, owner_id=caller.user_id, caller=caller, client=client)

    async def create(
        self,
        tx: WriteTransaction,
        course: NewCourse,
        *,
        owner_id: int,
        caller: Caller | None = None,
        client: Client | None = None,
    ) -> CourseTree:
        """Create a course with its modules, units and assessments, and return it as stored; without a caller, as an operator.

        Raises Invalid for what breaks a rule, Conflict SLUG_TAKEN or EXTERNAL_ID_TAKEN; for the owner NotFound USER_NOT_FOUND,
        Conflict NOT_AN_INSTRUCTOR or USER_DISABLED.
        """
        errors = check_course(course)
        if errors:
            raise Invalid(errors)
        owner = check_owner(owner_id, await users.find(tx, owner_id))
        await _check_prerequisites(tx, Caller(owner.id, owner.role), course.prerequisites)
        await _check_names(tx, course)
        now = self._clock()
        course_id = await course_writing.insert_course(tx, course, owner_id=owner_id, now=now)
        created = for_staff(await catalogue.tree(tx, course_id), now)
        target, owner_of = course_target(course_id, course.title), {"ownerId": str(owner_id)}
        await self._audit.record_for(tx, Action.CREATE_COURSE, caller, target, metadata=owner_of, client=client)
        return created

    async def import_course(self, tx: WriteTransaction, course: NewCourse, *, owner_id: int) -> tuple[CourseTree, Imported]:
        """Create a course as an operator, or change the one that has its external id; return it and what was done.

        Parts without an id are those that have the same external id, or else slug, or else title within the same parent. The
        owner of a stored course stays. Raises as `create` and `change`.
        """
        names = [] if course.external_id is None else [course.external_id]
        found = list((await resolve_courses(tx, names)).values())
        if not found:
            return await self.create(tx, course, owner_id=owner_id), "created"
        stored = await catalogue.tree(tx, found[0])
        if match_names(course, stored) == stored.unchanged:
            return for_staff(stored, self._clock()), "unchanged"
        return await self.change(tx, None, stored.id, partial(match_names, course)), "updated"

    async def change(
        self,
        tx: WriteTransaction,
        caller: Caller | None,
        course_id: int,
        edit: Callable[[CourseTree], NewCourse],
        *,
        client: Client | None = None,
    ) -> CourseTree:
        """Change a course to what `edit` returns for the stored one, as its staff, or without a caller as an operator.

        Parts that are left out are retired: they keep their history and no longer count. What learners have reached in the
        course is counted anew, and seats that were added go to those who wait, in the same transaction.
        Raises Invalid, Forbidden, NotFound COURSE_NOT_FOUND, Conflict SLUG_TAKEN, EXTERNAL_ID_TAKEN or CAPACITY_TOO_SMALL.
        """
        now = self._clock()
        actor = _OPERATOR if caller is None else caller
        await require_staff(tx, actor, course_id)
        await tx.lock_course(course_id)
        terms = await catalogue.lock_enrollment_terms(tx, course_id)
        # Checked again under the locks: the caller may have left the staff while waiting for them.
        await require_staff(tx, actor, course_id)
        stored = await catalogue.tree(tx, course_id)
        course = edit(stored)
        self.check_change(stored, course)
        await _check_prerequisites(tx, actor, course.prerequisites, stored=stored.course.prerequisites, course_id=course_id)
        await _check_names(tx, course, course_id=course_id)
        if course.capacity is not None and course.capacity < stored.seats_taken:
            raise Conflict(f"{stored.seats_taken} seats are taken already.", code="CAPACITY_TOO_SMALL")
        before = await structure_store.structures(tx, [course_id])
        await course_writing.change_course(tx, stored, course, now=now)
        after = await structure_store.structures(tx, [course_id])
        delta = StatisticsDelta()
        await _regrade(tx, before[course_id], after[course_id], delta, now, self._clock)
        terms = await catalogue.lock_enrollment_terms(tx, course_id)
        assert terms is not None  # noqa: S101 - its staff was found above
        seated = await move_up(tx, terms, terms.free_seats, delta, now)
        await statistics_store.write_statistics(tx, delta)
        changed = new_entries(CourseUpdated(course_id), course_topic(course_id))
        missed = await _topics_of_learners(tx, before[course_id], after[course_id])
        await feed.publish(tx, changed + seated, now, missed=missed)
        tree = await catalogue.tree(tx, course_id)
        target, changes = course_target(course_id, tree.course.title), describe_change(stored, tree)
        await self._audit.record_for(tx, Action.CHANGE_COURSE, caller, target, metadata=changes, client=client)
        return for_staff(tree, now)

    def check_change(self, stored: CourseTree, course: NewCourse) -> None:
        """Check what a course is to become by itself, without regard to other courses. Raises Invalid."""
        errors = check_course(course) + check_identities(course, stored) + check_growth(course, stored, self._limits)
        if errors:
            raise Invalid(errors)


def check_owner(owner_id: int, owner: User | None) -> User:
    """Return who is to own a course. Raises NotFound USER_NOT_FOUND, Conflict NOT_AN_INSTRUCTOR or USER_DISABLED."""
    if owner is None:
        raise NotFound(f"There is no user {owner_id}.", code="USER_NOT_FOUND")
    check_can_teach(owner)
    return owner


async def _check_prerequisites(
    tx: ReadTransaction,
    caller: Caller,
    prerequisites: Iterable[int],
    *,
    stored: Iterable[int] = (),
    course_id: int | None = None,
) -> None:
    """Reject courses that the caller may not know of, and those that in turn need this course: nobody could ever enroll.

    The `stored` ones may have been the choice of somebody else. Raises Invalid.
    """
    new = sorted(set(prerequisites))
    known = {*stored, *await known_among(tx, caller, new)}
    errors = [FieldError("prerequisites", f"course {i} does not exist") for i in new if i not in known]
    if course_id is not None and await catalogue.leads_to(tx, new, course_id):
        errors.append(FieldError("prerequisites", "must not lead back to this course"))
    if errors:
        raise Invalid(errors)


async def _check_names(tx: WriteTransaction, course: NewCourse, *, course_id: int | None = None) -> None:
    """Check that nobody else has the slug and the external id, and that nobody gets them until the transaction ends."""
    names = {"course slug": course.slug, "course external id": course.external_id}
    await tx.lock_names([f"{kind} {name}" for kind, name in names.items() if name is not None])
    if course.slug is not None and await catalogue.find_by_slug(tx, course.slug) not in {None, course_id}:
        raise Conflict(f"The slug {course.slug!r} belongs to another course.", code="SLUG_TAKEN")
    if course.external_id is not None and set((await resolve_courses(tx, [course.external_id])).values()) - {course_id}:
        fields = [FieldError("external_id", "belongs to another course")]
        raise Conflict("This external id belongs to another course.", code="EXTERNAL_ID_TAKEN", fields=fields)


async def _topics_of_learners(tx: ReadTransaction, before: CourseStructure, after: CourseStructure) -> list[str]:
    """Return the topics in which progress has to be read anew: none if progress does not follow from what has changed."""
    if _terms_of_progress(before) == _terms_of_progress(after):
        return []
    learner_ids = await enrollments.list_learner_ids(tx, after.course_id)
    return [course_topic(after.course_id), *map(user_topic, learner_ids)]


def _terms_of_progress(structure: CourseStructure) -> tuple[object, ...]:
    """Return what progress follows from: rules, order and modules of the units."""
    places = [(unit.id, unit.module_id, unit.is_retired) for unit in structure.units.values()]
    return structure.grading, structure.hidden, structure.is_sequential, places


async def _regrade(
    tx: WriteTransaction, before: CourseStructure, after: CourseStructure, delta: StatisticsDelta, now: Instant, clock: Clock
) -> None:
    """Apply changed completion rules to units, and changed sets of required units to the course, for all its learners.

    Percents may fall; completed units and completed enrollments stay completed. Records what newly completed units met, the
    revision that newly completed enrollments completed, and what the course is graded by from now on. The course must be
    locked. Adds the change of its statistics to `delta`.
    """
    if before.grading == after.grading:
        return
    await structure_store.insert_grading(tx, after)
    changed = _find_changes(before, after, until=clock() + _AHEAD)
    if not changed.unit_ids and before.required == after.required:
        return
    modules_before, modules_after = module_states(before), module_states(after)
    is_everybody = bool(changed.rules) or before.required != after.required
    async for page in _learners(tx, after, changed, is_everybody=is_everybody):
        earlier = [copy(each) for each in page]
        regraded = await _regrade_units(tx, page, after, changed, delta, now) if changed.unit_ids else {}
        await _regrade_course(tx, page, after, regraded, delta, now)
        for was, enrollment in zip(earlier, page, strict=True):
            completed = regraded.get(enrollment.user_id, ())
            modules = {"modules_before": modules_before, "modules_after": modules_after}
            tx.announce(*completions(after, was, enrollment, completed, **modules))
        await tx.pass_on()


class _Changes(NamedTuple):
    """The units by which learners are regraded."""

    rules: Collection[int]
    """Those whose rules have changed."""
    times: Mapping[int, Times]
    """The new times of those in which something may lie that counted or did not, and now is otherwise."""
    since: Mapping[int, Instant]
    """Since when the new times differ from those before."""

    @property
    def unit_ids(self) -> set[int]:
        """All of them."""
        return {*self.rules, *self.times}


def _find_changes(before: CourseStructure, after: CourseStructure, *, until: Instant) -> _Changes:
    """Return what has changed for work that was done before `until`: that a unit opens or closes later changes nothing yet."""
    known = [unit for unit_id, unit in after.units.items() if unit_id in before.units]
    rules = {unit.id for unit in known if unit.completion != before.units[unit.id].completion}
    since = {unit.id: unit.times.differs_since(before.units[unit.id].times, until) for unit in known}
    past = {unit_id: at for unit_id, at in since.items() if at is not None}
    return _Changes(rules, {unit_id: after.units[unit_id].times for unit_id in past}, past)


async def _learners(
    tx: WriteTransaction, course: CourseStructure, changed: _Changes, *, is_everybody: bool
) -> AsyncIterator[list[Enrollment]]:
    """Lock and yield the enrollments to regrade, some at once: all, or those of learners whom new times of units concern."""
    at_once = _REQUIRED_AT_ONCE // max(1, len(course.required))
    if changed.unit_ids:
        at_once = _UNITS_AT_ONCE // max(len(changed.unit_ids), _DAYS_OF_LEARNER if changed.times else 1)
    at_once = max(1, at_once)
    if is_everybody:
        last_user = 0
        while page := await enrollments.lock_page(tx, course.course_id, after_user=last_user, limit=at_once):
            last_user = page[-1].user_id
            yield page
        return
    active = await activity.list_active(tx, course.course_id, changed.since)
    for first in range(0, len(active), at_once):
        locked = await enrollments.lock(tx, [(each, course.course_id) for each in active[first : first + at_once]])
        yield [locked[key] for key in sorted(locked)]


class _NewTimes(NamedTuple):
    """What changed times of units lead to, by (user_id, unit_id)."""

    timely: dict[tuple[int, int], Evidence]
    """The evidence of events that now lie within the times of their unit."""
    outside: dict[tuple[int, int], Milliseconds]
    """How much of the study in a unit lies outside of its times."""

    def apply(self, enrollment: Enrollment, progress: UnitProgress) -> None:
        """Apply the new times of a unit to the progress of a learner in it, and in its course."""
        key = progress.user_id, progress.unit_id
        if key in self.timely:
            progress.evidence = progress.evidence.merge(self.timely[key])
            metrics = Evidence(engagement_metrics=progress.evidence.engagement_metrics)
            enrollment.evidence = enrollment.evidence.merge(metrics)
        outside = self.outside.get(key, 0)
        progress.evidence = progress.evidence.with_outside(outside)
        progress.is_started |= key in self.timely or progress.study_ms > outside


async def _read_new_times(
    tx: WriteTransaction, page: Sequence[Enrollment], course_id: int, times_of: Mapping[int, Times]
) -> _NewTimes:
    """Read what the new times of units lead to, and let the events within them count from now on."""
    own_times = {
        (enrollment.user_id, unit_id): counting_of(enrollment).times(unit_id, times)
        for enrollment in page
        for unit_id, times in times_of.items()
    }
    timely = await uncounted_store.take_timely(tx, course_id, own_times)
    outside: defaultdict[tuple[int, int], Milliseconds] = defaultdict(int)
    user_ids = [enrollment.user_id for enrollment in page]
    for user_id, day, spans_of in await uncounted_store.read_study(tx, course_id, user_ids):
        for unit_id in spans_of.keys() & times_of.keys():
            spans = spans_of[unit_id]
            outside[user_id, unit_id] += length(spans) - own_times[user_id, unit_id].overlap_in_day(day, spans)
    return _NewTimes(timely, outside)


async def _regrade_units(
    tx: WriteTransaction,
    page: Sequence[Enrollment],
    structure: CourseStructure,
    changed: _Changes,
    delta: StatisticsDelta,
    now: Instant,
) -> dict[int, list[int]]:
    """Regrade units of the learners of a page. Return for each learner of whom one has changed those that are complete now."""
    enrollment_of = {enrollment.user_id: enrollment for enrollment in page}
    new_times = await _read_new_times(tx, page, structure.course_id, changed.times) if changed.times else None
    keys = [(enrollment.user_id, structure.course_id, unit_id) for enrollment in page for unit_id in changed.unit_ids]
    regraded = []
    completed = defaultdict[int, list[int]](list)
    for progress in await activity.read_units(tx, keys):
        before, enrollment = copy(progress), enrollment_of[progress.user_id]
        if new_times is not None and progress.unit_id in changed.times:
            new_times.apply(enrollment, progress)
        progress.grade(structure.units[progress.unit_id].completion, now)
        if (progress.graded, progress.evidence, progress.status) != (before.graded, before.evidence, before.status):
            delta.replace(structure.course_id, before, progress)
            regraded.append(progress)
            is_new = progress.is_complete and not before.is_complete
            completed[progress.user_id] += [progress.unit_id] if is_new else []
            if progress.status is not before.status:
                enrollment.trace_unit(structure.ordinal(progress.unit_id), is_complete=progress.is_complete)
    await tx.write_rows(activity.unit_rows(regraded, now))
    return completed


async def _regrade_course(
    tx: WriteTransaction,
    page: Sequence[Enrollment],
    structure: CourseStructure,
    in_units: Collection[int],
    delta: StatisticsDelta,
    now: Instant,
) -> None:
    """Regrade the course for the learners of a page; touch also the enrollments of those who were regraded in units."""
    reached = await activity.required_progress(tx, [(each.user_id, each.course_id) for each in page])
    required_units = len(structure.required)
    originals, regraded = [], []
    for enrollment in page:
        sums = percents, completed = reached.get((enrollment.user_id, enrollment.course_id), (0, 0))
        percent = percent_of_course(percents, required_units)
        is_complete = 0 < required_units <= completed and enrollment.completed_at is None
        is_same = (*sums, percent) == (enrollment.required_percents, enrollment.required_completed, enrollment.percent)
        if is_same and not is_complete and enrollment.user_id not in in_units:
            continue
        before = copy(enrollment)
        enrollment.percent = percent
        enrollment.required_percents, enrollment.required_completed = sums
        if is_complete:
            enrollment.completed_at, enrollment.completed_revision = now, structure.revision
            enrollment.status = EnrollmentStatus.COMPLETED if enrollment.status in LIMITED else enrollment.status
        delta.replace(structure.course_id, before, enrollment)
        originals.append(before)
        regraded.append(enrollment)
    await tx.write_rows(*enrollments.progress_rows(originals, regraded, now))
