"""Live clients at /ws: cut off and coming back, too slow, missed by an announcement, and not let in."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import text
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from headway.accounts.model import User
from headway.feed.store import KEPT
from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.integration.concurrency import open_world, run_servers
from tests.processes import HeadwayProcess, open_client
from tests.world import World

MESSAGES = "/api/v1/learner/messages"


@pytest.fixture
def urls(settings: Settings, tmp_path: Path) -> Iterator[list[str]]:
    with run_servers(settings, tmp_path) as started:
        yield started


@pytest.fixture
async def people(settings: Settings) -> AsyncIterator[tuple[World, User, User]]:
    """A world beside the servers, and two learners of one course."""
    async with open_world(settings) as world:
        course = await world.course()
        yield world, await world.learner(course), await world.learner(course)


@asynccontextmanager
async def live(url: str, world: World, user: User, **options: Any) -> AsyncIterator[ClientConnection]:
    """Connect and authenticate."""
    async with connect(url.replace("http", "ws", 1) + "/ws", **options) as socket:
        await say(socket, type="auth", token=world.tokens.issue(user))
        assert await heard(socket) == {"type": "ready", "userId": str(user.id)}
        yield socket


async def say(socket: ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))


async def heard(socket: ClientConnection, *, seconds: float = 10) -> Any:
    async with asyncio.timeout(seconds):
        return json.loads(await socket.recv())


async def heard_entry(socket: ClientConnection, *, seconds: float = 10) -> Any:
    """Give the next entry, without what is told of progress."""
    async with asyncio.timeout(seconds):
        while (told := await heard(socket))["type"] == "progress.updated" or told.get("scope") == "progress":
            pass
    return told


async def follow(socket: ClientConnection, topic: str, after: int | None = None) -> Any:
    await say(socket, type="subscribe", topic=topic, **({} if after is None else {"after": after}))
    answer = await heard(socket)
    assert (answer["type"], answer["topic"]) == ("subscribed", topic)
    return answer["seq"]


async def write(url: str, world: World, sender: User, receiver: User, count: int, body: str = "Hello") -> None:
    async with open_client(url, headers=world.bearer(sender), timeout=30) as client:
        for number in range(count):
            answer = await client.post(MESSAGES, json={"receiverId": str(receiver.id), "message": f"{body} {number}"})
            assert answer.status_code == 201


async def test_a_client_that_is_cut_off_again_and_again_sees_every_change_once_and_in_order(
    urls: list[str], people: tuple[World, User, User]
) -> None:
    world, ada, bob = people
    topic, written, seen, cuts = f"user:{bob.id}", 240, list[int](), 0
    total = 1 + written  # the enrollment came first
    # On PostgreSQL everything is written on one server, and followed on both in turn.
    writers = asyncio.gather(*(write(urls[0], world, ada, bob, written // 4) for _ in range(4)))
    chance = random.Random(1)
    async with asyncio.timeout(60):
        while len(seen) < total:
            async with live(urls[cuts % len(urls)], world, bob) as socket:
                await follow(socket, topic, after=seen[-1] if seen else 0)
                for _ in range(chance.randrange(1, 15)):
                    with suppress(TimeoutError):
                        seen.append((await heard_entry(socket, seconds=1))["seq"])
                # Cut as a network would: without a word.
                socket.transport.abort()
            cuts += 1
    await writers

    assert seen == list(range(1, total + 1))
    assert cuts > 20


async def test_without_a_number_only_what_is_new_comes_and_both_sides_are_told(
    urls: list[str], people: tuple[World, User, User]
) -> None:
    world, ada, bob = people
    await write(urls[0], world, ada, bob, 3)
    async with live(urls[-1], world, bob) as bobs, live(urls[0], world, ada) as adas:
        assert await follow(bobs, f"user:{bob.id}") == 3 + 1  # the enrollment, and three messages
        await follow(adas, f"user:{ada.id}")
        await write(urls[0], world, ada, bob, 1, "New")

        for socket, user in ((bobs, bob), (adas, ada)):
            told = await heard(socket)
            assert (told["type"], told["topic"], told["seq"]) == ("message", f"user:{user.id}", 5)
            assert told["data"]["message"] == "New 0"
        async with open_client(urls[0], headers=world.bearer(bob)) as client:
            read = (await client.get("/api/v1/learner/feed", params={"after": 4})).json()
        assert read["data"] == [{**told, "topic": f"user:{bob.id}"}]
        assert read["metadata"] == {"newest": 5, "oldest": 1}


async def test_what_is_no_longer_kept_is_told_as_resync(urls: list[str], people: tuple[World, User, User]) -> None:
    world, ada, bob = people
    for number in range(KEPT + 250):
        await world.write(world.services.messaging.send, ada.id, bob.id, str(number))
    topic, newest = f"user:{bob.id}", KEPT + 251
    async with live(urls[0], world, bob) as socket:
        await follow(socket, topic, after=1)
        resync = await heard(socket)
        seqs = [(await heard(socket))["seq"] for _ in range(newest - resync["seq"])]

    assert (resync["type"], resync["topic"]) == ("resync", topic)
    assert KEPT <= len(seqs) <= KEPT + 100
    assert seqs == list(range(resync["seq"] + 1, newest + 1))


async def test_topics_of_others_and_nonsense_are_refused_and_the_connection_goes_on(
    urls: list[str], people: tuple[World, User, User]
) -> None:
    world, ada, bob = people
    async with live(urls[0], world, bob) as socket:
        for topic, code in (
            (f"user:{ada.id}", "FORBIDDEN"),
            ("course:1", "FORBIDDEN"),
            ("course:999", "FORBIDDEN"),
            ("user:x", "VALIDATION_ERROR"),
            ("", "VALIDATION_ERROR"),
        ):
            await say(socket, type="subscribe", topic=topic)
            error = await heard(socket)
            assert (error["type"], error["topic"], error["code"]) == ("error", topic, code)
        for nonsense in (
            "[]",
            '{"type":"subscribe"}',
            '{"type":"subscribe","topic":"user:1","after":-1}',
            '{"type":"subscribe","topic":"user:1","after":9223372036854775808}',
            '{"type":"x"}',
            '{"type":"auth","token":"another"}',
        ):
            await socket.send(nonsense)
            assert (await heard(socket))["code"] == "BAD_MESSAGE"

        assert await follow(socket, f"user:{bob.id}") == 1


async def test_staff_follows_a_course_and_hears_no_more_after_unsubscribing(
    urls: list[str], people: tuple[World, User, User]
) -> None:
    world, _, bob = people
    tree = await world.read(world.services.courses.find, 1)
    tutor = await world.find_user(tree.owner_id)
    async with live(urls[0], world, tutor) as socket:
        assert await follow(socket, "course:1") == 2
        newcomer = await world.user()
        await world.write(world.services.enrollments.enroll, newcomer.id, 1)
        told = await heard_entry(socket)
        assert (told["type"], told["seq"], told["data"]["learnerId"]) == ("enrollment.updated", 3, str(newcomer.id))

        await say(socket, type="unsubscribe", topic="course:1")
        assert await heard_entry(socket) == {"type": "unsubscribed", "topic": "course:1"}
        await world.write(world.services.enrollments.leave, bob.id, 1)
        with pytest.raises(TimeoutError):
            await heard_entry(socket, seconds=4)


async def test_who_does_not_authenticate_is_shown_out(urls: list[str]) -> None:
    for first in ('{"type":"auth","token":"wrong"}', '{"type":"subscribe","topic":"user:1"}', "nonsense"):
        async with connect(urls[0].replace("http", "ws", 1) + "/ws") as socket:
            await socket.send(first)
            with pytest.raises(ConnectionClosed) as closed:
                await heard(socket)

        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401


async def test_pages_of_other_origins_may_not_connect(urls: list[str], people: tuple[World, User, User]) -> None:
    world, ada, _ = people
    with pytest.raises(InvalidStatus) as refused:
        await connect(urls[0].replace("http", "ws", 1) + "/ws", origin="https://evil.example")  # type: ignore[arg-type]

    assert refused.value.response.status_code == 403
    async with live(urls[0], world, ada, origin=urls[0]) as socket:
        assert await follow(socket, f"user:{ada.id}") == 1


async def test_an_announcement_that_is_missed_costs_some_seconds(
    settings: Settings, urls: list[str], people: tuple[World, User, User]
) -> None:
    world, ada, bob = people
    async with live(urls[0], world, bob) as socket:
        await follow(socket, f"user:{bob.id}")
        if settings.is_sqlite:
            # Another process than the server writes; it cannot wake it.
            await world.write(world.services.messaging.send, ada.id, bob.id, "From beside")
        else:
            listening = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
            await world.rows(text(listening))
            await world.write(world.services.messaging.send, ada.id, bob.id, "Into the silence")

        told = [(await heard(socket, seconds=6)) for _ in range(2)]
        # What is told of progress is not stored, so some of it may have been missed for ever.
        assert {(each["type"], each.get("scope")) for each in told} == {("message", None), ("resync", "progress")}


async def test_a_client_that_does_not_read_is_dropped_and_costs_no_memory(
    settings: Settings, tmp_path: Path, people: tuple[World, User, User]
) -> None:
    world, ada, bob = people
    with HeadwayProcess(settings.database_url, tmp_path, SECRET_KEY) as server:
        process = psutil.Process(server.process.pid)
        async with live(server.url, world, bob, max_queue=1) as deaf, live(server.url, world, bob) as reader:
            await follow(deaf, f"user:{bob.id}", after=0)
            await follow(reader, f"user:{bob.id}", after=0)
            deaf.transport.pause_reading()
            before, port = process.memory_info().rss, deaf.local_address[1]
            seen = 0
            for _round in range(4):
                for number in range(250):
                    await world.write(world.services.messaging.send, ada.id, bob.id, f"{number} {'x' * 4_900}")
                while seen < 1 + 250 * (_round + 1):
                    seen = (await heard_entry(reader))["seq"]
            async with asyncio.timeout(30), open_client(server.url) as client:
                metrics = ""
                while not {"headway_live_dropped_total 1.0", "headway_live_connections 1.0"} <= set(metrics.splitlines()):
                    await asyncio.sleep(0.5)
                    metrics = (await client.get("/metrics")).text
                # Its connection ends although it reads neither what was sent before nor the end.
                while any(each.raddr and each.raddr.port == port for each in process.net_connections()):
                    await asyncio.sleep(0.5)
            grown = process.memory_info().rss - before

        assert seen == 1001
        assert grown < 30_000_000


async def test_progress_made_by_any_contract_is_told_to_the_learner_and_to_the_staff(
    urls: list[str], people: tuple[World, User, User]
) -> None:
    world, _, bob = people
    tree = await world.read(world.services.courses.find, 1)
    tutor, unit = await world.find_user(tree.owner_id), tree.units[0]
    viewed = {"activity_type": "unit_view", "course_id": 1, "unit_id": unit.id}
    declared = {"courseId": 1, "courseContentId": unit.id, "progressPercent": 40}
    module = {"moduleId": str(tree.modules[0].id)}
    async with (
        live(urls[0], world, tutor) as staff,
        live(urls[-1], world, bob) as own,
        open_client(urls[0], headers=world.bearer(bob)) as client,
    ):
        await follow(staff, "course:1")
        await follow(own, f"user:{bob.id}")
        versions = list[int]()
        for path, method, body, status, percent in (
            ("/api/courses/activity/track", "POST", viewed, "IN_PROGRESS", 0.0),
            ("/user-progress/update", "POST", declared, "IN_PROGRESS", 40.0),
            ("/api/v1/learner/me/progress/1", "PATCH", module, "COMPLETED", 100.0),
        ):
            assert (await client.request(method, path, json=body)).is_success
            told = [await progress_told(socket) for socket in (staff, own)]
            assert [each.pop("topic") for each in told] == ["course:1", f"user:{bob.id}"]
            assert told[0] == told[1]
            assert told[0].keys() == {"type", "at", "data"}
            versions.append(told[0]["data"]["version"])
            reached = {each["unitId"]: (each["status"], each["percent"]) for each in told[0]["data"]["units"]}
            assert reached[str(unit.id)] == (status, percent)
            assert told[0]["data"]["learnerId"] == str(bob.id)
        assert versions == sorted(set(versions))

        # What can be seen is what it was: a repetition is not told.
        assert (await client.post("/user-progress/update", json=declared)).is_success
        with pytest.raises(TimeoutError):
            await progress_told(staff, seconds=3)


async def progress_told(socket: ClientConnection, *, seconds: float = 10) -> Any:
    """Give the next that is told of progress."""
    async with asyncio.timeout(seconds):
        while (told := await heard(socket))["type"] != "progress.updated":
            assert told["type"] in {"enrollment.updated", "resync"}
    return told
