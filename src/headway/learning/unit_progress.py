"""What learners reach in units."""

from enum import StrEnum

import msgspec

from headway.courses.completion import COMPLETE, Completion, Evidence, Percent, percent_by_rule
from headway.enrollments.statistics import Statistic
from headway.instants import SECOND, Instant, Milliseconds
from headway.learning.statistics import unit_statistics


class UnitStatus(StrEnum):
    """How far a learner is in a unit. LOCKED is never stored: it follows from the course."""

    NOT_STARTED = "NOT_STARTED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    LOCKED = "LOCKED"


class UnitProgress(msgspec.Struct):
    """What a learner reached in a unit. `percent` is in hundredths; `id` is None until it is stored."""

    user_id: int
    course_id: int
    unit_id: int
    id: int | None
    is_started: bool
    is_complete: bool
    percent: Percent
    study_ms: Milliseconds
    evidence: Evidence
    client_metadata: str | None
    """JSON text of an object of the client's own."""
    last_activity_at: Instant
    completed_at: Instant | None
    created_at: Instant
    updated_at: Instant
    met: Completion | None = None
    """The rule that the evidence met first. It stays when the unit's rule changes, so that the completion can be explained;
    None for a unit that is incomplete or was only declared complete."""

    def grade(self, completion: Completion, now: Instant) -> None:
        """Apply the unit's completion rule to the evidence. What is complete stays complete.

        The percent is that of `completion`, or of a declaration, unless a rule was met: it falls if a new rule asks for more.
        """
        if self.met is not None:
            return
        reached = percent_by_rule(completion, self.evidence, self.evidence.counted(self.study_ms))
        if reached == COMPLETE:
            self.met = completion
        self.percent = max(reached, self.evidence.declared_percent or 0)
        if not self.is_complete and (self.percent == COMPLETE or self.evidence.is_declared_complete):
            self.is_complete, self.completed_at = True, now

    @property
    def graded(self) -> tuple[Percent, bool, Completion | None]:
        """Return what grading decides."""
        return self.percent, self.is_complete, self.met

    @property
    def status(self) -> UnitStatus:
        """The status as stored."""
        if self.is_complete:
            return UnitStatus.COMPLETED
        return UnitStatus.IN_PROGRESS if self.is_started else UnitStatus.NOT_STARTED

    @property
    def is_only_declared(self) -> bool:
        """Whether the unit is complete by somebody's word alone: no evidence ever met a rule of it."""
        return self.is_complete and self.met is None

    @property
    def counted(self) -> Percent:
        """What the unit adds to its course: in full once it is complete."""
        return COMPLETE if self.is_complete else self.percent

    @property
    def duration_seconds(self) -> int:
        """How long the learner took."""
        return duration_seconds(self.evidence, self.study_ms)

    @property
    def counted_as(self) -> tuple[bool, bool, int]:
        """What the statistics follow from: while it is equal, they are."""
        return self.is_complete, self.is_only_declared, self.duration_seconds

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """What this adds to the statistics of its course."""
        return unit_statistics(
            self.unit_id,
            is_complete=self.is_complete,
            is_only_declared=self.is_only_declared,
            duration_seconds=self.duration_seconds,
        )


def duration_seconds(evidence: Evidence, studied: Milliseconds) -> int:
    """Return the time a learner took: as reported by the client, or as measured if that is longer."""
    return max(evidence.reported_seconds or 0, studied // SECOND)


def percent_text(percent: Percent) -> str:
    """Write hundredths of a percent with two decimals."""
    return f"{percent // 100}.{percent % 100:02}"
