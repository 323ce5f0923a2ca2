"""Importing OULAD: all of it, once, whatever happened before."""

import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, func, select

from headway import schema
from headway.assessments.tables import submissions
from headway.audit.tables import audit_entries
from headway.courses.tables import courses
from headway.db.database import Database
from headway.enrollments.tables import enrollments
from headway.errors import Invalid, Unavailable
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


def task(world: World, folder: Path = DATA) -> oulad.OuladImport:
    return oulad.OuladImport(folder, world.services)


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
