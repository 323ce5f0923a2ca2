"""Requests that are sent again under an Idempotency-Key: one effect and one answer, whatever happens in between."""

import asyncio
import hashlib
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from sqlalchemy import Select, func, select

from headway.accounts.model import User
from headway.accounts.tables import users
from headway.assessments.tables import submissions
from headway.courses.model import CourseTree, NewAssessment
from headway.courses.tables import courses
from headway.db.database import WriteTransaction
from headway.enrollments.tables import enrollments, waiting_list
from headway.feed.tables import feed
from headway.http.middleware import RequestMiddleware
from headway.http.request import Transactions
from headway.idempotency.model import RequestKey, StoredResponse
from headway.idempotency.service import Idempotency
from headway.idempotency.tables import idempotency_keys
from headway.identity import NOBODY, Role
from headway.messaging.tables import messages
from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.integration.concurrency import differences, open_world, run_servers, send_all, wait_until
from tests.processes import HeadwayProcess, open_client
from tests.world import FakeClock, World

URL = "https://github.com/ada/homework"
WRITERS = 4

_keys = select(idempotency_keys.c.key).where(idempotency_keys.c.user_id != NOBODY)
_kept = select(idempotency_keys.c.key, idempotency_keys.c.request, idempotency_keys.c.answer)
_feed = select(feed.c.topic, feed.c.seq)
_enrolled = select(enrollments.c.user_id, enrollments.c.status)


def keyed(bearer: dict[str, str], key: str) -> dict[str, str]:
    return {**bearer, "Idempotency-Key": key}


class Verb(NamedTuple):
    """A request that may be keyed: what it stores, and what it tells in the feed."""

    path: str
    body: Any
    stored: Select[Any]
    rows: int
    told: int


def verbs(course: CourseTree, full: CourseTree, peer: User) -> dict[str, Verb]:
    message = {"receiverId": str(peer.id), "message": "Hello"}
    task, account = course.assessments[0].id, {"name": "Ada", "email": "ada@example.org", "password": "Corr3ct-Horse"}
    return {
        # The learner and the staff are told, or both sides of a conversation, of which each has a copy.
        "enroll": Verb(f"courses/{course.id}/enroll", None, select(enrollments.c.user_id), 1, 2),
        "wait": Verb(f"courses/{full.id}/enroll?waitlist=true", None, select(waiting_list.c.user_id), 1, 0),
        "message": Verb("learner/messages", message, select(messages.c.user_id), 2, 2),
        "submit": Verb(f"assessments/{task}/submit", {"submissionUrl": URL}, select(submissions.c.user_id), 1, 1),
        "register": Verb("learner/auth/register", account, select(users.c.id), 1, 0),
    }


async def test_twenty_requests_with_one_key_at_once_have_one_effect(
    settings: Settings, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    async with open_world(settings) as world:
        course = await world.course(assessments=(NewAssessment("Homework"),))
        learner, peer = await world.user(), await world.learner(course)
        with run_servers(settings, tmp_path) as urls:
            for name, verb in verbs(course, await world.course(capacity=0), peer).items():
                stored, told = len(await world.rows(verb.stored)), len(await world.rows(_feed))
                headers = keyed({} if name == "register" else world.bearer(learner), f"key to {name}")
                request = ("POST", f"/api/v1/{verb.path}", headers, verb.body)
                answers = await send_all(urls, [request] * 20)
                (last,) = await send_all(urls, [request])

                with subtests.test(name):
                    assert_answers_agree(answers, last)
                    assert len(await world.rows(verb.stored)) - stored == verb.rows
                    assert len(await world.rows(_feed)) - told == verb.told
        by_user = [(f"key to {name}",) for name in verbs(course, course, peer) if name != "register"]
        assert sorted(await world.rows(_keys)) == sorted(by_user)
        assert await differences(world) == []


def assert_answers_agree(answers: list[httpx.Response], last: httpx.Response) -> None:
    successes = [answer for answer in answers if answer.is_success]
    others = [(answer.status_code, answer.json()["code"]) for answer in answers if not answer.is_success]
    assert set(others) <= {(409, "IDEMPOTENCY_KEY_IN_USE")}
    assert {(answer.status_code, answer.content) for answer in successes} == {(last.status_code, last.content)}
    assert sum("Idempotency-Replayed" not in answer.headers for answer in successes) == 1
    assert last.headers["Idempotency-Replayed"] == "true"


async def test_strangers_do_not_come_upon_each_others_keys_and_no_password_can_be_tried_against_what_is_kept(
    world: World, app: RequestMiddleware
) -> None:
    body = {"name": "Ada", "email": "ada@example.org", "password": "Corr3ct-Horse"}
    asgi: Any = app
    answers = []
    for address, email in (
        ("192.0.2.1", "ada@example.org"),
        ("192.0.2.2", "eve@example.org"),
        ("192.0.2.1", "bob@example.org"),
    ):
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(asgi, client=(address, 1)), base_url="http://test"
        ) as client:
            path = "/api/v1/learner/auth/register"
            answers.append(await client.post(path, json={**body, "email": email}, headers={"Idempotency-Key": "1"}))

    assert [answer.status_code for answer in answers] == [201, 201, 422]
    kept = [" ".join(row) for row in await world.rows(_kept)]
    sent = answers[0].request
    plain = b"\n".join([sent.method.encode(), sent.url.raw_path, b"", sent.content])
    assert len(kept) == 2
    assert not any(word in text for text in kept for word in ("192.0.2", "Corr3ct", hashlib.sha256(plain).hexdigest()))


