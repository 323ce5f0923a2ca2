"""Observations on their way to verdicts."""

from headway.courses.external_ids import UNKNOWN_COURSE
from headway.courses.structure import CourseStructure
from headway.enrollments.model import LearnerInCourse
from headway.errors import FieldError
from headway.learning.clocks_store import ClockKey
from headway.learning.model import Event, EventContent, Observation, Outcome, Refusal, Report, Verdict
from headway.learning.store import COURSE_ALONE, EventKey, UnitKey
from headway.learning.study_time import Timing, Transit

ACCEPTED = Verdict(Outcome.ACCEPTED)
_NO_TIMING = Timing(0, 0, is_shifted=False)
_NO_CONTENT = EventContent("", 0, *[None] * 10)


class Entry:
    """One observation on its way to a verdict."""

    __slots__ = (
        "content",
        "fault",
        "is_event",
        "key",
        "learner",
        "observation",
        "refusal",
        "report",
        "timing",
        "transit",
        "verdict",
    )

    def __init__(self, report: Report, observation: Observation) -> None:
        self.observation = observation
        self.report = report
        self.learner: LearnerInCourse = (report.user_id, observation.course_id)
        self.transit = Transit(observation.sent_at, report.received_at)
        self.timing = _NO_TIMING
        self.refusal: Verdict | None = None
        self.fault: FieldError | None = None
        """What is wrong with its external ids."""
        self.verdict = ACCEPTED
        self.content = _NO_CONTENT
        self.key: EventKey = (report.user_id, observation.event_id or "")
        self.is_event = isinstance(observation, Event)

    @property
    def unit_key(self) -> UnitKey:
        """The unit in which the observation was made, or COURSE_ALONE."""
        return (*self.learner, self.observation.unit_id or COURSE_ALONE)

    @property
    def clock(self) -> ClockKey:
        """The clock by which the observation was timed."""
        return self.report.user_id, self.observation.session_id or ""

    def refuse(self, field: str, message: str, refusal: Refusal = Refusal.UNKNOWN) -> None:
        """Reject the observation."""
        errors = (FieldError(field, message),)
        self.verdict = self.refusal = Verdict(
            Outcome.REJECTED, event_id=self.observation.event_id, errors=errors, refusal=refusal
        )


def admit(entry: Entry, structure: CourseStructure | None, *, is_enrolled: bool) -> None:
    """Set the content, with the module that the unit implies, and the refusal of what may not be recorded.

    A module may be any of the course, retired ones too: the unit may have been in it at the time.
    """
    observation = entry.observation
    unit = structure.units.get(observation.unit_id) if structure and observation.unit_id is not None else None
    module_id = unit.module_id if unit and observation.module_id is None else observation.module_id
    if isinstance(observation, Event):
        entry.content = observation.content(module_id)
    if structure is None:
        entry.refuse(_course_field(observation), "does not exist")
    elif not is_enrolled:
        entry.refuse(_course_field(observation), "is a course you are not enrolled in", Refusal.FORBIDDEN)
    elif entry.fault is not None:
        entry.refuse(entry.fault.field, entry.fault.message)
    elif module_id is not None and module_id not in structure.module_ids:
        entry.refuse("module_id", "is not a module of this course")
    elif observation.unit_id is not None and unit is None:
        entry.refuse("unit_id", "is not a unit of this course")


def _course_field(observation: Observation) -> str:
    names = observation.names
    is_named = names is not None and (names.is_course_found or observation.course_id == UNKNOWN_COURSE)
    return "course_external_id" if is_named else "course_id"
