"""Bodies of resets and attempts: camelCase, ids as strings."""

from typing import Annotated

import msgspec
from msgspec import Meta

from headway.contracts.learner.wire import Id
from headway.enrollments.status import EnrollmentStatus
from headway.http.params import Moment
from headway.learning.reset_model import MAX_REASON, ResetScope
from headway.learning.unit_progress import UnitStatus

Reason = Annotated[str, Meta(max_length=MAX_REASON, description="The learner can read it too.")]


class ResetBody(msgspec.Struct, rename="camel"):
    """What to reset: a unit, a module, or, without either, the course. A unit beside a module has to be in it."""

    module_id: Id | None = None
    unit_id: Id | None = None
    keep_study_time: bool = True
    reason: Reason | None = None


class AttemptBody(msgspec.Struct, rename="camel"):
    """A new attempt. Without `keepStudyTime`, study time stays with the attempt in which it was spent."""

    keep_study_time: bool = False
    reason: Reason | None = None


class Person(msgspec.Struct):
    """Somebody of the staff."""

    id: str
    name: str


class BeforeReset(msgspec.Struct, rename="camel"):
    """The progress in the course as it was before a reset."""

    status: EnrollmentStatus
    completion_percentage: float
    study_seconds: int
    completed_at: Moment | None
    certificate_url: str | None


class Reset(msgspec.Struct, rename="camel"):
    """A reset of progress. Only the last one that is not undone can be undone, before `undoUntil`.

    `resetBy` and `undoneBy` are null for an operator at the command line.
    """

    id: str
    scope: ResetScope
    module_id: str | None
    unit_id: str | None
    keep_study_time: bool
    new_attempt: bool
    reason: str | None
    reset_by: Person | None
    reset_at: Moment
    undo_until: Moment
    undone_at: Moment | None
    undone_by: Person | None
    before: BeforeReset


class AttemptUnit(msgspec.Struct, rename="camel"):
    """How far the learner came in a unit within an attempt."""

    unit_id: str
    status: UnitStatus
    completion_percentage: float
    study_seconds: int
    completed_at: Moment | None


class Attempt(msgspec.Struct, rename="camel"):
    """One go at a course. The newest one goes on; `resetId` is the reset that ended another one."""

    number: int
    started_at: Moment
    ended_at: Moment | None
    reset_id: str | None
    status: EnrollmentStatus
    completion_percentage: float
    study_seconds: int
    completed_at: Moment | None
    certificate_url: str | None
    units: list[AttemptUnit]
