"""Exports as text, made part by part: tables as CSV, and learners with all that is known of them as lines of JSON."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any, Protocol

import msgspec

from headway.csv_files import BYTE_ORDER_MARK, csv_rows
from headway.instants import SECOND, Instant, iso
from headway.learning.unit_progress import percent_text
from headway.reports.export_model import ExportedCourse, ExportedLearner, Kind, Part, Table, TableName, table_of

_encoder = msgspec.json.Encoder()


class ExportFile(Protocol):
    """A form of an export."""

    media_type: str
    suffix: str
    parts: frozenset[Part]
    """What is read of learners to write it."""

    def head(self) -> bytes:
        """Return the begin of the file."""

    def learners(self, learners: Sequence[ExportedLearner]) -> bytes:
        """Return some learners."""

    def end(self) -> bytes:
        """Return the end of the file."""


class CsvFile:
    """A table as CSV: percents with two decimals, instants as RFC 3339 in UTC, and empty cells where there is no value."""

    media_type = "text/csv; charset=utf-8"
    suffix = ".csv"

    def __init__(self, name: TableName, course: ExportedCourse, *, for_spreadsheets: bool = False) -> None:
        self._table = table_of(name, course)
        self._mark = BYTE_ORDER_MARK if for_spreadsheets else b""
        self.parts = self._table.parts

    def head(self) -> bytes:
        """Return the row of the columns' names."""
        return self._mark + csv_rows([[column.name for column in self._table.columns]])

    def learners(self, learners: Sequence[ExportedLearner]) -> bytes:
        """Return the rows of some learners."""
        return csv_rows(_written_rows(self._table, learners))

    def end(self) -> bytes:
        """Return nothing: a CSV file has no end of its own."""
        return b""


def _number(value: float) -> float:
    return int(value) if value == int(value) else value


_WRITTEN: dict[Kind, Callable[[Any], object]] = {
    Kind.PERCENT: percent_text,
    Kind.INSTANT: iso,
    Kind.DAY: date.isoformat,
    Kind.TRUTH: lambda value: "true" if value else "false",
    Kind.NUMBER: _number,
}
"""How values are written in CSV; others stand as they are."""


def _written_rows(table: Table, learners: Sequence[ExportedLearner]) -> Iterator[list[object]]:
    written = [_WRITTEN.get(column.kind) for column in table.columns]
    for learner in learners:
        for row in table.rows(learner):
            yield [value if write is None or value is None else write(value) for value, write in zip(row, written, strict=True)]


class _Line(msgspec.Struct, tag_field="type", rename="camel"):
    """A line of JSON; `type` says of what."""


class UnitLine(msgspec.Struct, rename="camel"):
    """A unit of the course."""

    id: str
    external_id: str | None
    title: str
    module_id: str
    module: str
    required: bool
    retired: bool
    hidden: bool


class AssessmentLine(msgspec.Struct, rename="camel"):
    """An assessment of the course."""

    id: str
    title: str
    max_grade: float
    due_at: str | None
    retired: bool


class CourseLine(_Line, tag="course"):
    """The first line."""

    id: str
    external_id: str | None
    title: str
    units: list[UnitLine]
    assessments: list[AssessmentLine]


class UnitProgressLine(msgspec.Struct, rename="camel"):
    """A learner's progress in a unit."""

    unit_id: str
    status: str
    progress_percent: float
    duration_seconds: int
    last_activity_at: str
    completed_at: str | None


class DayLine(msgspec.Struct, rename="camel"):
    """A learner's study time on a day."""

    day: date
    study_seconds: int


class GradeLine(msgspec.Struct, rename="camel"):
    """A learner's newest work for an assessment."""

    assessment_id: str
    submitted_at: str
    graded_at: str | None
    grade: float | None


class LearnerLine(_Line, tag="learner", omit_defaults=True):
    """A learner; lists that were not asked for are left out."""

    learner_id: str
    external_id: str | None
    name: str
    status: str
    progress_percent: float
    study_seconds: int
    enrolled_at: str
    last_activity_at: str | None
    completed_at: str | None
    units: list[UnitProgressLine] | msgspec.UnsetType = msgspec.UNSET
    days: list[DayLine] | msgspec.UnsetType = msgspec.UNSET
    grades: list[GradeLine] | msgspec.UnsetType = msgspec.UNSET


class EndLine(_Line, tag="end"):
    """The last line of an export that is complete."""

    learners: int


class ErrorLine(_Line, tag="error"):
    """The last line of one that is not."""

    code: str
    message: str
    request_id: str


class NdjsonFile:
    """Lines of JSON: the course, each learner, and at the end how many learners there are, or an error."""

    media_type = "application/x-ndjson"
    suffix = ".ndjson"

    def __init__(self, course: ExportedCourse, parts: frozenset[Part]) -> None:
        self._course = course
        self.parts = parts
        self._count = 0

    def head(self) -> bytes:
        """Return the line of the course."""
        structure, modules = self._course.structure, self._course.modules
        units = [
            UnitLine(
                id=str(unit.id),
                external_id=unit.external_id,
                title=unit.title,
                module_id=str(unit.module_id),
                module=modules[unit.module_id].title,
                required=unit.is_required,
                retired=unit.is_retired,
                hidden=unit.is_hidden,
            )
            for unit in structure.units.values()
        ]
        assessments = [
            AssessmentLine(str(each.id), each.title, each.max_grade, _iso(each.due_at), each.is_retired)
            for each in self._course.assessments.values()
        ]
        line = CourseLine(str(structure.course_id), structure.external_id, structure.title, units, assessments)
        return _lines([line])

    def learners(self, learners: Sequence[ExportedLearner]) -> bytes:
        """Return a line for each of some learners."""
        self._count += len(learners)
        return _lines([self._line(each) for each in learners])

    def end(self) -> bytes:
        """Return the line that says that all learners are there."""
        return _lines([EndLine(self._count)])

    def _line(self, learner: ExportedLearner) -> LearnerLine:
        line = LearnerLine(
            learner_id=str(learner.user_id),
            external_id=learner.external_id,
            name=learner.name,
            status=learner.status,
            progress_percent=learner.percent / 100,
            study_seconds=learner.study_ms // SECOND,
            enrolled_at=iso(learner.enrolled_at),
            last_activity_at=_iso(learner.last_activity_at),
            completed_at=_iso(learner.completed_at),
        )
        if Part.UNITS in self.parts:
            line.units = [
                UnitProgressLine(
                    unit_id=str(each.unit_id),
                    status=each.status.value,
                    progress_percent=each.percent / 100,
                    duration_seconds=each.duration_seconds,
                    last_activity_at=iso(each.last_activity_at),
                    completed_at=_iso(each.completed_at),
                )
                for each in learner.units
            ]
        if Part.DAYS in self.parts:
            line.days = [DayLine(day, length // SECOND) for day, length in learner.days]
        if Part.GRADES in self.parts:
            line.grades = [
                GradeLine(str(each.assessment_id), iso(each.submitted_at), _iso(each.graded_at), each.grade)
                for each in learner.grades
            ]
        return line


def failure_line(code: str, message: str, request_id: str) -> bytes:
    """Return the line with which an export ends that cannot be completed."""
    return _lines([ErrorLine(code, message, request_id)])


def _iso(at: Instant | None) -> str | None:
    return None if at is None else iso(at)


def _lines(lines: Sequence[_Line]) -> bytes:
    return _encoder.encode_lines(lines)
