"""Reader of the CSV files of the Open University Learning Analytics Dataset."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from headway.errors import Invalid

Run = tuple[str, str]
"""(code_module, code_presentation), such as ("AAA", "2013J")."""
_Number = TypeVar("_Number", int, float)


class Course(NamedTuple):
    """A course run; days count from its start."""

    run: Run
    length_days: int


class Material(NamedTuple):
    """A piece of course material."""

    site: int
    activity_type: str


class Assessment(NamedTuple):
    """An assessment, due on a day if one is known."""

    id: int
    kind: str
    day: int | None
    weight: float | None


class Registration(NamedTuple):
    """A learner's registration, and the day on which it ended."""

    student: int
    registered: int | None
    unregistered: int | None


class Interaction(NamedTuple):
    """The clicks of a learner on a material on a day."""

    student: int
    site: int
    day: int
    clicks: int


class Result(NamedTuple):
    """A learner's score in an assessment, if it is known."""

    assessment: int
    student: int
    day: int
    score: float | None


class OuladFolder:
    """A folder with the dataset's files. Methods raise Invalid naming the file, line and column that cannot be read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def courses(self) -> list[Course]:
        """Return the course runs."""
        return [
            Course((row.text("code_module"), row.text("code_presentation")), row.number("module_presentation_length"))
            for row in self._rows("courses.csv")
        ]

    def materials(self, run: Run) -> list[Material]:
        """Return the materials of a run, in the order of the file."""
        return [Material(row.number("id_site"), row.text("activity_type")) for row in self._rows_of("vle.csv", run)]

    def assessments(self, run: Run) -> list[Assessment]:
        """Return the assessments of a run, in the order of the file."""
        return [
            Assessment(
                row.number("id_assessment"), row.text("assessment_type"), row.optional("date"), row.optional_float("weight")
            )
            for row in self._rows_of("assessments.csv", run)
        ]

    def registrations(self, run: Run) -> list[Registration]:
        """Return the registrations for a run."""
        return [
            Registration(row.number("id_student"), row.optional("date_registration"), row.optional("date_unregistration"))
            for row in self._rows_of("studentRegistration.csv", run)
        ]

    def interactions(self, run: Run) -> list[Interaction]:
        """Return all interactions of a run, in the order of the file."""
        return [
            Interaction(row.number("id_student"), row.number("id_site"), row.number("date"), row.number("sum_click"))
            for row in self._rows_of("studentVle.csv", run)
        ]

    def results(self, assessments: set[int]) -> list[Result]:
        """Return the results of these assessments."""
        results = (
            Result(
                row.number("id_assessment"), row.number("id_student"), row.number("date_submitted"), row.optional_float("score")
            )
            for row in self._rows("studentAssessment.csv")
        )
        return [result for result in results if result.assessment in assessments]

    def _rows_of(self, name: str, run: Run) -> Iterator["_CsvRow"]:
        for row in self._rows(name):
            if (row.text("code_module"), row.text("code_presentation")) == run:
                yield row

    def _rows(self, name: str) -> Iterator["_CsvRow"]:
        path = self._folder / name
        try:
            with path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file, strict=True)
                for values in reader:
                    yield _CsvRow(name, reader.line_num, values)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise Invalid.field(name, f"cannot be read: {error}") from error


class _CsvRow:
    """A line of a file."""

    def __init__(self, file: str, line: int, values: dict[str, str | None]) -> None:
        self._file, self._line, self._values = file, line, values

    def text(self, column: str) -> str:
        value = self._values.get(column)
        if not value:
            raise self._error(column, "is missing")
        return value

    def number(self, column: str) -> int:
        return self._parse(column, int, "a whole number")

    def optional(self, column: str) -> int | None:
        return None if self._is_empty(column) else self.number(column)

    def optional_float(self, column: str) -> float | None:
        return None if self._is_empty(column) else self._parse(column, float, "a number")

    def _parse(self, column: str, parse: Callable[[str], _Number], form: str) -> _Number:
        text = self.text(column)
        try:
            return parse(text)
        except ValueError:
            raise self._error(column, f"must be {form}, not {text!r}") from None

    def _is_empty(self, column: str) -> bool:
        if column not in self._values:
            raise self._error(column, "is missing")
        return self._values[column] in {None, "", "?"}

    def _error(self, column: str, message: str) -> Invalid:
        return Invalid.field(f"{self._file}, line {self._line}, column {column}", message)
