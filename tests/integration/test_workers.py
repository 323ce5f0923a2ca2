"""Several server processes on one PostgreSQL receive the same events at the same time."""

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from headway.enrollments.tables import enrollments
from headway.ids import uuid7
from headway.instants import system_clock
from headway.learning.tables import learner_activity_logs, study_days, unit_progress
from headway.services import make_checks
from headway.verify import Verify
from tests.databases import SECRET_KEY
from tests.processes import HeadwayProcess, open_client, run_headway
from tests.world import World

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def events_of(course_id: int, unit_ids: list[int], count: int) -> list[dict[str, Any]]:
    return [
        {
            "event_id": uuid7(),
            "activity_type": "unit_view",
            "course_id": course_id,
            "unit_id": random.choice(unit_ids),
            "engagement_metrics": {"scroll_depth": random.randint(0, 100)},
            "start_time": f"2026-01-01T{i % 24:02d}:{i % 60:02d}:00Z",
            "end_time": f"2026-01-01T{i % 24:02d}:{i % 60:02d}:45Z",
        }
        for i in range(count)
    ]


async def send_to_all(urls: list[str], headers: list[dict[str, str]], events: list[list[dict[str, Any]]]) -> Counter[str]:
    """Send every learner's events to every server at once, in overlapping, shuffled batches; count accepted verdicts."""
    accepted: Counter[str] = Counter()

    async def send(client: httpx.AsyncClient, url: str, learner: int) -> None:
        mine = random.sample(events[learner], len(events[learner]))
        for first in range(0, len(mine), 15):
            body = {"events": mine[first : first + 25]}
            answer = await client.post(f"{url}/api/courses/activity/batch", json=body, headers=headers[learner])
            assert answer.status_code == 200, answer.text
            for result in answer.json()["data"]["results"]:
                assert result["status"] in {"accepted", "duplicate"}
                accepted[result["event_id"]] += result["status"] == "accepted"

    async with open_client(timeout=60) as client:
        await asyncio.gather(*(send(client, url, learner) for url in urls for learner in range(len(events)) for _ in range(2)))
    return accepted


@ON_POSTGRESQL
@pytest.mark.parametrize("arrangement", ["two workers", "two servers"])
async def test_each_event_is_stored_once_and_roll_ups_are_exact(
    world: World, database_url: str, tmp_path: Path, arrangement: str
) -> None:
    world.clock.now = system_clock()
    course = await world.course()
    learners = [await world.learner(course) for _ in range(6)]
    headers = [world.bearer(learner) for learner in learners]
    events = [events_of(course.id, [unit.id for unit in course.units], 120) for _ in learners]
    first = HeadwayProcess(database_url, tmp_path, SECRET_KEY, *(["--workers", "2"] if arrangement == "two workers" else []))
    second = HeadwayProcess(database_url, tmp_path, SECRET_KEY)

    with first:
        if arrangement == "two servers":
            with second:
                accepted = await send_to_all([first.url, second.url], headers, events)
        else:
            accepted = await send_to_all([first.url, first.url], headers, events)
        status = first.stop()

    stored = [row[0] for row in await world.rows(select(learner_activity_logs.c.event_id))]
    verified = await Verify(world.database, make_checks()).run()
    assert status == 0
    assert sorted(stored) == sorted(event["event_id"] for mine in events for event in mine)
    assert set(accepted.values()) == {1}
    assert verified.differences == []


@ON_POSTGRESQL
async def test_it_ends_in_the_state_that_one_server_ends_in(world: World, database_url: str, tmp_path: Path) -> None:
    world.clock.now = system_clock()
    course = await world.course()
    learners = [await world.learner(course) for _ in range(2)]
    headers = [world.bearer(learner) for learner in learners]
    same = events_of(course.id, [unit.id for unit in course.units], 100)
    events = [same, [{**event, "event_id": uuid7()} for event in same]]

    with (
        HeadwayProcess(database_url, tmp_path, SECRET_KEY) as first,
        HeadwayProcess(database_url, tmp_path, SECRET_KEY) as second,
    ):
        await send_to_all([first.url, second.url], headers[:1], events[:1])
        await send_to_all([first.url], headers[1:], events[1:])

    for table, columns in (
        (enrollments, ("status", "percent", "study_ms", "metadata", "last_activity_at")),
        (unit_progress, ("unit_id", "status", "percent", "study_ms", "metadata", "last_activity_at")),
        (study_days, ("day", "spans")),
    ):
        by_learner = [
            sorted(await world.rows(select(*(table.c[name] for name in columns)).where(table.c.user_id == learner.id)))
            for learner in learners
        ]
        assert by_learner[0] == by_learner[1]
        assert by_learner[0]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_several_workers_on_sqlite_are_refused(database_url: str) -> None:
    refused = await run_headway("serve", "--port", "0", "--workers", "2", "--database", database_url, secret_key=SECRET_KEY)

    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert "PostgreSQL" in refused.stderr


@ON_POSTGRESQL
async def test_postgresql_without_a_key_is_refused(database_url: str) -> None:
    refused = await run_headway("serve", "--port", "0", "--database", database_url)

    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert "HEADWAY_SECRET_KEY is required" in refused.stderr
