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

from headway.identity import Caller, Role
from headway.settings import Settings
from headway.tutorials.model import ChapterReport
from headway.tutorials.tables import chapter_progress, quiz_scores, tutorial_progress
from tests.app_server import open_server
from tests.tutorial_reports import Post, expected, lasting, replays
from tests.world import FakeClock, World

PATH = "/v1/tutorials/progress/t"
UNLIMITED = {"tutorial_chapters_per_minute": 1_000, "tutorial_quizzes_per_minute": 1_000, "tutorial_resets_per_minute": 1_000}
AT_ONCE = 50


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
