"""Retention: what is too old is forgotten, and everything that follows from it stays as it is."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from headway.audit.tables import audit_entries
from headway.courses.model import CourseTree
from headway.disclosures.disclosing import disclose
from headway.disclosures.model import RecordKind
from headway.disclosures.tables import disclosures
from headway.enrollments.tables import enrollments
from headway.errors import Conflict
from headway.feed.tables import feed
from headway.identity import Caller, Role
from headway.instants import DAY
from headway.learning import forgetting_store
from headway.learning.archive_files import DamagedArchiveError
from headway.learning.model import ActivityType, Event, Outcome
from headway.learning.reset_model import ResetRequest
from headway.learning.tables import archives, learner_activity_logs, unit_progress
from headway.messaging.tables import conversations, messages
from headway.paging.service import Walk
from headway.privacy import retention as retention_module
from headway.settings import Settings
from tests.integration.archives import EVENTS, LATER, archive, archiving, files, record
from tests.integration.retentions import RULES, check, retain_until_killed, retention
from tests.integration.tampering import Played, play
from tests.world import NOON, World

PROGRESS = select(unit_progress).order_by(*unit_progress.primary_key)
ENROLLED = select(enrollments).order_by(*enrollments.primary_key)


@pytest.fixture
async def played(world: World) -> Played:
    return await play(world)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have many steps of few events."""
    monkeypatch.setattr(forgetting_store, "_AT_ONCE", 2)


def view(name: str, course: CourseTree, place: int, seconds: float) -> Event:
    return Event(name, ActivityType.UNIT_VIEW, course.id, unit_id=course.units[place].id, duration_seconds=seconds)


async def count(world: World, table: Any) -> int:
    return int((await world.rows(select(func.count()).select_from(table)))[0][0])


async def test_old_events_go_and_progress_stays_as_it_is(played: Played) -> None:
    world = played.world
    before = await world.rows(PROGRESS), await world.rows(ENROLLED)
    events = await count(world, learner_activity_logs)
    assert events > 5
    world.clock.now = LATER

    reports = {each.name: each for each in await retention(world).apply()}

    assert await count(world, learner_activity_logs) == 0
    assert reports["events"].removed == reports["events"].found.number == events
    assert (await world.rows(PROGRESS), await world.rows(ENROLLED)) == before
    await check(world)


async def test_events_that_are_young_enough_stay(played: Played) -> None:
    world = played.world
    stored = await world.rows(EVENTS)

    await retention(world).apply()

    assert await world.rows(EVENTS) == stored
    assert await actions(world) == []


async def test_a_repeated_event_that_was_forgotten_is_a_duplicate_and_another_one_a_conflict(world: World) -> None:
    course = await world.course()
    learner = await world.learner(course)
    event = view("e", course, 1, 30.0)
    assert await record(world, learner.id, event) == [Outcome.ACCEPTED]
    world.clock.now = LATER
    await retention(world).apply()

    assert await record(world, learner.id, event) == [Outcome.DUPLICATE]
    assert await record(world, learner.id, msgspec.structs.replace(event, duration_seconds=31.0)) == [Outcome.CONFLICT]
    await check(world)


async def test_learners_study_on_after_their_events_were_forgotten(world: World) -> None:
    course = await world.course()
    learner = await world.learner(course)
    for number in range(4):
        world.clock.now = NOON + number * 20 * DAY
        events = [view(f"{number} {place}", course, place, 20.0 + number) for place in range(len(course.units))]
        assert set(await record(world, learner.id, *events)) == {Outcome.ACCEPTED}
        await retention(world, retention_events_days=30).apply()
        await check(world)

    assert 0 < await count(world, learner_activity_logs) < 4 * len(course.units)


@pytest.mark.parametrize("unit", [None, 1])
async def test_what_was_reset_stays_reset_when_its_events_are_forgotten(world: World, unit: int | None) -> None:
    course = await world.course()
    learner, tutor = await world.learner(course), Caller(course.owner_id or 0, Role.INSTRUCTOR)
    request = ResetRequest(unit_id=None if unit is None else course.units[unit].id, keeps_study=False)
    resetting = world.services.resetting

    async def study(number: int) -> None:
        events = [view(f"{number} {place}", course, place, 20.0) for place in range(len(course.units))]
        assert set(await record(world, learner.id, *events)) == {Outcome.ACCEPTED}
        world.clock.advance(seconds=3_600)

    await study(1)
    await world.write(resetting.reset, tutor, course.id, learner.id, request)
    world.clock.advance(seconds=3_600)
    await study(2)
    second = await world.write(resetting.reset, tutor, course.id, learner.id, request)
    world.clock.advance(seconds=3_600)
    await study(3)
    await check(world)
    stored = await world.rows(PROGRESS)
    world.clock.advance(seconds=20 * 86_400)

    await retention(world, retention_events_days=10).apply()

    assert await count(world, learner_activity_logs) == 0
    assert await world.rows(PROGRESS) == stored
    await check(world)
    await world.write(resetting.undo, tutor, course.id, learner.id, second.id)
    await check(world)
    world.clock.advance(seconds=3_600)
    await world.write(resetting.reset, tutor, course.id, learner.id, request)
    await check(world)
    await study(4)
    await retention(world, retention_events_days=10).apply()
    await check(world)


