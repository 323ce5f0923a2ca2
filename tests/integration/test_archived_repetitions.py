"""Exactly once holds for ever: what is sent again after it was archived is a duplicate, or a conflict, and changes nothing."""

import asyncio
import json
import random
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import select

from headway.courses.completion import EngagementMetrics
from headway.db import dialects
from headway.db.database import Row
from headway.db.dialects import Statement
from headway.db.postgres import Planner
from headway.enrollments.tables import enrollments
from headway.instants import DAY, iso, system_clock
from headway.learning import archive_store
from headway.learning.model import ActivityType, Event, Outcome, Report
from headway.learning.tables import learner_activity_logs, study_days, unit_progress
from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.integration.archives import EVENTS, archive, archived, record, verify
from tests.integration.concurrency import Request, open_world, run_servers, send_all
from tests.integration.observations import SHORT_COURSE, Sample, expected, replays
from tests.integration.tampering import Played, play
from tests.integration.test_merge_properties import Classroom
from tests.plans import connect, explain_generic, find_scans, find_scans_on_sqlite, read_indexes
from tests.processes import run_headway
from tests.world import EVERY_RULE, NOON, World

STATE = (unit_progress, study_days, enrollments)


@pytest.fixture
async def played(world: World) -> Played:
    return await play(world)


async def state(world: World) -> list[list[tuple[Any, ...]]]:
    return [await world.rows(select(table).order_by(*table.primary_key)) for table in STATE]


def events_of(played: Played, learner: str, rows: list[tuple[Any, ...]]) -> list[Event]:
    """Return the events of a learner as they were sent; `rows` are those of the table."""
    names = [column.name for column in learner_activity_logs.c]
    stored = [dict(zip(names, row, strict=True)) for row in rows if row[0] == played.ids[learner]]
    return [as_sent(row) for row in stored]


def as_sent(row: dict[str, Any]) -> Event:
    metrics = EngagementMetrics(row["scroll_depth"], row["video_watch_percentage"], row["interaction_count"])
    names = (
        *("event_id", "course_id", "unit_id", "duration_seconds", "start_time", "end_time", "session_id", "metadata"),
        *("video_segments", "video_duration_seconds"),
    )
    return Event(
        activity_type=ActivityType(row["activity_type"]),
        metrics=None if metrics == EngagementMetrics() else metrics,
        **{name: row[name] for name in names},
    )


async def test_all_that_was_archived_is_a_duplicate_whenever_and_however_it_is_sent_again(
    played: Played, tmp_path: Path
) -> None:
    world = played.world
    stored = await world.rows(EVENTS)
    await archive(world, tmp_path)
    before = await state(world)

    for days in (0, 400):
        world.clock.now = NOON + days * DAY
        for learner in ("finisher", "beginner", "leaver"):
            sent = events_of(played, learner, stored)
            random.Random(days).shuffle(sent)
            assert sent
            assert set(await record(world, played.ids[learner], *sent, *sent)) == {Outcome.DUPLICATE}

    assert await world.rows(EVENTS) == []
    assert await state(world) == before
    assert (await verify(world)).differences == []


async def test_an_archived_id_with_other_content_is_a_conflict(played: Played, tmp_path: Path) -> None:
    world, learner = played.world, played.ids["beginner"]
    stored = await world.rows(EVENTS)
    await archive(world, tmp_path)
    before = await state(world)
    (midnight,) = (each for each in events_of(played, "beginner", stored) if each.event_id == "midnight")
    changes: list[dict[str, Any]] = [
        {"activity_type": ActivityType.LINK_CLICK},
        {"unit_id": played.ids["scroll"]},
        {"module_id": played.course.modules[1].id},
        {"duration_seconds": 5.0},
        {"end_time": midnight.end_time + 1 if midnight.end_time else None},
        {"session_id": "another"},
        {"metadata": '{"a":1}'},
    ]

    for change in changes:
        fields = {name: getattr(midnight, name) for name in midnight.__struct_fields__}
        assert await record(world, learner, Event(**fields | change)) == [Outcome.CONFLICT], change
    assert await record(world, learner, midnight) == [Outcome.DUPLICATE]
    assert await state(world) == before


async def test_a_repetition_that_would_be_refused_by_now_is_a_duplicate_all_the_same(played: Played, tmp_path: Path) -> None:
    """The leaver left the course, and the time for late work is over."""
    world, leaver = played.world, played.ids["leaver"]
    (left,) = events_of(played, "leaver", await world.rows(EVENTS))
    await archive(world, tmp_path)
    world.clock.now = NOON + 400 * DAY

    new = Event("new", ActivityType.COURSE_VIEW, played.course.id)
    assert await record(world, leaver, left, new) == [Outcome.DUPLICATE, Outcome.REJECTED]


async def test_the_same_id_of_somebody_else_is_a_new_event(played: Played, tmp_path: Path) -> None:
    world = played.world
    await archive(world, tmp_path)

    same_id = Event("midnight", ActivityType.SEARCH, played.course.id)
    assert await record(world, played.ids["finisher"], same_id) == [Outcome.ACCEPTED]
    assert (await verify(world)).differences == []


async def test_new_events_of_the_archived_time_are_accepted(played: Played, tmp_path: Path) -> None:
    world, learner = played.world, played.ids["beginner"]
    await archive(world, tmp_path)
    late = Event("late", ActivityType.SEARCH, played.course.id, start_time=NOON - 9_000, end_time=NOON - 5_000)

    assert await record(world, learner, late, late) == [Outcome.ACCEPTED, Outcome.DUPLICATE]
    assert (await verify(world)).differences == []


