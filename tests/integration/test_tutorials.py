"""Tutorials as they are stored: posts at the same time lose nothing, and any replay of posts ends in the same state."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from sqlalchemy import select

from headway.audit.model import EntryFilter
from headway.errors import Forbidden
from headway.identity import Caller, Role
from headway.paging.service import Walk
from headway.settings import Settings
from headway.tutorials.model import ChapterReport
from headway.tutorials.tables import chapter_progress, quiz_scores, tutorial_progress
from tests.app_server import open_server
from tests.tutorial_reports import Post, expected, lasting, replays
from tests.world import FakeClock, World

PATH = "/v1/tutorials/progress/t"
UNLIMITED = {"tutorial_chapters_per_minute": 1_000, "tutorial_quizzes_per_minute": 1_000, "tutorial_resets_per_minute": 1_000}
AT_ONCE = 50
LEARNERS = 120


@pytest.fixture
async def server(settings: Settings, clock: FakeClock) -> AsyncIterator[tuple[httpx.AsyncClient, World]]:
    async with open_server(msgspec.structs.replace(settings, **UNLIMITED), clock) as client_and_world:
        yield client_and_world


async def test_50_posts_at_the_same_time_lose_nothing(server: tuple[httpx.AsyncClient, World]) -> None:
    client, world = server
    headers = world.bearer(await world.user())
    numbers = random.Random(1).sample(range(AT_ONCE), AT_ONCE)

    async def post(number: int) -> httpx.Response:
        if number % 2:
            body = {"quizId": "q", "score": number, "maxScore": AT_ONCE, "passed": number == 31}
            return await client.post(f"{PATH}/quiz", json=body, headers=headers)
        body = {"chapterId": f"c{number % 10}", "watchTime": number, "completed": True, "totalChapters": number}
        return await client.post(f"{PATH}/chapter", json=body, headers=headers)

    answers = await asyncio.gather(*map(post, numbers))
    found = (await client.get(PATH, headers=headers)).json()

    assert {answer.status_code for answer in answers} == {200}
    (quiz,) = found["quizScores"]
    assert (quiz["attempts"], quiz["score"], quiz["maxScore"], quiz["passed"]) == (25, 49, 50, True)
    assert {each["chapterId"]: each["watchTime"] for each in found["chapterProgress"]} == {
        "c0": 40,
        "c2": 42,
        "c4": 44,
        "c6": 46,
        "c8": 48,
    }
    assert (found["chaptersCompleted"], found["totalChapters"], found["completionPercentage"]) == (5, 48, 10)


async def test_resets_among_posts_leave_either_nothing_or_a_whole(server: tuple[httpx.AsyncClient, World]) -> None:
    client, world = server
    user = await world.user()
    headers = world.bearer(user)

    async def act(number: int) -> httpx.Response:
        if number % 3 == 2:
            return await client.delete(PATH, headers=headers)
        body = {"chapterId": f"c{number % 2}", "watchTime": 1, "completed": True, "totalChapters": 2}
        return await client.post(f"{PATH}/chapter", json=body, headers=headers)

    answers = await asyncio.gather(*map(act, range(AT_ONCE)))

    assert {answer.status_code for answer in answers} == {200}
    rows = {table.name: await world.rows(select(table)) for table in (tutorial_progress, chapter_progress)}
    assert bool(rows["tutorial_progress"]) is bool(rows["chapter_progress"])


async def test_whole_numbers_are_answered_as_whole_numbers(server: tuple[httpx.AsyncClient, World]) -> None:
    client, world = server
    headers = world.bearer(await world.user())
    body = {"chapterId": "a", "watchTime": 300.0, "lastPosition": 0.5, "completed": True, "totalChapters": 2}
    text = (await client.post(f"{PATH}/chapter", json=body, headers=headers)).text

    assert '"completionPercentage":50,"chaptersCompleted":1,"totalChapters":2,' in text
    assert '"watchTime":300,"completed":true,"lastPosition":0.5' in text
    assert '"totalWatchTime":300,' in text


async def test_what_was_deleted_is_deleted_and_what_is_told_is_stored_with_it(world: World) -> None:
    user = await world.user()
    caller, tutorials = Caller(user.id, Role.PARTICIPANT), world.services.tutorials
    assert await world.write(tutorials.reset, caller, "t", None) is False
    await world.write(tutorials.report_chapter, caller, "t", None, ChapterReport(id="a", watch_time=1))
    await world.write(tutorials.report_chapter, caller, "u", None, ChapterReport(id="a", watch_time=1))

    assert await world.write(tutorials.reset, caller, "t", None) is True
    for table in (tutorial_progress, chapter_progress):
        assert [row[1] for row in await world.rows(select(table))] == ["u"]


class Classroom:
    """Learners who post in one order or another."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def post(self, posts: Sequence[Post]) -> dict[str, Any]:
        """Post as a new learner; give what lasts of it, as it is read from what is stored."""
        caller = Caller((await self.world.user()).id, Role.PARTICIPANT)
        tutorials = self.world.services.tutorials
        for post in posts:
            self.world.clock.advance(seconds=1)
            if isinstance(post, ChapterReport):
                answered = await self.world.write(tutorials.report_chapter, caller, "t", None, post)
            else:
                answered = await self.world.write(tutorials.report_attempt, caller, "t", None, post)
        found = await self.world.read(tutorials.read, caller, "t", None)
        assert not posts or found == answered
        await self._check_attempts(caller, posts)
        return lasting(found.progress)

    async def _check_attempts(self, caller: Caller, posts: Sequence[Post]) -> None:
        stored = select(quiz_scores.c.quiz_id, quiz_scores.c.attempts).where(quiz_scores.c.user_id == caller.user_id)
        attempts = [post.id for post in posts if not isinstance(post, ChapterReport)]
        assert dict(await self.world.rows(stored)) == {name: attempts.count(name) for name in set(attempts)}


