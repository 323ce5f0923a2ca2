"""Reset progress of learners, and undo resets: what happened stays, and counts from now on, or counts again.

A transaction here shares the course's lock and locks the enrollment, as one that records what a learner did.
"""

from collections.abc import Mapping, Sequence

import msgspec

from headway.audit.model import Action, enrollment_target, learner_in_course
from headway.audit.service import AuditRecorder
from headway.courses import structure_store
from headway.courses.completion import COMPLETE, Evidence
from headway.courses.structure import CourseStructure
from headway.courses.times import ALWAYS
from headway.db.database import WriteTransaction
from headway.enrollments import store as enrollments
from headway.enrollments.authorization import require_staff
from headway.enrollments.model import Enrollment
from headway.errors import Conflict, Invalid, NotFound
from headway.identity import OPERATOR, Caller, Client
from headway.instants import Clock, Day, Instant, Milliseconds, iso
from headway.learning import reset_days, reset_news, reset_store, study_time, uncounted_store
from headway.learning import store as activity
from headway.learning.counting import WHOLE_COURSE
from headway.learning.reset_model import (
    MAX_REASON,
    MAX_RESETS,
    EarlierUnit,
    Reset,
    ResetRequest,
    active,
    before_reset,
    clear,
    counting_after,
    has_progress,
    keep_access,
    renew_access,
    reset_not_found,
    restore,
    settle_status,
)
from headway.learning.reset_state import LockedLearner
from headway.learning.store import COURSE_ALONE, CourseStructures, SpansByUnit
from headway.learning.unit_progress import UnitProgress


