"""Units that learners complete on Headway's own pages: by marking them, or by answering their quiz."""

import msgspec

from headway.courses.completion import COMPLETE, Evidence, Rule, percent_by_rule
from headway.courses.model import Unit
from headway.courses.times import Lock
from headway.db.database import ReadTransaction
from headway.enrollments.authorization import require_known
from headway.errors import Conflict, Forbidden, Invalid, NotFound
from headway.identity import Caller
from headway.ids import NewId
from headway.instants import Clock
from headway.learning import store as activity
from headway.learning.model import ActivityType, Event, Report
from headway.learning.recording import Ingest
from headway.learning.store import CourseStructures
from headway.measures import score_percent


class Marking:
    """Records what learners do to complete units, by the events that a client would send."""

    def __init__(self, clock: Clock, new_id: NewId, structures: CourseStructures, ingest: Ingest) -> None:
        self._clock = clock
        self._new_id = new_id
        self._structures = structures
        self._ingest = ingest

    async def check(self, tx: ReadTransaction, caller: Caller, course_id: int, unit_id: int, rule: Rule = Rule.MANUAL) -> Unit:
        """Return a unit that a learner may complete now, in the way of a rule.

        Raises NotFound COURSE_NOT_FOUND or UNIT_NOT_FOUND, Forbidden NOT_ENROLLED, Conflict UNIT_LOCKED, or OTHER_RULE where
        something else completes the unit.
        """
        await require_known(tx, caller, course_id)
        found = await activity.read_progress(tx, caller.user_id, course_id)
        if found is None or not found[0].is_open(self._clock()):
            raise Forbidden("You are not enrolled in this course.", code="NOT_ENROLLED")
        enrollment, progress = found
        structure = (await self._structures.get(tx, [course_id], {course_id: enrollment.course_revision}))[course_id]
        unit = structure.units.get(unit_id)
        if unit is None or not unit.is_shown:
            raise NotFound("There is no such unit in this course.", code="UNIT_NOT_FOUND")
        if unit.completion.rule is not rule:
            raise Conflict("This unit is completed in another way.", code="OTHER_RULE")
        completed, is_begun = (
            {each.unit_id for each in progress if each.is_complete},
            any(e.unit_id == unit_id and e.is_started for e in progress),
        )
        lock = structure.find_lock(unit_id, completed, self._clock(), is_begun=is_begun)
        if lock is Lock.SEQUENCE:
            raise Conflict("The units before this one have to be completed first.", code="UNIT_LOCKED")
        if lock is not None:
            raise Conflict(f"This unit {unit.times.describe(lock)}.", code="UNIT_LOCKED")
        return unit

    async def mark(self, caller: Caller, unit: Unit) -> None:
        """Mark a unit that was checked as complete, outside of any transaction: the collector writes. Raises Invalid."""
        await self._record(caller, unit, ActivityType.UNIT_COMPLETE)

    async def submit_quiz(self, caller: Caller, unit: Unit, *, score: int, max_score: int) -> bool:
        """Record the score of a quiz in a unit that was checked; return whether it completes the unit. The best score counts.

        Raises Invalid.
        """
        metadata = msgspec.json.encode({"max_score": max_score, "score": score}).decode()
        percent = score_percent(score, max_score)
        await self._record(caller, unit, ActivityType.QUIZ_SUBMIT, metadata, percent)
        return percent_by_rule(unit.completion, Evidence(quiz_score_percent=percent), studied=0) == COMPLETE

    async def _record(
        self, caller: Caller, unit: Unit, activity_type: ActivityType, metadata: str | None = None, score: float | None = None
    ) -> None:
        event = Event(
            event_id=self._new_id(),
            activity_type=activity_type,
            course_id=unit.course_id,
            module_id=unit.module_id,
            unit_id=unit.id,
            metadata=metadata,
            quiz_score_percent=score,
        )
        (verdict,) = await self._ingest.record(Report(caller.user_id, self._clock(), (event,)))
        if verdict.errors:
            # The course changed, or the learner left it, since it was checked.
            raise Invalid(verdict.errors)