@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(replay=replays())
async def test_any_replay_is_stored_as_the_same_state(world: World, replay: tuple[list[Post], list[Post]]) -> None:
    classroom = Classroom(world)

    assert await classroom.post(replay[1]) == await classroom.post(replay[0]) == expected(replay[0])


ADMIN = Caller(1, Role.ADMIN)


async def test_what_is_settled_holds_in_whatever_order_it_comes(world: World) -> None:
    tutorials, found = world.services.tutorials, []
    posts = [ChapterReport(id=name, watch_time=1, is_completed=True, total_chapters=5) for name in "abc"]
    for position in range(len(posts) + 1):
        caller, tutorial_id = Caller((await world.user()).id, Role.PARTICIPANT), f"t{position}"
        for number in range(len(posts) + 1):
            if number == position:
                await world.write(tutorials.settle, ADMIN, tutorial_id, total_chapters=2, retired_chapters=["c", "d"])
            if number < len(posts):
                await world.write(tutorials.report_chapter, caller, tutorial_id, None, posts[number])
        progress = (await world.read(tutorials.read, caller, tutorial_id, None)).progress
        found.append((progress.percent, progress.chapters_completed, progress.total_chapters, progress.watch_time))

    assert found == [(100, 2, 2, 3)] * 4


async def test_learners_whose_progress_looks_different_are_told_and_nobody_else(world: World) -> None:
    """More learners than are read at once: of each three, one completed one chapter, one both, one nothing."""
    tutorials = world.services.tutorials
    people = [await world.user() for _ in range(LEARNERS)]
    for number, user in enumerate(people):
        for name in ["", "a", "ab"][number % 3] or "c":
            report = ChapterReport(id=name, watch_time=1, is_completed=name != "c", total_chapters=4)
            await world.write(tutorials.report_chapter, Caller(user.id, user.role), "t", None, report)
    other = await world.user()
    elsewhere = ChapterReport(id="a", watch_time=1, is_completed=True, total_chapters=4)
    await world.write(tutorials.report_chapter, Caller(other.id, other.role), "other", None, elsewhere)

    async def newest(user_id: int) -> dict[str, Any] | None:
        entries, _ = await world.read(world.services.feed.read_after, f"user:{user_id}", 0, limit=10)
        return msgspec.json.decode(entries[-1].data) if entries else None

    before = {user.id: await newest(user.id) for user in [*people, other]}
    await world.write(tutorials.settle, ADMIN, "t", total_chapters=2)
    after = {user.id: await newest(user.id) for user in [*people, other]}

    for number, user in enumerate(people):
        if number % 3 == 0:
            assert after[user.id] == before[user.id]
        else:
            shown = after[user.id]
            assert shown is not None
            assert (shown["completionPercentage"], shown["certificateEligible"]) == [(50, False), (100, True)][number % 3 - 1]
    assert after[other.id] == before[other.id]


async def test_settling_is_recorded_if_it_changes_something(world: World) -> None:
    tutorials = world.services.tutorials
    for _ in range(2):
        await world.write(tutorials.settle, ADMIN, "t", total_chapters=2, retired_chapters=["a", "b"])
    await world.write(tutorials.settle, ADMIN, "t", retired_chapters=["b", "c"])
    await world.write(tutorials.settle, ADMIN, "t", total_chapters=None)
    with pytest.raises(Forbidden):
        await world.write(tutorials.settle, Caller(2, Role.INSTRUCTOR), "t", total_chapters=1)

    page = await world.read(world.services.audit_log.read, ADMIN, EntryFilter(), Walk(10, 1))

    assert {(each.action, each.target.id, each.actor.user_id) for each in page} == {("CHANGE_TUTORIAL", "t", "1")}
    assert [each.metadata for each in reversed(page)] == [
        {"totalChapters": {"from": None, "to": 2}, "retired": ["a", "b"], "restored": []},
        {"totalChapters": {"from": 2, "to": 2}, "retired": ["c"], "restored": ["a"]},
        {"totalChapters": {"from": 2, "to": None}, "retired": [], "restored": []},
    ]


async def test_reports_and_settling_at_the_same_time_end_in_one_state(world: World) -> None:
    tutorials = world.services.tutorials
    people = [await world.user() for _ in range(10)]
    report = ChapterReport(id="a", watch_time=1, is_completed=True, total_chapters=4)

    async def act(number: int) -> None:
        if number % 3 == 0:
            await world.write(tutorials.settle, ADMIN, "t", total_chapters=2 if number == 27 else 3)
        else:
            user = people[number % 10]
            await world.write(tutorials.report_chapter, Caller(user.id, user.role), "t", None, report)

    await asyncio.gather(*map(act, range(27)))
    await act(27)

    for user in people:
        found = await world.read(tutorials.read, Caller(user.id, user.role), "t", None)
        assert (found.progress.percent, found.progress.total_chapters) == (50, 2)
        entries, _ = await world.read(world.services.feed.read_after, f"user:{user.id}", 0, limit=100)
        assert msgspec.json.decode(entries[-1].data)["completionPercentage"] == 50
