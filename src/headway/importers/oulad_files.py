"""Reader of the CSV files of the Open University Learning Analytics Dataset."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from headway.errors import Invalid
from headway.text_files import Row, read_table

Run = tuple[str, str]
"""(code_module, code_presentation), such as ("AAA", "2013J")."""
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{0,18})?")
_LARGEST_NUMBER = 2**53 - 1
_LONGEST_DAYS = 36_500


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
            Course((row.text("code_module"), row.text("code_presentation")), row.day("module_presentation_length"))
            for row in self._rows("courses.csv")
        ]

    def materials(self, run: Run) -> list[Material]:
        """Return the materials of a run, in the order of the file."""
        return [Material(row.number("id_site"), row.text("activity_type")) for row in self._rows_of("vle.csv", run)]

    def assessments(self, run: Run) -> list[Assessment]:
        """Return the assessments of a run, in the order of the file."""
        return [
            Assessment(
                row.number("id_assessment"), row.text("assessment_type"), row.optional_day("date"), row.percent("weight")
            )
            for row in self._rows_of("assessments.csv", run)
        ]

    def registrations(self, run: Run) -> list[Registration]:
        """Return the registrations for a run."""
        return [
            Registration(
                row.number("id_student"), row.optional_day("date_registration"), row.optional_day("date_unregistration")
            )
            for row in self._rows_of("studentRegistration.csv", run)
        ]

    def interactions(self, run: Run) -> list[Interaction]:
        """Return all interactions of a run, in the order of the file."""
        return [
            Interaction(row.number("id_student"), row.number("id_site"), row.day("date"), row.number("sum_click"))
            for row in self._rows_of("studentVle.csv", run)
        ]

    def results(self, assessments: set[int]) -> list[Result]:
        """Return the results of these assessments."""
        results = (
            Result(row.number("id_assessment"), row.number("id_student"), row.day("date_submitted"), row.percent("score"))
            for row in self._rows("studentAssessment.csv")
        )
        return [result for result in results if result.assessment in assessments]

    def _rows_of(self, name: str, run: Run) -> Iterator["_CsvRow"]:
        for row in self._rows(name):
            if (row.text("code_module"), row.text("code_presentation")) == run:
                yield row

    def _rows(self, name: str) -> Iterator["_CsvRow"]:
        for row in read_table(self._folder / name):
            yield _CsvRow(name, row)


class _CsvRow:
    """A line of a file."""

    def __init__(self, file: str, row: Row) -> None:
        self._file, self._row = file, row

    def text(self, column: str) -> str:
        value = self._cell(column)
        if not value:
            raise self._error(column, "is missing")
        return value

    def number(self, column: str) -> int:
        return self._whole(column, 0, _LARGEST_NUMBER)

    def day(self, column: str) -> int:
        return self._whole(column, -_LONGEST_DAYS, _LONGEST_DAYS)

    def optional_day(self, column: str) -> int | None:
        return None if self._is_empty(column) else self.day(column)

    def percent(self, column: str) -> float | None:
        """Return a number from 0 to 100, also with a decimal comma where that separates no cells; None for an empty cell."""
        if self._is_empty(column):
            return None
        text = self.text(column)
        number = text.replace(",", ".") if self._row.separator != "," else text
        if _NUMBER.fullmatch(number) is None or not 0 <= float(number) <= 100:
            raise self._error(column, f"must be a number from 0 to 100, not {text!r}")
        return float(number)

    def _whole(self, column: str, least: int, most: int) -> int:
        text = self.text(column)
        if _WHOLE.fullmatch(text) is None:
            raise self._error(column, f"must be a whole number, not {text[:50]!r}")
        if not least <= int(text) <= most:
            raise self._error(column, f"must be between {least} and {most}, not {text}")
        return int(text)

    def _is_empty(self, column: str) -> bool:
        return self._cell(column) in {"", "?"}

    def _cell(self, column: str) -> str:
        if column not in self._row.columns:
            raise Invalid.field(f"{self._file}, header", f"has no column {column}, only {', '.join(self._row.columns)}")
        return self._row.cells.get(column, "")

    def _error(self, column: str, message: str) -> Invalid:
        return Invalid.field(f"{self._file}, line {self._row.line}, column {column}", message)
