"""Courses with many units: when a page folds their modules, and whether it shows all units or the required ones alone."""

from collections.abc import Sequence, Sized
from enum import StrEnum

from headway.courses.model import Unit
from headway.reports.model import Grid, UnitReport

FOLDED_FROM = 40
"""With so many units on a page, or more, its modules are folded: that is about two screens of them."""


class UnitChoice(StrEnum):
    """The units that a page shows."""

    REQUIRED = "required"
    ALL = "all"


def is_large(units: Sized) -> bool:
    """Return whether so many units are folded by module."""
    return len(units) >= FOLDED_FROM


def choose_units(units: Sequence[Unit], chosen: UnitChoice | None) -> UnitChoice | None:
    """Return which units to show: as chosen, or the required ones of a large course. None where there is nothing to choose."""
    required = sum(unit.is_required for unit in units)
    if not 0 < required < len(units):
        return None
    return chosen or (UnitChoice.REQUIRED if is_large(units) else UnitChoice.ALL)


def chosen_reports(reports: list[UnitReport], choice: UnitChoice | None) -> list[UnitReport]:
    """Return the reports on the units that are shown."""
    return [each for each in reports if each.unit.is_required or choice is not UnitChoice.REQUIRED]


def chosen_grid(grid: Grid, choice: UnitChoice | None) -> Grid:
    """Return a grid with the units that are shown."""
    if choice is not UnitChoice.REQUIRED:
        return grid
    places = [place for place, unit in enumerate(grid.units) if unit.is_required]
    rows = [row._replace(cells=[row.cells[place] for place in places]) for row in grid.rows]
    return grid._replace(units=[grid.units[place] for place in places], rows=rows)
