"""Importing OULAD: all of it, once, whatever happened before."""

import csv
import shutil
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, func, select

from headway import schema
from headway.assessments.tables import submissions
from headway.audit.tables import audit_entries
from headway.courses.tables import assessments, courses, units
from headway.db.database import Database
from headway.enrollments.tables import enrollments
from headway.errors import Conflict, Invalid, Unavailable
from headway.importers import oulad
from headway.instants import DAY, HOUR
from headway.learning.tables import learner_activity_logs
from headway.services import make_checks
from headway.verify import Verify
from tests.world import World

DATA = Path(oulad.__file__).parent / "data" / "oulad-aaa-2013j"
BOOKKEEPING = {"alembic_version", "revisions", "account_changes", "audit_entries", "audit_head"}
STORED = [table for table in schema.metadata.sorted_tables if table.name not in BOOKKEEPING]

ON_ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For rules that are applied before anything is stored."""


def task(world: World, folder: Path = DATA, *, ends: int | None = None) -> oulad.OuladImport:
    return oulad.OuladImport(folder, world.services, ends=ends)


async def everything(world: World) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables."""
    return {table.name: sorted(await world.rows(select(table)), key=repr) for table in STORED}


async def count(world: World, table: Table) -> int:
    ((found,),) = await world.rows(select(func.count()).select_from(table))
    return int(found)


async def differences(database: Database) -> list[Any]:
    return list((await Verify(database, make_checks()).run()).differences)


async def test_the_course_run_comes_in_whole_and_a_second_import_changes_nothing(world: World, database: Database) -> None:
    advanced: list[int] = []
    importing = task(world)

    first = await importing.run(advanced.append)
    stored = await everything(world)
    world.clock.advance(seconds=3600)
    second = await task(world).run(lambda _: None)

    assert sum(advanced) == importing.rows
    assert (first.new_learners, first.new_events, first.new_results) == (383, 13905, 940)
    counts = {
        "assessments": 6,
        "courses": 1,
        "enrollments": 383,
        "learner_activity_logs": 13905,
        "submissions": 940,
        "units": 211,
    }
    assert {name: len(stored[name]) for name in counts} == counts
    assert (second.new_courses, second.new_learners, second.new_events, second.new_results) == (0, 0, 0, 0)
    assert await everything(world) == stored
    recorded = await world.rows(select(audit_entries.c.action).order_by(audit_entries.c.seq))
    assert recorded == [("CREATE_COURSE",), ("IMPORT_DATA",), ("IMPORT_DATA",)]
    assert await differences(database) == []


async def test_an_import_that_was_cut_off_is_completed_by_a_repetition(world: World, database: Database) -> None:
    done = 0

    def fail_half_way(rows: int) -> None:
        nonlocal done
        done += rows
        if done > 7_000:
            raise Unavailable("the power went off")

    with pytest.raises(Unavailable):
        await task(world).run(fail_half_way)
    assert 0 < await count(world, learner_activity_logs) < 13905
    await task(world).run(lambda _: None)

    assert await count(world, learner_activity_logs) == 13905
    assert await count(world, submissions) == 940
    assert await differences(database) == []


