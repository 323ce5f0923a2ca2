"""A learner in a course whose progress is reset, or restored: what is read of it, what follows from it, and what is written."""

from collections.abc import Sequence
from copy import copy

from headway.courses.completion import percent_of_course
from headway.courses.grading import GradingHistory
from headway.courses.structure import CourseStructure
from headway.db.database import RowsToWrite, WriteTransaction
from headway.enrollments import statistics_store
from headway.enrollments import store as enrollments
from headway.enrollments.announcements import enrollment_updated, progress_updated
from headway.enrollments.model import Enrollment
from headway.enrollments.statistics import StatisticsDelta
from headway.enrollments.traces import ordinals, state_bits, write_states
from headway.feed.model import NewFeedEntry, UnitUpdated
from headway.instants import Instant
from headway.learning import store as activity
from headway.learning.reset_model import Reset, counted_percents, settle_completion
from headway.learning.unit_progress import UnitProgress, UnitStatus


class LockedLearner:
    """A learner in a course, whose enrollment is locked, with all that resets change of it."""

    def __init__(
        self, enrollment: Enrollment, structure: CourseStructure, units: Sequence[UnitProgress], resets: Sequence[Reset]
    ) -> None:
        self.enrollment = enrollment
        self.before = copy(enrollment)
        self.key = (enrollment.user_id, enrollment.course_id)
        self.structure = structure
        self.units = {unit.unit_id: unit for unit in units}
        self.units_before = {unit.unit_id: copy(unit) for unit in units}
        self.resets = resets

    @property
    def completed(self) -> set[int]:
        """The units that are complete."""
        return {unit.unit_id for unit in self.units.values() if unit.is_complete}

    def settle(self, history: GradingHistory, now: Instant) -> None:
        """Compute what of the enrollment follows from the units."""
        enrollment, required = self.enrollment, self.structure.required
        sums = counted_percents(self.units.values(), required)
        enrollment.required_percents, enrollment.required_completed = sums
        enrollment.percent = percent_of_course(sums[0], len(required))
        settle_completion(enrollment, self.completed, self.structure, history, now)
        states, ordinal_of = 0, ordinals(self.structure.units)
        for unit in self.units.values():
            if unit.status is not UnitStatus.NOT_STARTED:
                states |= state_bits(ordinal_of[unit.unit_id], is_complete=unit.is_complete)
        enrollment.unit_states = write_states(states)

    @property
    def changed(self) -> list[UnitProgress]:
        """The units that are not as they were."""
        return [unit for unit_id, unit in self.units.items() if unit != self.units_before[unit_id]]

    async def write(self, tx: WriteTransaction, now: Instant, *rows: RowsToWrite) -> None:
        """Write what has changed, with the statistics of the course, and tell those who follow."""
        delta, changed = StatisticsDelta(), self.changed
        for unit in changed:
            delta.replace(self.key[1], self.units_before[unit.unit_id], unit)
        delta.replace(self.key[1], self.before, self.enrollment)
        await tx.write_rows(
            activity.unit_rows(changed, now),
            enrollments.reset_rows(self.enrollment, now),
            statistics_store.delta_rows(delta, tx.shard),
            *rows,
        )

    def entries(self) -> list[NewFeedEntry]:
        """Return the progress as it is now, for live clients."""
        updated = [UnitUpdated(str(unit.unit_id), unit.status, unit.percent / 100) for unit in self.changed]
        hidden = self.structure.hidden
        if self.enrollment.status is not self.before.status:
            return enrollment_updated(self.enrollment, self.structure.title, updated, hidden=hidden)
        return progress_updated(self.enrollment, updated, hidden=hidden)
