"""`headway verify`: what really happened is in order, and whatever is changed behind its back is found and named."""

import json
import subprocess
from typing import cast

import pytest
from sqlalchemy import delete, select, text, update

from headway import schema
from headway.courses.tables import course_statistics, courses
from headway.db.database import Database
from headway.db.dialects import Statement
from headway.enrollments.tables import enrollments
from headway.learning.model import ActivityType, Event, Report
from headway.learning.tables import learner_activity_logs, study_days, unit_progress
from headway.learning.verify import ProgressCheck
from headway.services import make_checks
from headway.settings import Settings
from headway.verify import Verify
from tests.counting_database import CountingDatabase
from tests.integration.tampering import CHANGES, EVENT_CHANGES, STUDY, Played, play
from tests.processes import run_headway
from tests.world import NOON, FakeClock, World


@pytest.fixture
async def played(world: World) -> Played:
    return await play(world)


async def test_real_activity_leaves_no_difference(played: Played) -> None:
    found = await Verify(played.world.database, make_checks()).run()

    assert found.differences == []
    assert found.checked == {
        "courses": 1,
        "enrollments": 4,
        "unit_progress": 10,
        "study_days": 3,
        "uncounted_events": 0,
        "resets": 0,
        "learner_activity_logs": 12,
    }


async def test_small_steps_find_the_same(played: Played) -> None:
    async with played.world.database.write() as tx:
        await tx.run(update(unit_progress).values(percent=5))

    small_steps = ProgressCheck(enrollments_at_once=1, events_at_once=2)
    found = await Verify(played.world.database, [*make_checks()[:-1], small_steps]).run()

    assert found == await Verify(played.world.database, make_checks()).run()
    assert len(found.differences) == 10


async def test_whatever_is_changed_in_a_row_is_named(played: Played, subtests: pytest.Subtests) -> None:
    for table, key, values, named in CHANGES:
        with subtests.test(table=table, key=key, values=values):
            found = await played.differences_after(played.changed(table, key, values))
            assert found == sorted(named or [f"{table}.{column}" for column in values])
    assert await played.differences_after() == []


async def test_whatever_is_changed_in_an_event_is_named(played: Played, subtests: pytest.Subtests) -> None:
    for learner, event_id, values, named in EVENT_CHANGES:
        with subtests.test(learner=learner, event_id=event_id, values=values):
            key = {"user_id": learner, "event_id": event_id}
            found = await played.differences_after(played.changed("learner_activity_logs", key, values))
            assert found == sorted(name if "." in name else f"learner_activity_logs.{name}" for name in named)


async def test_whatever_is_deleted_is_named(played: Played, subtests: pytest.Subtests) -> None:
    beginner = played.ids["beginner"]
    for table, named in (
        (
            enrollments,
            [
                *(f"{each}.course_id" for each in ("learner_activity_logs", "study_days", "unit_progress")),
                "courses.seats_taken",
            ],
        ),
        (unit_progress, ["unit_progress.unit_id", "enrollments.last_unit_at", "enrollments.last_unit_id"]),
        (study_days, STUDY),
        (
            learner_activity_logs,
            [
                *(f"{t}.{c}" for t in ("enrollments", "unit_progress") for c in ("metadata", "percent")),
                "enrollments.required_percents",
            ],
        ),
    ):
        with subtests.test(table=table.name):
            assert await played.differences_after(delete(table).where(table.c.user_id == beginner)) == sorted(named)


async def test_a_tally_that_is_not_the_sum_of_what_is_stored_is_named(played: Played) -> None:
    names = [row[0] for row in await played.world.rows(select(course_statistics.c.name).distinct())]
    assert {name.partition(":")[0] for name in names} == {
        *("status", "band", "seats", "completed", "percent", "active", "unit", "revision")
    }

    for name in set(names) - {"revision"}:
        of_name = course_statistics.c.name == name
        wrong = update(course_statistics).where(of_name).values(value=course_statistics.c.value + 1)
        assert await played.differences_after(wrong) == [f"course_statistics.{name}"]
    gone = delete(course_statistics).where(course_statistics.c.name == "percent")
    assert await played.differences_after(gone) == ["course_statistics.percent"]


async def test_more_learners_than_seats_are_named(played: Played) -> None:
    is_sqlite = played.world.database.dialect.name == "sqlite"
    unchecked = "PRAGMA ignore_check_constraints = ON" if is_sqlite else "ALTER TABLE courses DROP CONSTRAINT ck_courses_seats"

    assert await played.differences_after(text(unchecked), update(courses).values(capacity=2)) == ["courses.capacity"]


async def test_the_number_of_statements_does_not_grow_with_the_rows(world: World) -> None:
    counts = []
    course = await world.course()
    for learners in (2, 20):
        for _ in range(learners):
            user_id = (await world.learner(course)).id
            events = tuple(Event(f"e{n}", ActivityType.UNIT_VIEW, course.id, unit_id=course.units[n % 5].id) for n in range(30))
            await world.write(world.services.tracking.record, [Report(user_id, NOON, events)], NOON)
        counted = CountingDatabase(world.database)
        assert (await Verify(cast("Database", counted), make_checks()).run()).differences == []
        counts.append(counted.statements)

    assert counts[0] == counts[1]


async def test_the_command_prints_what_it_checked_and_fails_if_there_is_a_difference(settings: Settings) -> None:
    async def prepare(change: Statement | None) -> None:
        database = schema.database(settings)
        await database.open()
        try:
            if change is None:
                await play(World(database, settings, FakeClock()))
            else:
                async with database.write() as tx:
                    await tx.run(change)
        finally:
            await database.close()

    await prepare(None)
    good = await run_headway("verify", "--database", settings.database_url)
    await prepare(update(enrollments).values(percent=1))
    bad = await run_headway("verify", "--database", settings.database_url)

    assert (good.returncode, bad.returncode) == (0, 1)
    answer = json.loads(good.stdout)
    assert answer["differences"] == []
    assert answer["checked"]["learner_activity_logs"] == 12
    assert {each["column"] for each in json.loads(bad.stdout)["differences"]} == {"percent", "value"}
    assert "Events" in good.stderr


async def test_the_command_explains_a_learner_s_progress(settings: Settings) -> None:
    async def prepare() -> Played:
        database = schema.database(settings)
        await database.open()
        try:
            return await play(World(database, settings, FakeClock()))
        finally:
            await database.close()

    ids = (await prepare()).ids

    async def explain(user_id: int, course_id: int) -> "subprocess.CompletedProcess[str]":
        return await run_headway("verify", "--explain", str(user_id), str(course_id), "--database", settings.database_url)

    found = await explain(ids["beginner"], ids["course"])
    assert found.returncode == 0
    explained = json.loads(found.stdout)
    assert explained["calculation"] == "108.33 / 6 = 18.05, cut to two decimals"
    assert explained["contents"][3]["missing"] == "40 more percent of scroll depth"
    for user_id, course_id, message in (
        (999, ids["course"], "There is no user 999."),
        (ids["beginner"], 999, "There is no course 999."),
        (1, ids["course"], f"User 1 is not enrolled in course {ids['course']}."),
    ):
        refused = await explain(user_id, course_id)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.splitlines() == [f"Error: {message}"]