@ON_ONE_DATABASE
async def test_derived_times_lie_within_the_day_and_follow_one_another(world: World) -> None:
    await task(world).run(lambda _: None)
    logs = learner_activity_logs

    events = await world.rows(
        select(logs.c.user_id, logs.c.start_time, logs.c.end_time, logs.c.claimed_ms).order_by(
            logs.c.user_id, logs.c.start_time
        )
    )

    assert all(start // DAY == (end - 1) // DAY and start % DAY >= 9 * HOUR for _, start, end, _ in events)
    assert all(end - start == claimed <= 600_000 for _, start, end, claimed in events)
    assert all(before[0] != after[0] or before[2] <= after[1] for before, after in pairwise(events))


@ON_ONE_DATABASE
async def test_who_unregistered_has_left_and_holds_no_seat(world: World) -> None:
    await task(world).run(lambda _: None)

    by_status = dict(await world.rows(select(enrollments.c.status, func.count()).group_by(enrollments.c.status)))

    assert by_status["DROPPED"] == 60
    ((course_id,),) = await world.rows(select(courses.c.id))
    assert (await world.read(world.services.courses.find, course_id)).seats_taken == 383 - 60


@ON_ONE_DATABASE
async def test_what_is_required_was_opened_by_a_third_of_the_learners(world: World) -> None:
    with (DATA / "studentVle.csv").open() as file:
        opened = {(row["id_site"], row["id_student"]) for row in csv.DictReader(file)}
    readers = Counter(site for site, _ in opened)

    await task(world).run(lambda _: None)

    stored = await world.rows(select(units.c.slug, units.c.is_required, units.c.kind))
    read = {"oucontent", "resource", "subpage", "url", "page"}
    assert {slug for slug, is_required, _ in stored if is_required} == {
        slug for slug, _, kind in stored if kind in read and 3 * readers[slug] >= 383
    }
    assert sum(is_required for _, is_required, _ in stored) == 15


async def test_a_run_that_ends_today_comes_in_as_far_as_it_has_happened(world: World, database: Database) -> None:
    today, logs = world.clock.now // DAY, learner_activity_logs

    first = await task(world, ends=today).run(lambda _: None)

    assert first.events + first.results + first.left_out == 13905 + 940
    ((last,),) = await world.rows(select(func.max(logs.c.end_time)))
    assert world.clock.now - HOUR < last <= world.clock.now
    ((begins, due),) = await world.rows(
        select(courses.c.starts_at, func.min(assessments.c.due_at)).join(assessments).group_by(courses.c.id)
    )
    assert (begins // DAY, due // DAY) == (today - 2, today - 2 + 20)
    assert await differences(database) == []


@ON_ONE_DATABASE
async def test_a_repetition_brings_what_has_happened_since(world: World, database: Database) -> None:
    today = world.clock.now // DAY
    first = await task(world, ends=today).run(lambda _: None)
    world.clock.advance(seconds=30 * 86_400)

    second = await task(world, ends=today).run(lambda _: None)

    assert first.left_out - second.left_out == second.new_events + second.new_results
    assert second.events == 13905
    late = [results for day, results in _days_of_results().items() if day <= 32]
    assert second.results == sum(late) > 300
    assert await differences(database) == []


@pytest.mark.parametrize(
    ("stored", "then", "option"), [(0, 1, "--ends 2026-01-01"), (0, None, "--ends 2026-01-01"), (None, 0, "without --ends")]
)
@ON_ONE_DATABASE
async def test_a_run_that_is_stored_keeps_its_dates(world: World, stored: int | None, then: int | None, option: str) -> None:
    today = world.clock.now // DAY
    days = {None: None, 0: today, 1: today + 1}
    await task(world, ends=days[stored]).run(lambda _: None)
    before = await everything(world)

    with pytest.raises(Conflict, match="repeat the import") as refused:
        await task(world, ends=days[then]).run(lambda _: None)

    assert option in str(refused.value)
    assert await everything(world) == before


def _days_of_results() -> Counter[int]:
    with (DATA / "studentAssessment.csv").open() as file:
        return Counter(int(row["date_submitted"]) for row in csv.DictReader(file))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA, tmp_path / "oulad"))


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        (
            "studentVle.csv",
            "AAA,2013J,28400,546652,-10,4",
            "AAA,2013J,28400,546652,-10,many",
            "studentVle.csv, line 2, column sum_click",
        ),
        ("vle.csv", "id_site", "site", "vle.csv, header"),
        ("courses.csv", "2013J", "2013X", "courses.csv, column code_presentation"),
        ("studentVle.csv", "28400,546652,-10,4", "99,546652,-10,4", "studentVle.csv"),
        ("studentAssessment.csv", "1752,11391,18,0,78", "1752,11391,18,0,good", "studentAssessment.csv, line 2, column score"),
    ],
)
async def test_what_cannot_be_read_is_named_and_nothing_is_stored(
    world: World, folder: Path, file: str, old: str, new: str, named: str
) -> None:
    path = folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))

    with pytest.raises(Invalid) as refused:
        await task(world, folder).run(lambda _: None)

    assert refused.value.fields[0].field == named
    assert await count(world, learner_activity_logs) == 0


@ON_ONE_DATABASE
async def test_a_missing_file_is_named(world: World, folder: Path) -> None:
    (folder / "vle.csv").unlink()

    with pytest.raises(Invalid) as refused:
        task(world, folder)

    assert refused.value.fields[0].field == "vle.csv"
