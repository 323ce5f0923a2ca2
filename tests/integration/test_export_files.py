"""Files of exports at the command line: as over HTTP, Parquet with types, and events from the table and from archives."""

import asyncio
import csv
import json
import os
import signal
import stat
from collections.abc import Callable
from datetime import date, datetime
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.parquet
import pytest
from sqlalchemy import update

from headway.courses.tables import courses
from headway.errors import OperatorError
from headway.instants import DAY, END_OF_TIME, START_OF_TIME
from headway.learning import archive_store, event_export
from headway.learning.archive_files import DamagedArchiveError
from headway.learning.event_export import EventChoice, export_events
from headway.learning.model import ActivityType, Event
from headway.learning.tables import learner_activity_logs
from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.integration.archives import EVENTS, LATER, archive, files, record
from tests.integration.report_history import History
from tests.integration.tampering import Played, play
from tests.integration.test_exports import HOSTILE, ZONE, School, school
from tests.processes import HEADWAY, run_headway
from tests.world import NOON, World

__all__ = ["school"]


async def headway_export(settings: Settings, *arguments: object) -> Any:
    """Run the command, and return its output."""
    flags = ("--database", settings.database_url)
    ran = await run_headway("export", *map(str, arguments), *flags, secret_key=SECRET_KEY)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def rows_of(file: Path) -> list[tuple[Any, ...]]:
    """Read events as another tool does, in the order of `EVENTS`."""
    table = pyarrow.parquet.read_table(file)
    columns = [table.column(column.name) for column in learner_activity_logs.c]
    plain = [column.cast("int64") if str(column.type).startswith("timestamp") else column for column in columns]
    return sorted(zip(*(column.to_pylist() for column in plain), strict=True), key=lambda row: (row[0], row[1]))


async def test_a_command_writes_what_is_sent_over_http(school: School, settings: Settings, tmp_path: Path) -> None:
    course_id = school.history.course.id
    for name in ("learners", "units", "days", "grades"):
        file = tmp_path / f"{name}.csv"
        await headway_export(settings, course_id, file, "--table", name, "--time-zone", ZONE)
        assert file.read_bytes() == (await school.get(school.path, table=name, timeZone=ZONE)).content
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    printed = await headway_export(settings, "course", course_id, "-", "--format", "ndjson", "--include", "units")

    assert [json.loads(line) for line in printed.splitlines()] == await school.lines(include="units")
    assert sorted(file.name for file in tmp_path.glob("*.partial")) == []


async def test_a_course_is_named_by_its_external_id(school: School, settings: Settings, tmp_path: Path) -> None:
    course_id, name = school.history.course.id, "course-v1:X+Y/2026"
    async with school.world.database.write() as tx:
        await tx.run(update(courses).where(courses.c.id == course_id).values(external_id=name))
    printed = await headway_export(settings, f"ext:{name}", "-", "--format", "ndjson")
    events = json.loads(await headway_export(settings, "events", tmp_path / "x.parquet", "--course", f"ext:{name}"))
    path = school.path.replace(f"/{course_id}/", "/" + quote(f"ext:{name}", safe="") + "/")

    assert printed == (await school.get(path, format="ndjson")).text
    assert json.loads(printed.partition("\n")[0])["externalId"] == name
    assert events["events"] == len(await school.world.rows(EVENTS)) > 0
    for unknown in ("ext:unknown", "seven"):
        ran = await run_headway("export", "course", unknown, "-", "--database", settings.database_url, secret_key=SECRET_KEY)
        assert ran.returncode != 0
        assert ("no such course" in ran.stderr.lower()) is (unknown != "seven")


async def test_parquet_has_the_rows_of_csv_with_types(school: School, settings: Settings, tmp_path: Path) -> None:
    def value(text: str, kind: str) -> Any:
        if text == "":
            return None
        if kind == "date32[day]":
            return date.fromisoformat(text)
        readers: dict[str, Callable[[str], Any]] = {
            "int64": int,
            "double": float,
            "string": str,
            "bool": lambda told: told == "true",
        }
        return readers.get(kind, datetime.fromisoformat)(text)

    for name in ("learners", "units", "days", "grades"):
        file = tmp_path / f"{name}.parquet"
        await headway_export(settings, school.history.course.id, file, "--format", "parquet", "--table", name)
        table = pyarrow.parquet.read_table(file)
        kinds = [str(field.type) for field in table.schema]
        header, *rows = csv.reader(StringIO((await school.get(school.path, table=name)).text, newline=""))
        expected = [[value(text, kind) for text, kind in zip(row, kinds, strict=True)] for row in rows]
        # Formulas are defused in CSV alone.
        told = [[f"'{each}" if each in {HOSTILE, "@subject"} else each for each in row.values()] for row in table.to_pylist()]

        assert (table.column_names, told) == (header, expected)
        assert {"string", "int64"} <= set(kinds)


