"""What an export of a course tells of its learners, and the tables that it is written as."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from enum import Enum, StrEnum
from typing import Any, NamedTuple

from headway.courses.completion import COMPLETE, Percent
from headway.courses.model import Assessment, Module, Unit
from headway.courses.structure import CourseStructure
from headway.instants import SECOND, Instant, Milliseconds
from headway.learning.unit_progress import UnitStatus


class Part(StrEnum):
    """What is told of learners beside their enrollments."""

    UNITS = "units"
    DAYS = "days"
    GRADES = "grades"


class ExportedUnit(NamedTuple):
    """A learner's progress in a unit."""

    unit_id: int
    status: UnitStatus
    percent: Percent
    duration_seconds: int
    """How long the learner took: as reported by the client, or as measured if that is longer."""
    last_activity_at: Instant
    completed_at: Instant | None

    @property
    def counted(self) -> Percent | None:
        """What the unit counts, in full once it is complete; None if it was not begun."""
        if self.status is UnitStatus.NOT_STARTED:
            return None
        return COMPLETE if self.status is UnitStatus.COMPLETED else self.percent


class ExportedGrade(NamedTuple):
    """A learner's newest work for an assessment; the grade is None until there is one."""

    assessment_id: int
    submitted_at: Instant
    graded_at: Instant | None
    grade: float | None


class ExportedLearner(NamedTuple):
    """A learner of a course; what was not asked for is empty."""

    user_id: int
    external_id: str | None
    name: str
    status: str
    percent: Percent
    study_ms: Milliseconds
    enrolled_at: Instant
    last_activity_at: Instant | None
    completed_at: Instant | None
    units: Sequence[ExportedUnit] = ()
    """Those with progress, in the order of the course."""
    days: Sequence[tuple[date, Milliseconds]] = ()
    """Those with study, in order."""
    grades: Sequence[ExportedGrade] = ()
    """In the order of the course's assessments."""


class ExportedCourse(NamedTuple):
    """The course as it was when the export began."""

    structure: CourseStructure
    modules: dict[int, Module]
    assessments: dict[int, Assessment]
    """In order, retired ones too."""

    @property
    def units(self) -> list[Unit]:
        """The units that are not retired, in order."""
        return [unit for unit in self.structure.units.values() if not unit.is_retired]


class Kind(Enum):
    """The kinds of values of a column."""

    TEXT = "text"
    WHOLE = "whole number"
    NUMBER = "number"
    PERCENT = "hundredths of a percent"
    INSTANT = "instant"
    DAY = "day"
    TRUTH = "true or false"


class Column(NamedTuple):
    """A column of a table."""

    name: str
    kind: Kind


class TableName(StrEnum):
    """The tables of an export."""

    LEARNERS = "learners"
    UNITS = "units"
    DAYS = "days"
    GRADES = "grades"


Row = tuple[Any, ...]
"""The values of a row, None where there is none."""


class Table(NamedTuple):
    """A table, and how the rows of a learner are made."""

    columns: Sequence[Column]
    parts: frozenset[Part]
    """What is read of learners to make them."""
    rows: Callable[[ExportedLearner], Iterable[Row]]


_LEARNER = (Column("learnerId", Kind.WHOLE), Column("externalId", Kind.TEXT), Column("name", Kind.TEXT))
_ENROLLMENT = (
    *_LEARNER,
    Column("status", Kind.TEXT),
    Column("progressPercent", Kind.PERCENT),
    Column("studySeconds", Kind.WHOLE),
    *(Column(name, Kind.INSTANT) for name in ("enrolledAt", "lastActivityAt", "completedAt")),
)
_UNITS = (
    *(Column("moduleId", Kind.WHOLE), Column("module", Kind.TEXT), Column("unitId", Kind.WHOLE)),
    *(Column("unitExternalId", Kind.TEXT), Column("unit", Kind.TEXT)),
    *(Column("required", Kind.TRUTH), Column("status", Kind.TEXT), Column("progressPercent", Kind.PERCENT)),
    *(Column("durationSeconds", Kind.WHOLE), Column("lastActivityAt", Kind.INSTANT), Column("completedAt", Kind.INSTANT)),
)
_GRADES = (
    *(Column("assessmentId", Kind.WHOLE), Column("assessment", Kind.TEXT), Column("submittedAt", Kind.INSTANT)),
    *(Column("late", Kind.TRUTH), Column("grade", Kind.NUMBER), Column("maxGrade", Kind.NUMBER)),
    Column("gradedAt", Kind.INSTANT),
)


def table_of(name: TableName, course: ExportedCourse) -> Table:
    """Return a table of the export of a course."""
    match name:
        case TableName.LEARNERS:
            return _wide(course)
        case TableName.UNITS:
            return Table((*_LEARNER, *_UNITS), frozenset({Part.UNITS}), lambda learner: _unit_rows(course, learner))
        case TableName.DAYS:
            columns = (*_LEARNER, Column("day", Kind.DAY), Column("studySeconds", Kind.WHOLE))
            return Table(columns, frozenset({Part.DAYS}), _day_rows)
        case TableName.GRADES:
            return Table((*_LEARNER, *_GRADES), frozenset({Part.GRADES}), lambda learner: _grade_rows(course, learner))


def _wide(course: ExportedCourse) -> Table:
    """Return the table with a row for each learner, a column for each unit and one for each assessment."""
    units, assessments = course.units, [each for each in course.assessments.values() if not each.is_retired]
    columns = (
        *_ENROLLMENT,
        *(Column(f"{unit.title} [unit {unit.id}]", Kind.PERCENT) for unit in units),
        *(Column(f"{each.title} [assessment {each.id}]", Kind.NUMBER) for each in assessments),
    )

    def rows(learner: ExportedLearner) -> Iterable[Row]:
        percents = {each.unit_id: each.counted for each in learner.units}
        grades = {each.assessment_id: each.grade for each in learner.grades}
        yield (
            *_enrollment(learner),
            *(percents.get(unit.id) for unit in units),
            *(grades.get(each.id) for each in assessments),
        )

    return Table(columns, frozenset({Part.UNITS, Part.GRADES}), rows)


def _enrollment(learner: ExportedLearner) -> Row:
    return (
        *(learner.user_id, learner.external_id, learner.name, learner.status, learner.percent),
        *(learner.study_ms // SECOND, learner.enrolled_at, learner.last_activity_at, learner.completed_at),
    )


def _unit_rows(course: ExportedCourse, learner: ExportedLearner) -> Iterable[Row]:
    for each in learner.units:
        # One that was added to the course since the export began is in the next export.
        if (unit := course.structure.units.get(each.unit_id)) is not None:
            yield (
                *(learner.user_id, learner.external_id, learner.name),
                *(unit.module_id, course.modules[unit.module_id].title),
                *(unit.id, unit.external_id, unit.title, unit.is_required),
                *(each.status.value, each.percent, each.duration_seconds, each.last_activity_at, each.completed_at),
            )


def _day_rows(learner: ExportedLearner) -> Iterable[Row]:
    for day, length in learner.days:
        yield learner.user_id, learner.external_id, learner.name, day, length // SECOND


def _grade_rows(course: ExportedCourse, learner: ExportedLearner) -> Iterable[Row]:
    for each in learner.grades:
        if (assessment := course.assessments.get(each.assessment_id)) is not None:
            is_late = assessment.due_at is not None and each.submitted_at > assessment.due_at
            yield (
                *(learner.user_id, learner.external_id, learner.name, assessment.id, assessment.title),
                *(each.submitted_at, is_late, each.grade, assessment.max_grade, each.graded_at),
            )
