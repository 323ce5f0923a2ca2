"""The grid of learners and units: how far everybody is in everything."""

from collections.abc import Sequence
from enum import StrEnum
from itertools import groupby
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from headway.db.database import ReadTransaction
from headway.http.params import parse_id
from headway.http.request import READ_LARGE
from headway.instants import START_OF_TIME
from headway.reports.distribution import quartiles_of
from headway.reports.model import Grid, GridOrder, GridPlace, GridSort
from headway.services import Services
from headway.web.page_routes import Download, Page, PageRequest, get
from headway.web.pages.large_courses import UnitChoice, choose_units, chosen_grid
from headway.web.sheets import NUMBER, PERCENT, Column, ReportTable

_PATH = "/app/courses/{course_id:str}/grid"
_CSV = ".csv"
_ALL_ROWS = 200_000
MOST_ROWS = 1_000
FULL_ROWS = 100
"""So many rows have a cell for each unit as they are sent; those of longer pages are unpacked as they are scrolled to."""
THRESHOLDS = (50, 80, 100)
NOT_STARTED = "\N{EN DASH}"


class Direction(StrEnum):
    """The direction of an order."""

    ASCENDING = "asc"
    DESCENDING = "desc"


class Shown(StrEnum):
    """Whose rows the grid has."""

    WITH_ACCESS = "open"
    EVERYBODY = "everybody"


class Colours(StrEnum):
    """What a cell's colour says: how far a learner is, or how far beside the others."""

    THRESHOLDS = "thresholds"
    QUARTERS = "quarters"


class GridQuery(msgspec.Struct):
    """Which rows of the grid, in which order and colours."""

    sort: GridSort = GridSort.NAME
    order: Direction = Direction.ASCENDING
    status: Shown = Shown.WITH_ACCESS
    colours: Colours = Colours.THRESHOLDS
    units: UnitChoice | None = None
    rows: Annotated[int, Meta(ge=1, le=MOST_ROWS)] = 50
    after: Annotated[str, Meta(max_length=500)] | None = None

    @property
    def grid_order(self) -> GridOrder:
        """The order of the rows."""
        return GridOrder(self.sort, self.order is Direction.DESCENDING, self.status is Shown.EVERYBODY)

    @property
    def place(self) -> GridPlace | None:
        """Where the page begins; from the start if the text is none of `place_text`."""
        user_id, comma, key = (self.after or "").partition(",")
        if not comma or not user_id.isdecimal():
            return None
        if self.sort is GridSort.NAME:
            return GridPlace(key, parse_id(user_id))
        sign, digits = (-1, key[1:]) if key.startswith("-") else (1, key)
        is_number = digits.isascii() and digits.isdecimal() and len(digits) < 16
        return GridPlace(sign * int(digits) if is_number else START_OF_TIME, parse_id(user_id))

    def url(self, **changed: object) -> str:
        """Return the query of a URL with some fields changed, without those that are as they are anyway."""
        values = {**msgspec.to_builtins(self), **changed}
        initial = msgspec.to_builtins(GridQuery())
        return urlencode({name: value for name, value in values.items() if value is not None and value != initial[name]})


def place_text(place: GridPlace) -> str:
    """Return a place as the parameter `after`."""
    return f"{place.user_id},{place.key}"


class GridPages:
    """The grid of a course."""

    def __init__(self, services: Services) -> None:
        self._staff = services.course_staff
        self._reports = services.reports

    @get(_PATH, query=GridQuery, transaction=READ_LARGE)
    async def show(self, request: PageRequest[GridQuery, None], tx: ReadTransaction) -> Page:
        """Show learners and their progress in each unit."""
        query = request.query
        course = await self._staff.taught_course(tx, request.caller, parse_id(request.path["course_id"]))
        grid = await self._reports.grid(tx, request.caller, course.id, query.grid_order, after=query.place, limit=query.rows)
        choice = choose_units(grid.units, query.units)
        grid = chosen_grid(grid, choice)
        cuts = _cuts(grid, query.colours)
        values: dict[str, Any] = {
            "course": course,
            "grid": grid,
            "query": query,
            "choice": choice,
            "spans": [(grid.modules[module_id], len(list(units))) for module_id, units in groupby(_module_ids(grid))],
            "cuts": cuts,
            "rows": _packed(grid) if query.rows > FULL_ROWS else _leveled(grid, cuts),
            "is_packed": query.rows > FULL_ROWS,
            "next": None if grid.next_place is None else query.url(after=place_text(grid.next_place)),
        }
        return Page("course/grid.html", values)

    @get(f"{_PATH}{_CSV}", query=GridQuery, transaction=READ_LARGE)
    async def download(self, request: PageRequest[GridQuery, None], tx: ReadTransaction) -> Download:
        """Return all rows as CSV."""
        course_id, text = parse_id(request.path["course_id"]), request.text
        order = request.query.grid_order
        grid = await self._reports.grid(tx, request.caller, course_id, order, after=None, limit=_ALL_ROWS)
        grid = chosen_grid(grid, choose_units(grid.units, request.query.units))
        columns = [Column(text("Learner")), Column(text("Progress"), PERCENT), Column(text("Last active"))]
        columns += [Column(unit.title, NUMBER) for unit in grid.units]
        rows = [
            (row.learner.name, row.learner.percent, request.viewer.datetime(row.learner.last_activity_at), *row.cells)
            for row in grid.rows
        ]
        return Download(f"grid-{course_id}{_CSV}", ReportTable(columns, rows).to_csv())


def _module_ids(grid: Grid) -> list[int]:
    return [unit.module_id for unit in grid.units]


def _cuts(grid: Grid, colours: Colours) -> list[tuple[int, ...]]:
    """Return for each unit the percents at which the next colour begins."""
    if colours is Colours.THRESHOLDS:
        return [THRESHOLDS] * len(grid.units)
    columns: Sequence[Sequence[int | None]] = list(zip(*(row.cells for row in grid.rows), strict=True))
    return [_quarters([cell for cell in column if cell is not None]) for column in columns] or [()] * len(grid.units)


def _quarters(percents: Sequence[int]) -> tuple[int, ...]:
    quartiles = quartiles_of(percents)
    # A percent on a quartile belongs to the quarter above it.
    return () if quartiles is None else tuple(-int(-each // 1) for each in quartiles[1:4])


def _leveled(grid: Grid, cuts: Sequence[Sequence[int]]) -> list[list[tuple[str, int | None]]]:
    """Return the cells of each row: the text, and the number of the colour; None for a unit that was not begun."""
    return [
        [
            (NOT_STARTED, None) if cell is None else (str(cell), sum(cell >= cut for cut in of_unit))
            for cell, of_unit in zip(row.cells, cuts, strict=True)
        ]
        for row in grid.rows
    ]


def _packed(grid: Grid) -> list[str]:
    """Return the cells of each row as one text."""
    return [" ".join(NOT_STARTED if cell is None else str(cell) for cell in row.cells) for row in grid.rows]
