"""Two server processes that write at the same time: what one statement read before the other committed is read again."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from headway import schema
from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree
from headway.db.database import Database
from headway.instants import SECOND
from headway.learning.model import ActivityType, Event, Outcome, Report
from headway.settings import Settings
from headway.telemetry import Metrics
from tests.integration.concurrency import differences
from tests.world import NOON, FakeClock, World

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def metrics() -> Metrics:
    """The metrics of the other server process."""
    return Metrics()


@pytest.fixture
async def other(settings: Settings, clock: FakeClock, metrics: Metrics) -> AsyncIterator[World]:
    """Another server process of the same database."""
    database = schema.database(settings, metrics)
    await database.open()
    yield World(database, settings, clock)
    await database.close()


def studied(course: CourseTree, unit: int, name: str, start: int, seconds: int = 10) -> Event:
    begin = NOON + start * SECOND
    end = begin + seconds * SECOND
    return Event(name, ActivityType.UNIT_VIEW, course.id, unit_id=course.units[unit].id, start_time=begin, end_time=end)


async def until_it_waits(database: Database) -> None:
    """Wait until a transaction waits for a lock."""
    for _ in range(400):
        await asyncio.sleep(0.01)
        async with database.read() as tx:
            waiting = await tx._connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")  # type: ignore[attr-defined]
        if waiting:
            return
    raise AssertionError("nothing waits for a lock")


async def test_what_another_process_commits_while_a_group_waits_for_its_lock_is_merged(world: World, other: World) -> None:
    course = await world.course((Completion(Rule.TIME, 60), Completion(Rule.VIEWED)))
    learner = await world.learner(course)
    mine, theirs = studied(course, 0, "mine", 0), studied(course, 0, "theirs", 5)
    async with world.database.write() as tx:
        await world.services.tracking.record(tx, [Report(learner.id, NOON + 60 * SECOND, (mine,))], NOON)
        task = asyncio.create_task(other.services.ingest.record(Report(learner.id, NOON + 60 * SECOND, (theirs,))))
        await until_it_waits(world.database)
    (verdict,) = await task

    assert verdict.outcome is Outcome.ACCEPTED
    async with world.database.read() as tx:
        enrollment = await world.services.enrollments.find(tx, learner.id, course.id)
    assert enrollment is not None
    assert enrollment.study_ms == 15 * SECOND
    assert await differences(world) == []


async def test_an_event_that_another_process_stores_at_the_same_time_is_stored_once(
    world: World, other: World, metrics: Metrics
) -> None:
    first, second = await world.course(), await world.course()
    learner = await world.learner(first)
    await world.write(world.services.enrollments.enroll, learner.id, second.id)
    event, same_id = studied(first, 0, "event", 0), studied(second, 0, "event", 0)
    async with world.database.write() as tx:
        await world.services.tracking.record(tx, [Report(learner.id, NOON + 60 * SECOND, (event,))], NOON)
        # Neither waits for the other's enrollment, so both see that there is no such event yet.
        task = asyncio.create_task(
            other.services.ingest.record(Report(learner.id, NOON + 60 * SECOND, (studied(second, 0, "own", 30), same_id)))
        )
        await until_it_waits(world.database)
    verdicts = await task

    assert [verdict.outcome for verdict in verdicts] == [Outcome.ACCEPTED, Outcome.CONFLICT]
    assert await differences(world) == []
    assert b'headway_transactions_failed_total{kind="write"} 0.0' in metrics.page(), "the database was never unavailable"


@pytest.mark.parametrize("is_renamed_first", [True, False])
async def test_a_name_and_interests_that_change_at_the_same_time_are_both_kept(
    world: World, other: World, *, is_renamed_first: bool
) -> None:
    user = await world.user()
    rename: Any = (world.services.accounts.change, {"name": "Countess"})
    describe: Any = (world.services.accounts.change_profile, {"interests": ["numbers"]})
    (first, given), (second, given_then) = (rename, describe) if is_renamed_first else (describe, rename)
    async with world.database.write() as tx:
        await first(tx, user.id, **given)
        task = asyncio.create_task(other.write(second, user.id, **given_then))
        await until_it_waits(world.database)
    await task

    async with world.database.read() as tx:
        account = await world.services.accounts.find_account(tx, user.id)
    assert (account.user.name, account.interests) == ("Countess", ["numbers"])
