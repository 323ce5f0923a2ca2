"""Resets, undos and events of a learner at the same time, from several server processes: one after the other, in any order."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from headway.accounts.model import User
from headway.courses.completion import Completion, Rule
from headway.enrollments.tables import enrollments
from headway.errors import Conflict
from headway.identity import Caller, Role
from headway.ids import uuid7
from headway.instants import HOUR, SECOND, iso, system_clock
from headway.learning.model import ActivityType, Event, Outcome, Report
from headway.learning.reset_model import Reset, ResetRequest
from headway.learning.tables import event_residues, learner_activity_logs, resets, uncounted_events, unit_progress
from headway.settings import Settings
from tests.integration.classroom import Classroom, classroom
from tests.integration.concurrency import Request, differences, open_world, run_servers, send_all
from tests.integration.retentions import retention
from tests.integration.test_races import until_it_waits
from tests.world import World

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
VIEWED, MINUTE = Completion(Rule.VIEWED), Completion(Rule.TIME, 60)


def resets_path(room: Classroom, learner: User) -> str:
    return f"/api/v1/courses/{room.course.id}/enrollments/{learner.id}/resets"


async def classmates(room: Classroom, number: int) -> list[User]:
    """Make more learners of a course, who have viewed its first unit."""
    made = [await room.world.learner(room.course) for _ in range(number)]
    for learner in made:
        view = Event(uuid7(), ActivityType.UNIT_VIEW, room.course.id, unit_id=room.course.units[0].id)
        await room.record(view, learner=learner)
    return made


async def tutor_of(room: Classroom) -> dict[str, str]:
    return room.world.bearer(await room.world.find_user(room.course.owner_id or 0))


def outcome(answer: httpx.Response) -> str:
    return str(answer.json().get("code", answer.status_code))


async def test_of_resets_and_undos_at_once_one_of_each_is_done(settings: Settings, tmp_path: Path) -> None:
    async with open_world(settings) as world:
        room = await classroom(world, VIEWED)
        learners, tutor = await classmates(room, 8), await tutor_of(room)
        unit = {"unitId": str(room.course.units[0].id)}
        with run_servers(settings, tmp_path) as urls:
            posts: list[Request] = [("POST", resets_path(room, each), tutor, unit) for each in learners for _ in range(4)]
            made = await send_all(urls, posts)
            ids = {answer.json()["data"]["id"] for answer in made if answer.status_code == 201}
            assert Counter(map(outcome, made)) == {"201": len(learners), "NOTHING_TO_RESET": 3 * len(learners)}
            assert await differences(world) == []

            of = dict(await world.rows(select(resets.c.user_id, resets.c.id)))
            undo: list[Request] = [
                ("POST", f"{resets_path(room, each)}/{of[each.id]}/undo", tutor, None) for each in learners for _ in range(4)
            ]
            undone = await send_all(urls, undo)
            assert len(ids) == len(learners)
            assert Counter(map(outcome, undone)) == {"200": len(learners), "RESET_UNDONE": 3 * len(learners)}
        assert await differences(world) == []
        assert set(await world.rows(select(unit_progress.c.percent))) == {(10_000,)}


async def test_a_reset_and_an_undo_at_once_follow_each_other(settings: Settings, tmp_path: Path) -> None:
    async with open_world(settings) as world:
        room = await classroom(world, VIEWED)
        learners, tutor = await classmates(room, 12), await tutor_of(room)
        with run_servers(settings, tmp_path) as urls:
            first = await send_all(urls, [("POST", resets_path(room, each), tutor, {}) for each in learners])
            world.clock.now = system_clock()
            for learner in learners:
                await room.record(room.view(0, "again"), learner=learner)
            both: list[Request] = []
            for learner, answer in zip(learners, first, strict=True):
                path = resets_path(room, learner)
                both += [("POST", path, tutor, {}), ("POST", f"{path}/{answer.json()['data']['id']}/undo", tutor, None)]
            answers = [outcome(answer) for answer in await send_all(urls, both)]

        # Whichever came first: with the undo, all is reset; with the reset, the earlier one is the last no more.
        assert {*zip(answers[::2], answers[1::2], strict=True)} <= {("201", "200"), ("201", "NOT_LAST_RESET")}
        assert await differences(world) == []
        assert set(await world.rows(select(unit_progress.c.percent))) == {(0,)}


async def test_what_learners_do_while_they_are_reset_is_all_kept(settings: Settings, tmp_path: Path) -> None:
    async with open_world(settings) as world:
        room = await classroom(world, MINUTE, VIEWED)
        learners, tutor = await classmates(room, 4), await tutor_of(room)
        now, units = world.clock(), [unit.id for unit in room.course.units]

        def events(learner: User, number: int) -> list[dict[str, Any]]:
            ends = [now - (number * 25 + place) * 11 * SECOND for place in range(25)]
            return [
                {
                    "event_id": f"{learner.id} {number} {place}",
                    "activity_type": "link_click",
                    "course_id": room.course.id,
                    "unit_id": units[place % 2],
                    "start_time": iso(end - 10 * SECOND),
                    "end_time": iso(end),
                    "sent_at": iso(now),
                }
                for place, end in enumerate(ends)
            ]

        with run_servers(settings, tmp_path) as urls:
            requests: list[Request] = []
            for number in range(8):
                for learner in learners:
                    body = {"events": events(learner, number)}
                    requests.append(("POST", "/api/courses/activity/batch", world.bearer(learner), body))
                    keeps = {"keepStudyTime": bool(number % 2)}
                    requests.append(("POST", resets_path(room, learner), tutor, keeps))
            answers = await send_all(urls, requests)
            assert {answer.status_code for answer in answers} <= {200, 201, 409}
            assert await differences(world) == []

            for learner in learners:
                path = resets_path(room, learner)
                for made in (await send_all(urls, [("GET", path, tutor, None)]))[0].json()["data"]:
                    (undone,) = await send_all(urls, [("POST", f"{path}/{made['id']}/undo", tutor, None)])
                    assert undone.status_code == 200
        assert await differences(world) == []
        studied = await world.rows(select(enrollments.c.study_ms).where(enrollments.c.user_id != room.learner.id))
        assert studied == [(8 * 25 * 10 * SECOND,)] * len(learners)
        assert len(await world.rows(select(learner_activity_logs.c.event_id))) == len(learners) * (8 * 25 + 1)


def where(room: Classroom) -> tuple[Caller, int, int]:
    return Caller(room.course.owner_id, Role.INSTRUCTOR), room.course.id, room.learner.id


def late_view(room: Classroom) -> Event:
    """A view an hour ago."""
    unit_id, at = room.course.units[0].id, room.world.clock() - HOUR
    return Event("late", ActivityType.UNIT_VIEW, room.course.id, unit_id=unit_id, end_time=at)


@ON_POSTGRESQL
async def test_a_group_that_waits_for_a_reset_knows_of_it(world: World, other: World) -> None:
    room = await classroom(world, VIEWED)
    await room.record(Event("begun", ActivityType.LINK_CLICK, room.course.id, unit_id=room.course.units[0].id))
    async with world.database.write() as tx:
        await world.services.resetting.reset(tx, *where(room), ResetRequest())
        report = Report(room.learner.id, world.clock(), (late_view(room),))
        task = asyncio.create_task(other.services.ingest.record(report))
        await until_it_waits(world.database)
    (verdict,) = await task

    assert verdict.outcome is Outcome.ACCEPTED
    assert await room.unit_percent(0) == (0, "NOT_STARTED")
    assert len(await world.rows(select(uncounted_events))) == 1
    assert await differences(world) == []


@ON_POSTGRESQL
async def test_a_reset_that_waits_for_a_group_takes_what_that_wrote(world: World, other: World) -> None:
    room = await classroom(world, VIEWED)
    async with world.database.write() as tx:
        await world.services.tracking.record(
            tx, [Report(room.learner.id, world.clock(), (room.view(0), late_view(room)))], world.clock()
        )
        task = asyncio.create_task(other.write(other.services.resetting.reset, *where(room), ResetRequest()))
        await until_it_waits(world.database)
    made = await task

    assert made.before.percent == 10_000
    assert await room.unit_percent(0) == (0, "NOT_STARTED")
    assert await differences(world) == []


@ON_POSTGRESQL
@pytest.mark.parametrize("first", ["undo", "forget"])
async def test_a_late_event_counts_or_is_forgotten_when_its_reset_is_undone_meanwhile(
    world: World, other: World, first: str
) -> None:
    room = await classroom(world, VIEWED)
    await room.record(Event("begun", ActivityType.LINK_CLICK, room.course.id, unit_id=room.course.units[0].id))
    made = await world.write(world.services.resetting.reset, *where(room), ResetRequest())
    world.clock.advance(seconds=60)
    late = late_view(room)
    await room.record(late)
    world.clock.advance(seconds=20 * 86_400)

    async def undo() -> Reset:
        return await other.write(other.services.resetting.undo, *where(room), made.id)

    async with world.database.write() as tx:
        # The first of the two has locked what is kept of the event when the other comes.
        taken = uncounted_events.c.event_id == "late"
        await tx.all(select(uncounted_events.c.event_id).where(taken).with_for_update())
        forgetting = retention(other, retention_events_days=10)
        begin: list[Callable[[], Coroutine[Any, Any, object]]] = [forgetting.apply, undo]
        tasks = []
        for each in begin if first == "forget" else reversed(begin):
            tasks.append(asyncio.create_task(each()))
            await until_it_waits(world.database)
            await asyncio.sleep(0.2)
    await asyncio.gather(*tasks)

    assert await world.rows(select(uncounted_events)) == []
    assert len(await world.rows(select(event_residues))) > 0
    assert await differences(world) == []


@ON_POSTGRESQL
async def test_two_processes_that_reset_at_once_reset_once(world: World, other: World) -> None:
    room = await classroom(world, VIEWED)
    await room.record(room.view(0))
    async with world.database.write() as tx:
        await world.services.resetting.reset(tx, *where(room), ResetRequest())
        task = asyncio.create_task(other.write(other.services.resetting.reset, *where(room), ResetRequest()))
        await until_it_waits(world.database)
    with pytest.raises(Conflict, match="no progress"):
        await task
    assert await differences(world) == []