async def test_events_that_are_forgotten_before_and_after_a_reset_stay_apart(world: World) -> None:
    course = await world.course()
    learner, tutor = await world.learner(course), Caller(course.owner_id or 0, Role.INSTRUCTOR)
    forgetting = retention(world, retention_events_days=10)

    async def study(name: str, seconds: float) -> None:
        assert await record(world, learner.id, view(name, course, 3, seconds)) == [Outcome.ACCEPTED]
        world.clock.advance(seconds=20 * 86_400)
        await forgetting.apply()
        await check(world)

    await study("before", 70.0)
    made = await world.write(world.services.resetting.reset, tutor, course.id, learner.id, ResetRequest())
    world.clock.advance(seconds=60)
    await study("after", 20.0)
    assert await count(world, learner_activity_logs) == 0

    await world.write(world.services.resetting.undo, tutor, course.id, learner.id, made.id)
    await study("undone", 30.0)
    await world.write(world.services.resetting.reset, tutor, course.id, learner.id, ResetRequest())
    world.clock.advance(seconds=60)
    await study("again", 10.0)


async def test_archives_that_are_old_go_with_their_files(played: Played, tmp_path: Path, small: None) -> None:
    world = played.world
    before = await world.rows(PROGRESS)
    await archive(world, tmp_path)
    assert files(tmp_path)
    await check(world)
    found = {each.name: each.found.number for each in await retention(world).look()}

    reports = {each.name: each for each in await retention(world).apply()}

    assert reports["events"].removed == found["events"] > 5
    assert (files(tmp_path), list(tmp_path.glob("*.json")), await count(world, archives)) == ([], [], 0)
    assert await world.rows(PROGRESS) == before
    await check(world)


async def test_an_archive_that_is_missing_stops_the_run_and_is_named(played: Played, tmp_path: Path) -> None:
    world = played.world
    await archive(world, tmp_path)
    missing = files(tmp_path)[0]
    moved = missing.rename(tmp_path / "elsewhere")

    with pytest.raises(DamagedArchiveError, match="is missing"):
        await retention(world).apply()

    moved.rename(missing)
    await retention(world).apply()
    assert files(tmp_path) == []
    await check(world)


async def test_a_run_that_is_killed_after_any_step_is_finished_by_the_next(
    played: Played, settings: Settings, small: None, tmp_path: Path
) -> None:
    world = played.world
    before = await world.rows(PROGRESS)
    await converse(world)
    await archive(world, tmp_path, before=LATER - 35 * DAY)
    step, is_killed = 0, True
    while is_killed and step < 40:
        is_killed = await asyncio.to_thread(retain_until_killed, settings, LATER, step)
        await check(world)
        assert await world.rows(PROGRESS) == before
        # The claim of the one that was killed has ended.
        world.clock.now = LATER + (step + 1) * retention_module.CLAIMED_FOR
        await retention(world).apply()
        await check(world)
        assert await count(world, learner_activity_logs) == 0
        step += 8
        world.clock.now = NOON + 5 * DAY
        await play_more(world, step)
        before = await world.rows(PROGRESS)

    assert step >= 8


async def play_more(world: World, number: int) -> None:
    """Record more events."""
    course = await world.course()
    learner = await world.learner(course)
    for each in range(5):
        event = view(f"{number} {each}", course, 1, 3.0)
        await record(world, learner.id, event)
    await converse(world)


async def test_two_runs_do_not_go_on_at_once(played: Played) -> None:
    world = played.world
    world.clock.now = LATER
    other = retention(world)
    refused: list[str] = []

    async def try_another() -> None:
        try:
            await retention(world).apply()
        except Conflict as error:
            refused.append(str(error))

    tasks: list[asyncio.Task[None]] = []
    await other.apply(lambda _removed, _all: tasks.append(asyncio.create_task(try_another())))
    await asyncio.gather(*tasks)

    assert refused
    assert all("Another retention run goes on" in each for each in refused)
    # One before contents of the log went, and one at the end.
    assert await actions(world) == ["APPLY_RETENTION"] * 2
    await check(world)


