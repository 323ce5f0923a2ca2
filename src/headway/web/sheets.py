"""Tables of reports: the same rows become a chart, the table below it, and a CSV file."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from headway.csv_files import csv_of
from headway.errors import NotFound
from headway.web.page_routes import Download

Cell: TypeAlias = Any
"""A value; or (value, text), or (value, text, more): see `macros/charts.html`."""

NUMBER, PERCENT, DURATION = "number", "percent", "duration"
_DIVISORS = {PERCENT: 100, DURATION: 1000}


class Column(NamedTuple):
    """A column: its heading, and the unit of its values. Percents are hundredths, durations milliseconds."""

    title: str
    unit: str = ""


class ReportTable(NamedTuple):
    """Columns and rows of cells."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]

    @property
    def header(self) -> list[str | tuple[str, str]]:
        """The columns as the macro of charts takes them."""
        return [(column.title, column.unit) if column.unit else column.title for column in self.columns]

    def to_csv(self) -> bytes:
        """Return the table as CSV: percents with decimals, durations in seconds, and what has no value as its text."""
        units = [column.unit for column in self.columns]
        return csv_of(
            [column.title for column in self.columns],
            ([_plain(cell, unit) for cell, unit in zip(row, units, strict=True)] for row in self.rows),
        )


def named_csv(tables: Mapping[str, ReportTable], name: str) -> Download:
    """Return one of several tables as CSV, by a file name such as `study-time.csv`. Raises NotFound."""
    found = tables.get(name.removesuffix(".csv").replace("-", "_"))
    if found is None or not name.endswith(".csv"):
        raise NotFound("There is no such table.")
    return Download(name, found.to_csv())


def _plain(cell: Cell, unit: str) -> object:
    value, *texts = cell if isinstance(cell, tuple) else (cell,)
    if value is None or isinstance(value, str):
        return texts[0] if value is None and texts else value
    plain = value / _DIVISORS.get(unit, 1)
    return int(plain) if plain == int(plain) else round(plain, 3)