@pytest.mark.parametrize(
    "arguments", [("9999", "x.csv"), ("1", "x.csv", "--time-zone", "Mars"), ("1", "-", "--format", "parquet")]
)
async def test_a_command_that_cannot_export_leaves_no_file(
    settings: Settings, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    course, file, *rest = arguments
    target = file if file == "-" else str(tmp_path / file)
    ran = await run_headway("export", course, target, *rest, "--database", settings.database_url, secret_key=SECRET_KEY)

    assert ran.returncode != 0
    assert "Traceback" not in ran.stderr
    assert list(tmp_path.glob("x.csv*")) == []


async def test_a_reader_who_has_seen_enough_is_no_error(school: School, settings: Settings) -> None:
    """As `headway export 5 - | head` is."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    course_id = school.path.split("/")[4]
    call = [str(HEADWAY), "export", course_id, "-", "--database", settings.database_url]
    environment = {**os.environ, "HEADWAY_SECRET_KEY": SECRET_KEY}
    ran = await asyncio.create_subprocess_exec(*call, env=environment, stdout=write_end, stderr=asyncio.subprocess.PIPE)
    os.close(write_end)
    _, errors = await ran.communicate()

    assert (ran.returncode, errors) == (128 + signal.SIGPIPE, b"")


@pytest.fixture
async def played(world: World) -> Played:
    return await play(world)


async def test_events_are_those_of_the_table(played: Played, settings: Settings, tmp_path: Path) -> None:
    stored = await played.world.rows(EVENTS)
    file = tmp_path / "events.parquet"
    printed = json.loads(await headway_export(settings, "events", file))

    assert rows_of(file) == stored
    assert printed == {"file": str(file), "events": len(stored), "archived": 0}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    kinds = {field.name: str(field.type) for field in pyarrow.parquet.read_schema(file)}
    assert (kinds["user_id"], kinds["scroll_depth"], kinds["is_shifted"]) == ("int64", "double", "bool")
    assert (kinds["event_id"], kinds["occurred_at"]) == ("string", "timestamp[ms, tz=UTC]")


async def test_events_of_some_days_and_a_course_come_from_the_table_and_from_archives(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_export, "_AT_ONCE", 7)
    history, other = await History(world, 3).build(), await History(world, 4).build()
    await history.record(60)
    await other.record(30)
    everything = await world.rows(EVENTS)
    await archive(world, tmp_path / "archives", before=LATER - DAY)
    await record(world, history.learners[0], Event("late", ActivityType.SEARCH, history.course.id, end_time=NOON - 50 * DAY))
    everything = sorted([*everything, *await world.rows(EVENTS)], key=lambda row: (row[0], row[1]))
    course, at = (list(learner_activity_logs.c).index(learner_activity_logs.c[name]) for name in ("course_id", "occurred_at"))
    for number, choice in enumerate(
        (
            EventChoice(START_OF_TIME, END_OF_TIME, None),
            EventChoice(NOON - 60 * DAY, NOON - 20 * DAY, None),
            EventChoice(NOON - 60 * DAY, NOON - 20 * DAY, history.course.id),
            EventChoice(LATER, END_OF_TIME, other.course.id),
        )
    ):
        file = tmp_path / f"{number}.parquet"
        written = await export_events(world.database, choice, file)
        expected = [
            row for row in everything if choice.since <= row[at] < choice.until and choice.course_id in {None, row[course]}
        ]

        assert rows_of(file) == expected
        assert sum(written) == len(expected)
        assert (number == 3) is (expected == [])
        assert number == 3 or (written.archived > 0 and written.stored > 0)
        assert pyarrow.parquet.ParquetFile(file).num_row_groups == -(-len(expected) // 7)


async def test_archives_that_moved_are_found_and_missing_ones_named(played: Played, tmp_path: Path) -> None:
    world, file, moved = played.world, tmp_path / "events.parquet", tmp_path / "moved"
    stored = await world.rows(EVENTS)
    await archive(world, tmp_path / "archives")
    (tmp_path / "archives").rename(moved)

    with pytest.raises(DamagedArchiveError, match="is missing"):
        await export_events(world.database, EventChoice(), file)
    assert list(tmp_path.glob("events.parquet*")) == []
    await export_events(world.database, EventChoice(), file, archives_folder=moved)
    assert rows_of(file) == stored
    assert len(files(moved)) == 2


async def test_an_export_during_which_events_are_archived_fails(
    played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, archives = played.world, archive_store.read_archives
    is_first = True

    async def read_archives(tx: Any) -> Any:
        nonlocal is_first
        found = [] if is_first else await archives(tx)
        is_first = False
        return found

    await archive(world, tmp_path / "archives")
    monkeypatch.setattr(archive_store, "read_archives", read_archives)
    with pytest.raises(OperatorError, match="archived meanwhile"):
        await export_events(world.database, EventChoice(), tmp_path / "events.parquet")
    assert list(tmp_path.glob("events.parquet*")) == []