class Resetting:
    """Resets progress and undoes it, as the staff of a course; a reset can be undone for `undo_for`."""

    def __init__(self, clock: Clock, structures: CourseStructures, audit: AuditRecorder, *, undo_for: Milliseconds) -> None:
        self._clock = clock
        self._structures = structures
        self._audit = audit
        self.undo_for = undo_for

    async def reset(
        self,
        tx: WriteTransaction,
        caller: Caller | None,
        course_id: int,
        user_id: int,
        request: ResetRequest,
        *,
        client: Client | None = None,
    ) -> Reset:
        """Reset a unit, a module or the whole course for a learner, or begin a new attempt, as staff of the course.

        Without a caller it is an operator at the command line.
        Raises Invalid; Forbidden; NotFound COURSE_NOT_FOUND, ENROLLMENT_NOT_FOUND, MODULE_NOT_FOUND or UNIT_NOT_FOUND;
        Conflict NOTHING_TO_RESET, TOO_MANY_RESETS, or STATUS_NOT_ALLOWED for an attempt of somebody without access.
        """
        _check(request)
        now = self._clock()
        found = await self._lock(tx, caller or OPERATOR, course_id, user_id)
        unit_ids = _units_of(found.structure, request)
        if request.is_attempt and not found.enrollment.is_open(now):
            raise Conflict("The learner has no access to the course: enroll the learner again.", code="STATUS_NOT_ALLOWED")
        if len(found.resets) >= MAX_RESETS:
            raise Conflict(f"Progress was reset {MAX_RESETS} times already.", code="TOO_MANY_RESETS")
        units = [unit for unit in found.units.values() if unit_ids is None or unit.unit_id in unit_ids]
        _require_progress(found.enrollment if unit_ids is None else None, units, keeps_study=request.keeps_study)
        reset = Reset(
            user_id=user_id,
            course_id=course_id,
            id=await reset_store.new_id(tx),
            module_id=request.module_id if request.unit_id is None else None,
            unit_id=request.unit_id,
            unit_ids=unit_ids,
            keeps_study=request.keeps_study,
            is_attempt=request.is_attempt,
            reason=request.reason,
            reset_by=(caller or OPERATOR).user_id,
            reset_at=now,
            counts_from=_counts_from(found, now),
            before=before_reset(found.enrollment, found.structure),
        )
        reset = await self._apply(tx, found, reset, units, now)
        await self._tell(tx, found, reset, caller, client, now)
        return reset

    async def undo(
        self,
        tx: WriteTransaction,
        caller: Caller | None,
        course_id: int,
        user_id: int,
        reset_id: int,
        *,
        client: Client | None = None,
    ) -> Reset:
        """Undo the last reset of a learner that is not undone: what was reached before and since counts together.

        Without a caller it is an operator at the command line.
        Raises Forbidden; NotFound COURSE_NOT_FOUND, ENROLLMENT_NOT_FOUND or RESET_NOT_FOUND; Conflict RESET_UNDONE,
        NOT_LAST_RESET or UNDO_EXPIRED.
        """
        now = self._clock()
        found = await self._lock(tx, caller or OPERATOR, course_id, user_id)
        reset = next((each for each in found.resets if each.id == reset_id), None)
        if reset is None:
            raise reset_not_found()
        if reset.is_undone:
            raise Conflict("The reset was undone already.", code="RESET_UNDONE")
        if active(found.resets)[-1].id != reset_id:
            raise Conflict("Undo later resets of this learner first.", code="NOT_LAST_RESET")
        if now >= self.undo_until(reset):
            raise Conflict(f"It could be undone until {iso(self.undo_until(reset))}.", code="UNDO_EXPIRED")
        undone = msgspec.structs.replace(reset, undone_at=now, undone_by=(caller or OPERATOR).user_id)
        known = await self._restore(tx, found, undone, now)
        reset_news.announce_completions(tx, found, undone, known)
        await self._tell(tx, found, undone, caller, client, now)
        return undone

    def undo_until(self, reset: Reset) -> Instant:
        """Return until when a reset can be undone."""
        return reset.reset_at + self.undo_for

    async def _lock(self, tx: WriteTransaction, caller: Caller, course_id: int, user_id: int) -> LockedLearner:
        await require_staff(tx, caller, course_id)
        await tx.share_course_locks([course_id])
        # Checked again under the lock: the caller may have left the staff while waiting for it.
        await require_staff(tx, caller, course_id)
        key = (user_id, course_id)
        enrollment = (await enrollments.lock(tx, [key])).get(key)
        if enrollment is None:
            raise NotFound("There is no such enrollment.", code="ENROLLMENT_NOT_FOUND")
        structure = (await self._structures.get(tx, [course_id], {course_id: enrollment.course_revision}))[course_id]
        units = (await activity.read_units_of(tx, [key]))[key]
        return LockedLearner(enrollment, structure, units, await reset_store.list_resets(tx, key))

    async def _apply(
        self, tx: WriteTransaction, found: LockedLearner, reset: Reset, units: Sequence[UnitProgress], now: Instant
    ) -> Reset:
        """Take away what a reset takes, and keep it beside. Return the reset as it is stored."""
        earlier = [EarlierUnit.of(unit) for unit in units]
        for unit in units:
            clear(unit, keeps_study=reset.keeps_study)
        enrollment = found.enrollment
        counting = counting_after([reset, *found.resets])
        enrollment.counts_from = counting.text
        days = [] if reset.keeps_study else await reset_days.set_aside(tx, enrollment, counting)
        if reset.unit_ids is None:
            enrollment.evidence = Evidence()
        found.settle((await structure_store.read_histories(tx, [reset.course_id]))[reset.course_id], now)
        settle_status(enrollment)
        renewed_at = renew_access(enrollment, now, is_attempt=reset.is_attempt)
        reset = msgspec.structs.replace(reset, before=msgspec.structs.replace(reset.before, renewed_at=renewed_at))
        rows = [await reset_store.reset_rows(tx, reset), reset_store.earlier_rows(reset, earlier), *days]
        await found.write(tx, now, *rows)
        return reset

    async def _restore(self, tx: WriteTransaction, found: LockedLearner, reset: Reset, now: Instant) -> list[EarlierUnit]:
        """Merge what was before a reset, and what was told of it since, with what is. Return what was before."""
        enrollment, structure = found.enrollment, found.structure
        counting = counting_after([reset, *(each for each in found.resets if each.id != reset.id)])
        enrollment.counts_from = counting.text
        earlier = (await reset_store.read_earlier(tx, found.key)).get(reset.id, [])
        study, days = await reset_days.take_back(tx, enrollment, counting)
        scope = [COURSE_ALONE, *structure.units] if reset.unit_ids is None else reset.unit_ids
        times = {id_: counting.times(id_, structure.timed.get(id_, ALWAYS)) for id_ in scope}
        bounds = {(reset.user_id, unit_id): each for unit_id, each in times.items()}
        timely = await uncounted_store.take_timely(tx, reset.course_id, bounds)
        was_of = {each.unit_id: each for each in earlier}
        for unit_id in found.units.keys() & times.keys():
            unit = found.units[unit_id]
            if unit_id in was_of:
                restore(unit, was_of[unit_id])
            told = timely.get((reset.user_id, unit_id))
            if told is not None:
                unit.evidence, unit.is_started = unit.evidence.merge(told), True
            unit.study_ms = sum(study_time.length(spans.get(unit_id, ())) for spans in study.values())
            within = sum(times[unit_id].overlap_in_day(day, spans.get(unit_id, ())) for day, spans in study.items())
            unit.evidence = unit.evidence.with_outside(unit.study_ms - within)
            unit.is_started |= within > 0
            unit.percent = 0 if unit.met is None else COMPLETE
            unit.grade(structure.units[unit_id].completion, now)
            _add_metrics(enrollment, unit.evidence)
        if reset.unit_ids is None:
            _add_metrics(enrollment, reset.before.evidence)
            _add_metrics(enrollment, timely.get((reset.user_id, WHOLE_COURSE), Evidence()))
        _restore_enrollment(found, reset, study)
        found.settle((await structure_store.read_histories(tx, [reset.course_id]))[reset.course_id], now)
        settle_status(enrollment, reset.before)
        keep_access(enrollment, found.before, now)
        await found.write(tx, now, reset_store.undone_rows(reset), reset_store.forget_earlier(reset, earlier), *days)
        return earlier

    async def _tell(
        self,
        tx: WriteTransaction,
        found: LockedLearner,
        reset: Reset,
        caller: Caller | None,
        client: Client | None,
        now: Instant,
    ) -> None:
        """Publish and audit a reset, or its undo; last in its transaction."""
        await reset_news.publish(tx, found, reset, now)
        action = Action.UNDO_RESET if reset.is_undone else Action.RESET_PROGRESS
        metadata = learner_in_course(reset.course_id, reset.user_id) | _described(reset)
        target = enrollment_target(reset.course_id, reset.user_id)
        await self._audit.record_for(tx, action, caller, target, metadata=metadata, client=client)


