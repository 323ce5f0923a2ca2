"""How often a caller may ask each route, as the answers tell it, where windows are in memory and where they are in rows."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from headway.identity import Role
from headway.settings import Settings
from tests.app_server import open_server
from tests.contract.tutorials.scene import SCENE
from tests.world import FakeClock, World

CHAPTER = {"chapterId": "a", "watchTime": 1, "completed": True, "totalChapters": 1}
QUIZ = {"quizId": "q", "score": 1, "maxScore": 1, "passed": True}
ROUTES = {
    "read": (60, "GET", "t", None),
    "chapter": (30, "POST", "t/chapter", CHAPTER),
    "quiz": (10, "POST", "t/quiz", QUIZ),
    "complete": (5, "POST", "t/complete", {}),
    "reset": (5, "DELETE", "t", None),
}


class TutorialCaller:
    """A caller of the tutorials."""

    def __init__(self, client: httpx.AsyncClient, bearer: dict[str, str]) -> None:
        self.client = client
        self.bearer = bearer

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self.client.request(method, f"{SCENE.prefix}/{path}", json=body, headers=self.bearer | headers)

    async def statuses(self, count: int, method: str, path: str, body: Any = None) -> list[int]:
        """Ask many times at once."""
        answers = await asyncio.gather(*(self.ask(method, path, body) for _ in range(count)))
        return sorted(answer.status_code for answer in answers)


@pytest.fixture
async def caller(world: World, client: httpx.AsyncClient) -> TutorialCaller:
    return TutorialCaller(client, world.bearer(await world.user()))


async def test_each_route_has_a_limit_of_its_own_and_every_answer_says_how_it_stands(caller: TutorialCaller) -> None:
    await caller.ask("POST", "t/chapter", CHAPTER)
    taken = {"chapter": 1}
    for name, (most, method, path, body) in ROUTES.items():
        for left in reversed(range(most - taken.get(name, 0))):
            answer = await caller.ask(method, path, body)
            assert answer.status_code == 200
            assert answer.headers["RateLimit-Policy"] == f'"{name}";q={most};w=60'
            assert answer.headers["RateLimit"] == f'"{name}";r={left};t=60'
            assert "Retry-After" not in answer.headers

        refused = await caller.ask(method, path, body)
        assert refused.status_code == 429
        assert refused.json() == {"error": "Too many requests; try again in 60 seconds."}
        assert refused.headers["RateLimit-Policy"] == f'"{name}";q={most};w=60'
        assert (refused.headers["RateLimit"], refused.headers["Retry-After"]) == (f'"{name}";r=0;t=60', "60")


async def test_a_window_slides_and_a_refused_request_does_not_lengthen_it(caller: TutorialCaller, clock: FakeClock) -> None:
    assert await caller.statuses(2, "DELETE", "t") == [200, 200]
    clock.advance(seconds=20)
    assert await caller.statuses(4, "DELETE", "t") == [200, 200, 200, 429]
    clock.advance(seconds=39.5)
    refused = await caller.ask("DELETE", "t")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    clock.advance(seconds=0.5)
    assert await caller.statuses(3, "DELETE", "t") == [200, 200, 429]
    clock.advance(seconds=20)
    answer = await caller.ask("DELETE", "t")
    assert (answer.status_code, answer.headers["RateLimit"]) == (200, '"reset";r=2;t=40')


async def test_requests_that_are_refused_for_other_reasons_count_too(caller: TutorialCaller) -> None:
    refusals: list[tuple[int, dict[str, Any]]] = [
        (400, {"json": {}}),
        (400, {"content": b"{"}),
        (400, {"json": QUIZ, "headers": caller.bearer | {"Idempotency-Key": "x" * 256}}),
        (403, {"json": QUIZ | {"userId": "somebody"}}),
        (413, {"content": b" " * 1_000_001}),
        (415, {"json": QUIZ, "headers": caller.bearer | {"Content-Type": "text/plain"}}),
    ]
    for left, (status, request) in zip(range(9, 3, -1), refusals, strict=True):
        answer = await caller.client.post(f"{SCENE.prefix}/t/quiz", **({"headers": caller.bearer} | request))
        assert (answer.status_code, answer.headers["RateLimit"]) == (status, f'"quiz";r={left};t=60')
    assert await caller.statuses(5, "POST", "t/quiz", QUIZ) == [200, 200, 200, 200, 429]
    refused = await caller.ask("POST", "t/complete", {"userId": "somebody"})
    assert (refused.status_code, refused.headers["RateLimit"]) == (403, '"complete";r=4;t=60')


async def test_a_tutorial_is_no_way_around_and_other_callers_are_not_touched(world: World, caller: TutorialCaller) -> None:
    for number in range(5):
        assert (await caller.ask("DELETE", f"t{number}")).status_code == 200
    assert (await caller.ask("DELETE", "another")).status_code == 429

    other = TutorialCaller(caller.client, world.bearer(await world.user(Role.ADMIN)))
    assert (await other.ask("DELETE", "t")).headers["RateLimit"] == '"reset";r=4;t=60'


async def test_a_repetition_under_its_key_counts_as_a_request(caller: TutorialCaller) -> None:
    for left in (9, 8):
        answer = await caller.ask("POST", "t/quiz", QUIZ, **{"Idempotency-Key": "once"})
        assert answer.headers["RateLimit"] == f'"quiz";r={left};t=60'
    assert answer.headers["Idempotency-Replayed"] == "true"
    assert answer.json()["quizScores"][0]["attempts"] == 1


async def test_without_a_caller_or_a_limit_nothing_is_said_of_one(caller: TutorialCaller) -> None:
    answers = [
        await caller.client.get(f"{SCENE.prefix}/t"),
        await caller.ask("GET", "t/nothing/at/all"),
        await caller.client.get("/api/v1/learner/me", headers=caller.bearer),
    ]

    assert [answer.status_code for answer in answers] == [401, 404, 200]
    assert not any("RateLimit" in answer.headers for answer in answers)


async def test_requests_at_the_same_time_do_not_slip_through_together(caller: TutorialCaller) -> None:
    assert await caller.statuses(80, "GET", "t") == [200] * 60 + [429] * 20


async def test_limits_are_settings_and_pages_of_other_origins_can_read_how_they_stand(
    settings: Settings, clock: FakeClock
) -> None:
    changed = msgspec.structs.replace(settings, tutorial_resets_per_minute=2, allowed_origins="https://school.test")
    async with open_server(changed, clock) as (client, world):
        caller = TutorialCaller(client, world.bearer(await world.user()))
        assert await caller.statuses(4, "DELETE", "t") == [200, 200, 429, 429]
        answer = await caller.ask("DELETE", "t", Origin="https://school.test")

    exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= set(exposed)
    assert answer.headers["RateLimit-Policy"] == '"reset";q=2;w=60'