EXAMPLES = examples(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


async def assert_archives_change_nothing(
    classroom: Classroom, folder: Path, sent: list[Sample], groups: list[list[Sample]], archived_first: int
) -> None:
    """Record some, archive them, record the rest, and all of it once more in another order and grouping."""
    world = classroom.world
    world.clock.now = NOON
    learners = await classroom.enroll()
    await classroom.record(learners, [[each] for each in sent[:archived_first]])
    await archive(world, folder)
    world.clock.now = NOON
    await classroom.record(learners, groups)
    await classroom.record(learners, [sent])

    events = [each for each in sent if each.fields["activity_type"] != "heartbeat"]
    in_table = [row for row in await world.rows(EVENTS) if row[0] in learners]
    in_files = [row for row in archived(folder) if row[0] in learners]
    assert len(in_files) == len([each for each in sent[:archived_first] if each in events])
    assert len({(row[0], row[1]) for row in [*in_table, *in_files]}) == len(in_table) + len(in_files) == len(events)
    assert await classroom.reached(learners) == expected(sent, classroom.courses)


@pytest.fixture
async def classroom(world: World) -> Classroom:
    return Classroom(world, [await world.course(EVERY_RULE), await world.course(SHORT_COURSE)])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@examples(EXAMPLES, max_examples=30)
@given(replay=replays(), share=st.floats(0, 1))
async def test_any_replay_around_an_archive_ends_in_the_right_state_on_sqlite(
    classroom: Classroom, tmp_path: Path, replay: tuple[list[Sample], list[list[Sample]]], share: float
) -> None:
    await assert_archives_change_nothing(classroom, tmp_path, *replay, archived_first=round(share * len(replay[0])))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@examples(EXAMPLES, max_examples=8)
@given(replay=replays(), share=st.floats(0, 1))
async def test_any_replay_around_an_archive_ends_in_the_right_state_on_postgresql(
    classroom: Classroom, tmp_path: Path, replay: tuple[list[Sample], list[list[Sample]]], share: float
) -> None:
    await assert_archives_change_nothing(classroom, tmp_path, *replay, archived_first=round(share * len(replay[0])))


async def test_servers_record_while_events_are_archived(settings: Settings, tmp_path: Path) -> None:
    """Old events are sent again all the time, beside new ones, while they leave the table."""
    settings = Settings(database_url=settings.database_url, secret_key=SECRET_KEY)
    async with open_world(settings) as world:
        course = await world.course()
        learners = [await world.learner(course) for _ in range(4)]
        world.clock.now = system_clock() - 3 * DAY
        old = [Event(f"old {n}", ActivityType.SEARCH, course.id, duration_seconds=1.0) for n in range(600)]
        for learner in learners:
            await world.write(world.services.tracking.record, [Report(learner.id, world.clock(), tuple(old))], world.clock())
        world.clock.now = system_clock()
        command = ["events", "archive", "--before", iso(world.clock() - DAY)[:10], "--to", str(tmp_path / "archives")]

        def requests(round_: int) -> list[Request]:
            def item(name: str) -> dict[str, Any]:
                return {"event_id": name, "activity_type": "search", "course_id": course.id, "duration_seconds": 1}

            sent = []
            for learner in learners:
                for start in range(0, 600, 60):
                    again = [item(f"old {n}") for n in range(start, start + 60)]
                    body = {"events": [*again, item(f"new {round_} {start}")]}
                    sent.append(("POST", "/api/courses/activity/batch", world.bearer(learner), body))
            return sent

        with run_servers(settings, tmp_path) as urls:
            flags = ["--database", settings.database_url]
            archiving = asyncio.create_task(run_headway(*command, *flags, secret_key=SECRET_KEY))
            rounds = 0
            while rounds < 2 or not archiving.done():
                for answer in await send_all(urls, requests(rounds)):
                    assert answer.status_code == 200, answer.text
                    data = answer.json()["data"]
                    assert (data["duplicates"], data["accepted"]) == (60, 1), data
                rounds += 1
            done = await archiving

        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["events"] == 2400
        assert len(await world.rows(EVENTS)) == rounds * 40
        assert (await verify(world)).differences == []


async def test_kept_ids_are_looked_up_by_their_key(played: Played, settings: Settings, tmp_path: Path) -> None:
    await archive(played.world, tmp_path)
    statement = archive_store._chunks
    if settings.is_sqlite:
        sql = dialects.sqlite3().compile(statement).sql
        assert list(find_scans_on_sqlite(sqlite3.connect(settings.sqlite_path), sql)) == []
        return
    connection = await connect(settings.database_url, Planner.LOOKS_UP)
    await connection.execute("ANALYZE")
    plan = await explain_generic(connection, dialects.postgresql().compile(statement).sql)
    found = list(find_scans(plan, await read_indexes(connection)))
    await connection.close()
    assert found == []


async def test_the_ids_of_a_learner_without_archived_events_are_not_looked_up(played: Played, tmp_path: Path) -> None:
    world = played.world
    await archive(world, tmp_path)

    for learner, lookups in (("idler", 0), ("beginner", 1)):
        report = Report(played.ids[learner], world.clock(), (Event("new", ActivityType.SEARCH, played.course.id),))
        async with world.database.write() as tx:
            statements: list[Statement] = []
            read = tx.all

            async def counted(statement: Statement, **params: Any) -> Sequence[Row]:
                statements.append(statement)  # noqa: B023 - it is used within the block
                return await read(statement, **params)  # noqa: B023

            setattr(tx, "all", counted)  # noqa: B010 - of this transaction alone
            await world.services.tracking.record(tx, [report], world.clock())
            assert statements.count(archive_store._chunks) == lookups