async def test_an_archive_that_was_begun_before_events_were_forgotten_is_not_kept(
    played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its draft may have events that are forgotten since."""
    world = played.world
    world.clock.now = LATER
    archive_run = archiving(world)
    original = archive_run._add

    async def forget_first(*args: Any) -> None:
        await retention(world).apply()
        await original(*args)

    monkeypatch.setattr(archive_run, "_add", forget_first)
    with pytest.raises(Exception, match="or forgotten or erased some"):
        await archive_run.run(LATER - DAY, tmp_path)

    assert files(tmp_path) == []
    await check(world)


async def converse(world: World) -> tuple[int, int]:
    """Have a tutor and a learner write to each other, both with something unread."""
    course = await world.course()
    learner, tutor = await world.learner(course), course.owner_id or 0
    for sender, receiver in ((learner.id, tutor), (tutor, learner.id), (learner.id, tutor)):
        world.clock.advance(seconds=1)
        await world.write(world.services.messaging.send, sender, receiver, "Hello")
    return learner.id, tutor


async def test_old_messages_go_on_both_sides_and_counts_follow(world: World) -> None:
    learner, tutor = await converse(world)
    gone = await converse(world)
    world.clock.advance(seconds=20 * 86_400)
    await world.write(world.services.messaging.send, tutor, learner, "Still there?")
    assert await unread(world, tutor) == 2

    reports = {each.name: each for each in await retention(world, retention_messages_days=10).apply()}

    assert reports["messages"].removed == reports["messages"].found.number == 6
    assert await count(world, messages) == 2
    assert [await unread(world, each) for each in (learner, tutor)] == [1, 0]
    async with world.database.read() as tx:
        (kept,) = (await world.services.messaging.list_conversations(tx, tutor, Walk(10, 1))).conversations
        assert kept.last_message.message == "Still there?"
        assert (await world.services.messaging.list_conversations(tx, gone[0], Walk(10, 1))).total == 0
    assert await count(world, conversations) == 2
    await check(world)


async def unread(world: World, user_id: int) -> int:
    async with world.database.read() as tx:
        return await world.services.messaging.count_unread(tx, user_id)


async def test_old_feed_entries_go_and_numbers_go_on(world: World) -> None:
    learner, tutor = await converse(world)
    world.clock.advance(seconds=20 * 86_400)

    await retention(world, retention_feed_days=10).apply()

    assert await count(world, feed) == 0
    await check(world)
    async with world.database.read() as tx:
        _, position = await world.services.feed.read_after(tx, f"user:{learner}", 0, limit=10)
    assert position.oldest == position.newest + 1
    await world.write(world.services.messaging.send, tutor, learner, "Again")
    async with world.database.read() as tx:
        (entry,), after = await world.services.feed.read_after(tx, f"user:{learner}", 0, limit=10)
    assert entry.seq == position.newest + 1 == after.oldest
    await check(world)


async def test_old_disclosures_go(world: World) -> None:
    for _ in range(2):
        async with world.database.read() as tx:
            for learner_id in range(1, 151):
                disclose(tx, Caller(999, Role.ADMIN), RecordKind.PROGRESS, learner_id=learner_id)
        world.clock.advance(seconds=15 * 86_400)

    reports = {each.name: each for each in await retention(world, retention_disclosures_days=20).apply()}

    assert reports["disclosures"].removed == reports["disclosures"].found.number == 150
    assert await count(world, disclosures) == 150


async def test_a_look_removes_nothing_and_tells_what_there_is(played: Played) -> None:
    world = played.world
    stored = await world.rows(EVENTS)
    world.clock.now = LATER

    reports = {each.name: each for each in await retention(world, retention_events_days=10).look()}

    assert reports["events"].found.number == len(stored)
    assert (reports["events"].found.oldest or 0) >= NOON
    assert (reports["messages"].days, reports["messages"].found.number) == (None, 0)
    assert await world.rows(EVENTS) == stored
    assert await actions(world) == []


async def test_the_log_tells_what_a_run_removed_and_the_last_run_is_known(played: Played) -> None:
    world = played.world
    world.clock.now = LATER
    applied = retention(world)
    reports = await applied.apply()

    async with world.database.read() as tx:
        last = await applied.last(tx)
    assert last is not None
    assert last.finished_at == LATER
    assert {name: number for name, number in last.removed.items() if number} == {
        each.name: each.removed for each in reports if each.removed
    }
    told = await actions(world)
    await applied.apply()
    assert await actions(world) == told


async def test_a_server_applies_the_rules_once_a_day_if_it_is_told_to(played: Played) -> None:
    world = played.world
    world.clock.now = LATER
    await retention(world, **RULES).apply_daily()
    assert await actions(world) == []

    daily = retention(world, **RULES, retention_daily=True)
    await daily.apply_daily()
    assert "APPLY_RETENTION" in await actions(world)
    assert await count(world, learner_activity_logs) == 0


async def actions(world: World) -> list[str]:
    found = await world.rows(select(audit_entries.c.action).where(audit_entries.c.action == "APPLY_RETENTION"))
    return [row[0] for row in found]