async def test_what_was_refused_is_not_kept_and_may_be_asked_again(world: World, client: httpx.AsyncClient) -> None:
    course = await world.course(capacity=1)
    holder, learner = await world.learner(course), await world.user()
    path, headers = f"/api/v1/courses/{course.id}/enroll", keyed(world.bearer(learner), "again")

    refused = [await client.post(path, headers=headers) for _ in range(2)]
    kept = await world.rows(_keys)
    await client.delete(path, headers=world.bearer(holder))
    enrolled = await client.post(path, headers=headers)
    replayed = await client.post(path, headers=headers)

    assert [(each.status_code, each.json()["code"]) for each in refused] == [(409, "COURSE_FULL")] * 2
    assert kept == []
    assert (enrolled.status_code, replayed.status_code) == (201, 201)
    assert ("Idempotency-Replayed" in enrolled.headers, replayed.headers["Idempotency-Replayed"]) == (False, "true")
    assert enrolled.content == replayed.content
    assert sorted(await world.rows(_enrolled)) == [(holder.id, "DROPPED"), (learner.id, "ENROLLED")]


async def test_a_key_stands_for_one_request_of_one_user(world: World, client: httpx.AsyncClient) -> None:
    courses = [await world.course(), await world.course()]
    learner, other = await world.user(), await world.user()
    first, second = (f"/api/v1/courses/{course.id}/enroll" for course in courses)

    assert (await client.post(first, headers=keyed(world.bearer(learner), "k"))).status_code == 201
    misused = await client.post(second, headers=keyed(world.bearer(learner), "k"))
    of_other = await client.post(second, headers=keyed(world.bearer(other), "k"))

    assert (misused.status_code, misused.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert of_other.status_code == 201
    assert sorted(await world.rows(_enrolled)) == [(learner.id, "ENROLLED"), (other.id, "ENROLLED")]


async def test_an_answer_is_not_repeated_to_a_caller_with_another_role(world: World, client: httpx.AsyncClient) -> None:
    tutor = await world.user(Role.INSTRUCTOR)
    new = {"title": "Mine", "modules": []}

    async def create() -> int:
        bearer = world.bearer(await world.find_user(tutor.id))
        return (await client.post("/api/v1/courses", json=new, headers=keyed(bearer, "k"))).status_code

    assert [await create(), await create()] == [201, 201]
    await world.write(world.services.accounts.change, tutor.id, role=Role.PARTICIPANT)
    world.clock.advance(seconds=2)

    assert await create() == 422
    assert await world.rows(select(func.count()).select_from(courses)) == [(1,)]


async def test_answers_older_than_a_day_are_forgotten(world: World, client: httpx.AsyncClient, clock: FakeClock) -> None:
    course = await world.course()
    for number in range(3):
        learner = await world.user()
        headers = keyed(world.bearer(learner), f"key {number}")
        assert (await client.post(f"/api/v1/courses/{course.id}/enroll", headers=headers)).status_code == 201
        clock.advance(seconds=50_000)

    assert await world.rows(_keys) == [("key 1",), ("key 2",)]


class PowerCut(Exception):
    pass


async def test_a_failure_after_the_effect_undoes_it_and_the_key(world: World, clock: FakeClock) -> None:
    course = await world.course(capacity=2)
    learner = await world.user()
    transactions, told = Transactions(world.database, Idempotency(clock, secret_key="key")), await world.rows(_feed)

    async def enroll(tx: WriteTransaction) -> StoredResponse:
        enrollment = await world.services.enrollments.enroll(tx, learner.id, course.id)
        return StoredResponse(201, enrollment.status)

    async def fail(tx: WriteTransaction) -> StoredResponse:
        await enroll(tx)
        raise PowerCut

    with pytest.raises(PowerCut):
        await transactions.once(RequestKey(learner.id, "k", "request"), fail)

    assert await world.rows(_enrolled) == []
    assert await world.rows(_keys) == []
    assert await world.rows(_feed) == told
    assert await differences(world) == []
    answer = StoredResponse(201, "ENROLLED")
    assert await transactions.once(RequestKey(learner.id, "k", "request"), enroll) == (answer, False)
    assert await transactions.once(RequestKey(learner.id, "k", "request"), fail) == (answer, True)
    assert await world.rows(_enrolled) == [(learner.id, "ENROLLED")]


async def test_a_request_that_is_cut_off_leaves_the_key_free(world: World, clock: FakeClock) -> None:
    course, learner = await world.course(), await world.user()
    transactions, has_enrolled = Transactions(world.database, Idempotency(clock, secret_key="key")), asyncio.Event()

    async def enroll_and_hang(tx: WriteTransaction) -> StoredResponse:
        await world.services.enrollments.enroll(tx, learner.id, course.id)
        has_enrolled.set()
        await asyncio.sleep(60)
        return StoredResponse(201, "")

    async def enroll(tx: WriteTransaction) -> StoredResponse:
        await world.services.enrollments.enroll(tx, learner.id, course.id)
        return StoredResponse(201, "")

    hanging = asyncio.create_task(transactions.once(RequestKey(learner.id, "k", "request"), enroll_and_hang))
    await has_enrolled.wait()
    hanging.cancel()
    await asyncio.wait([hanging])

    assert hanging.cancelled()
    assert await transactions.once(RequestKey(learner.id, "k", "request"), enroll) == (StoredResponse(201, ""), False)
    assert await world.rows(_enrolled) == [(learner.id, "ENROLLED")]


class Writer:
    """Sends messages one after the other, each under a key of its own, until the server is gone."""

    def __init__(self, headers: dict[str, str], receiver: User, name: str) -> None:
        self._headers, self._receiver = headers, receiver
        self._texts = (f"{name} {number}" for number in count())
        self.sent: list[str] = []
        self.unanswered: list[str] = []
        self.told: dict[str, str] = {}
        """The id that was told for each text."""

    async def _send(self, client: httpx.AsyncClient, text: str) -> None:
        body = {"receiverId": str(self._receiver.id), "message": text}
        answer = await client.post("/api/v1/learner/messages", json=body, headers=keyed(self._headers, f"key of {text}"))
        assert answer.status_code == 201, answer.text
        self.told[text] = answer.json()["data"]["id"]

    async def write_until_it_breaks(self, url: str) -> None:
        async with open_client(url, timeout=20) as client:
            for text in self._texts:
                self.sent.append(text)
                try:
                    await self._send(client, text)
                except httpx.HTTPError:
                    self.unanswered.append(text)
                    return

    async def repeat(self, url: str) -> None:
        """Repeat what was not answered, and the last that was."""
        answered = [text for text in self.told if text not in self.unanswered][-1:]
        ids = {text: self.told[text] for text in answered}
        async with open_client(url, timeout=20) as client:
            for text in [*self.unanswered, *answered]:
                await self._send(client, text)
        assert ids.items() <= self.told.items()
        self.unanswered = []


async def test_messages_under_keys_are_stored_once_though_the_server_is_killed(settings: Settings, tmp_path: Path) -> None:
    async with open_world(settings) as world:
        course = await world.course()
        receiver = await world.find_user(course.owner_id)
        learners = [await world.learner(course) for _ in range(WRITERS)]
        writers = [Writer(world.bearer(learner), receiver, learner.name) for learner in learners]
        with HeadwayProcess(settings.database_url, tmp_path, SECRET_KEY) as server:
            for _ in range(2):
                answered = {writer: len(writer.told) + 1 for writer in writers}
                writing = [asyncio.create_task(writer.write_until_it_breaks(server.url)) for writer in writers]
                await wait_until(lambda least: all(len(writer.told) > least[writer] for writer in writers), answered)
                await asyncio.to_thread(server.kill)
                await asyncio.gather(*writing)
                assert all(writer.unanswered for writer in writers)
                await asyncio.to_thread(server.start)
                await asyncio.gather(*(writer.repeat(server.url) for writer in writers))

        received = select(messages.c.message, messages.c.id).where(messages.c.user_id == receiver.id)
        rows = await world.rows(received)
        stored = list(zip(await world.decrypt(*(text for text, _ in rows)), [each for _, each in rows], strict=True))
        assert Counter(text for text, _ in stored) == Counter(text for writer in writers for text in writer.sent)
        assert dict(stored) == {text: told for writer in writers for text, told in writer.told.items()}
        assert len(stored) > 2 * WRITERS
        assert await differences(world) == []