def _check(request: ResetRequest) -> None:
    if request.reason is not None and len(request.reason) > MAX_REASON:
        raise Invalid.field("reason", f"must not be longer than {MAX_REASON} characters")


def _units_of(structure: CourseStructure, request: ResetRequest) -> tuple[int, ...] | None:
    """Return the units that a reset is of; None for all of the course."""
    if request.unit_id is not None:
        unit = structure.units.get(request.unit_id)
        if unit is None or request.module_id not in {None, unit.module_id}:
            raise NotFound("There is no such unit in this course.", code="UNIT_NOT_FOUND")
        return (request.unit_id,)
    if request.module_id is None:
        return None
    if request.module_id not in structure.module_ids:
        raise NotFound("There is no such module in this course.", code="MODULE_NOT_FOUND")
    return tuple(sorted(unit.id for unit in structure.units.values() if unit.module_id == request.module_id))


def _require_progress(enrollment: Enrollment | None, units: Sequence[UnitProgress], *, keeps_study: bool) -> None:
    """Check that a reset takes something away, of units or of an enrollment. Raises Conflict NOTHING_TO_RESET."""
    if any(has_progress(unit, keeps_study=keeps_study) for unit in units):
        return
    # What happened in the course alone leaves study and metrics.
    if enrollment is not None and (enrollment.evidence != Evidence() if keeps_study else enrollment.study_ms > 0):
        return
    raise Conflict("There is no progress to reset.", code="NOTHING_TO_RESET")


def _counts_from(found: LockedLearner, now: Instant) -> Instant:
    """Return an instant after all that is known of the learner in the course: a client's clock may be minutes ahead."""
    known = [found.enrollment.last_activity_at or 0, *(reset.counts_from for reset in found.resets)]
    return max(now, max(known) + 1)


def _restore_enrollment(found: LockedLearner, reset: Reset, study: Mapping[Day, SpansByUnit]) -> None:
    """Put the earlier completion and the date of enrollment back, unless there is a newer date; a certificate never left."""
    enrollment, was = found.enrollment, reset.before
    enrollment.study_ms = reset_days.course_study(study)
    if was.completed_at is not None and (enrollment.completed_at is None or was.completed_at < enrollment.completed_at):
        enrollment.completed_at, enrollment.completed_revision = was.completed_at, was.completed_revision
    if was.renewed_at is not None and enrollment.enrolled_at == was.renewed_at:
        enrollment.enrolled_at = was.enrolled_at
        enrollment.access_until = enrollment.access_until or was.access_until


def _add_metrics(enrollment: Enrollment, evidence: Evidence) -> None:
    metrics = Evidence(engagement_metrics=evidence.engagement_metrics)
    enrollment.evidence = enrollment.evidence.merge(metrics)


def _described(reset: Reset) -> dict[str, object]:
    """Return what the audit log says about a reset: not the reason, which is personal."""
    named = {"unitId": reset.unit_id, "moduleId": reset.module_id}
    return {
        "resetId": str(reset.id),
        "scope": reset.scope.value,
        **{name: str(id_) for name, id_ in named.items() if id_ is not None},
        "keepStudyTime": reset.keeps_study,
        "newAttempt": reset.is_attempt,
    }
