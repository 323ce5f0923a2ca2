"""Importing logs of Moodle in all the forms in which people have them."""

import csv
import json
from pathlib import Path

import pytest
from sqlalchemy import select

from headway.courses.completion import Rule
from headway.db.database import Database
from headway.importers.log_files import LogFile
from headway.instants import parse
from headway.learning.tables import learner_activity_logs as logged
from tests.integration.log_imports import (
    MOODLE_COURSE,
    VIEWED,
    course,
    differences,
    imported,
    learner,
    moodle,
    moodle_course,
    reasons,
)
from tests.unit import moodle_lines
from tests.unit.moodle_lines import HEADER, SITE, report_row, row, statement
from tests.world import World


@pytest.fixture(autouse=True)
def afterwards(world: World) -> None:
    world.clock.now = parse("2026-12-01T12:00:00Z")


@pytest.mark.parametrize("form", ["rows a line", "rows in an array", "rows in a table", "statements", "statements a line"])
async def test_a_log_of_moodle_comes_in_once_in_every_form(world: World, database: Database, tmp_path: Path, form: str) -> None:
    made = await course(
        world,
        MOODLE_COURSE,
        [(f"{SITE}/mod/{module}/view.php?id=51", Rule.VIEWED, None) for module in [*moodle_lines.MODULES, "bigbluebuttonbn"]],
    )
    await learner(world, made, "31")
    names = [*moodle_lines.TAKEN, *moodle_lines.NOT_TAKEN]
    names = [name for name in names if not name.startswith(("core_h5p", "core\\course_module_completion"))]
    records = [
        statement(name, id=f"s{n}") if form.startswith("statements") else row(name, id=n) for n, name in enumerate(names)
    ]
    path = tmp_path / "log.json"
    if form == "rows in a table":
        path = tmp_path / "log.csv"
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, list(records[0]), delimiter=";")
            writer.writeheader()
            writer.writerows(records)
    elif form in {"rows a line", "statements a line"}:
        path.write_text("\n".join(json.dumps(record) for record in records))
    else:
        path.write_text(json.dumps(records, indent=1))

    first = await imported(world, moodle(), LogFile(path))
    second = await imported(world, moodle(), LogFile(path))

    count = len(moodle_lines.TAKEN) - 2
    assert (first.lines, first.events, first.count_not_taken) == (len(names), count, len(moodle_lines.NOT_TAKEN))
    assert (second.events, second.duplicates) == (0, count)
    assert await differences(database) == []


SUBMITTED = "The user with id '31' has submitted the attempt with id '4' for the quiz with course module id '51'."


@pytest.mark.parametrize("form", ["csv", "csv of a spreadsheet", "json", "json with names"])
async def test_a_report_of_moodle_is_read_as_people_save_it(world: World, tmp_path: Path, form: str) -> None:
    await learner(world, await moodle_course(world), "31")
    rows = [
        report_row("Course module viewed", VIEWED, time="5/11/26, 10:30"),
        report_row("Course module viewed", VIEWED, time="5/11/26, 10:30"),
        report_row("Tentative de test terminée", SUBMITTED, time="26/11/26, 10:30"),
    ]
    path = tmp_path / f"logs.{form[:4].strip()}"
    if form == "csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([HEADER, *rows])
    elif form == "csv of a spreadsheet":
        times = ["05/11/2026 10:30", "05/11/2026 10:30", "26/11/2026 10:30"]
        with path.open("w", newline="", encoding="cp1252") as file:
            csv.writer(file, delimiter=";").writerows(
                [HEADER, *([time, *cells[1:]] for time, cells in zip(times, rows, strict=True))]
            )
    else:
        value = rows if form == "json" else [dict(zip(HEADER, cells, strict=True)) for cells in rows]
        path.write_text(json.dumps([value], indent=4))

    first = await imported(world, moodle(course=MOODLE_COURSE), LogFile(path))
    second = await imported(world, moodle(course=MOODLE_COURSE), LogFile(path))

    assert (first.by_type, reasons(first)) == ({"unit_view": 2, "quiz_submit": 1}, {})
    assert (second.events, second.duplicates) == (0, 3)
    stored = await world.rows(select(logged.c.start_time).order_by(logged.c.start_time))
    assert stored == [(parse("2026-11-05T09:30:00Z"),)] * 2 + [(parse("2026-11-26T09:30:00Z"),)]
    assert any("Windows-1252" in note for note in first.notes) is (form == "csv of a spreadsheet")


async def test_dates_that_do_not_tell_the_day_from_the_month_are_named(world: World, tmp_path: Path) -> None:
    await learner(world, await moodle_course(world), "31")
    path = tmp_path / "logs.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, report_row("Course module viewed", VIEWED), ["only", "two"]])

    report = await imported(world, moodle(course=MOODLE_COURSE), LogFile(path))

    (undated, short) = sorted(report.not_taken, key=lambda each: each.lines)
    assert (undated.reason, undated.lines) == ("has no time that can be read", ["logs.csv:2"])
    assert "--dates" in undated.details[0]
    assert short.lines == ["logs.csv:3"]
