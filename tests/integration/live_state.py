"""A client that knows what `/ws` told it and what it read when it was told to; and what a fresh read shows.

Nothing here uses the code under test. A client that follows the rules of docs/live.md must end with what a fresh read shows.
"""

import asyncio
import json
import random
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.processes import open_client

Key = tuple[str, str]
"""(course, learner)"""
State = dict[str, Any]


class Row(NamedTuple):
    """A learner's progress in a course; `units` has status and percent of those with progress."""

    version: int
    status: str
    percent: float
    units: dict[str, tuple[str, float]]


Progress = dict[Key, Row]


class Agreement:
    """What anybody has seen of progress, by its version: whoever sees a version must see the same."""

    def __init__(self) -> None:
        self._seen: dict[tuple[Key, int], Row] = {}

    def check(self, key: Key, row: Row) -> None:
        assert self._seen.setdefault((key, row.version), row) == row


class Servers:
    """All servers of a database; each request goes to any of them."""

    def __init__(self, urls: list[str], chance: random.Random) -> None:
        self._clients = [open_client(url, timeout=60) for url in urls]
        self._chance = chance

    async def send(self, token: str, method: str, path: str, body: Any = None) -> httpx.Response:
        """Send a request; no server may fail."""
        client = self._chance.choice(self._clients)
        answer = await client.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code < 500, (path, answer.text)
        return answer

    async def get(self, token: str, path: str) -> Any:
        answer = await self.send(token, "GET", path)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()


class Learner:
    """What a learner follows, and reads."""

    def __init__(self, servers: Servers, user_id: int, token: str) -> None:
        self.id, self.token = str(user_id), token
        self.topic = f"user:{user_id}"
        self.get = partial(servers.get, token)

    async def read_progress(self) -> Progress:
        """Read all courses, until the two contracts show the same version of each."""
        while True:
            mine = (await self.get("/api/v1/learner/me/progress?limit=500"))["data"]
            rows = {}
            for course in mine:
                found = (await self.get(f"/user-progress/{course['courseId']}/{self.id}"))["results"]
                rows[course["courseId"], self.id] = row_of(found, course["completionPercentage"])
            if [row.version for row in rows.values()] == [course["version"] for course in mine]:
                return rows

    async def read_others(self, entries: Iterable[dict[str, Any]]) -> State:
        """Read what entries tell of, apart from progress."""
        told = list(entries)
        messages = (await self.get("/api/v1/learner/messages?limit=500"))["data"]
        tutorials = {each["data"]["tutorialId"] for each in told if each["type"] == "tutorial.updated"}
        graded = {each["data"]["assessmentId"] for each in told if each["type"] == "grade"}
        assessments = [(await self.get(f"/api/v1/assessments/{each}"))["data"]["submission"] for each in sorted(graded)]
        return {
            "messages": {
                each["id"]: (each["senderId"], each["receiverId"], each["message"], each["isRead"]) for each in messages
            },
            "tutorials": {each: tutorial_of(await self.get(f"/v1/tutorials/progress/{each}")) for each in tutorials},
            "grades": {each["id"]: (each["grade"], each["feedback"]) for each in assessments if each["grade"] is not None},
        }


class Tutor:
    """What a member of the staff of a course follows, and reads."""

    def __init__(self, servers: Servers, course_id: int, token: str) -> None:
        self.course_id, self.token = str(course_id), token
        self.topic = f"course:{course_id}"
        self.get = partial(servers.get, token)

    async def read_progress(self) -> Progress:
        """Read all learners, until the two contracts show the same version of each."""
        while True:
            listed = (await self.get(f"/api/v1/courses/{self.course_id}/enrollments?limit=500"))["data"]
            found = (await self.get(f"/user-progress/course/{self.course_id}/all?limit=500"))["results"]
            percents = {each["learnerId"]: each["completionPercentage"] for each in listed}
            versions = {each["learnerId"]: each["version"] for each in listed}
            if {str(each["userId"]) for each in found} == percents.keys():
                rows = {str(each["userId"]): row_of(each, percents[str(each["userId"])]) for each in found}
                if {learner: row.version for learner, row in rows.items()} == versions:
                    return {(self.course_id, learner): row for learner, row in rows.items()}

    async def read_others(self, entries: Iterable[dict[str, Any]]) -> State:
        """Read what entries tell of, apart from progress."""
        assessments = {each["data"]["assessmentId"] for each in entries if each["type"] == "submission"}
        found = [
            each
            for assessment in sorted(assessments)
            for each in (await self.get(f"/api/v1/assessments/{assessment}/submissions?limit=500"))["data"]
        ]
        return {
            "submissions": {each["id"]: each["submissionUrl"] for each in found},
            "grades": {each["id"]: (each["grade"], each["feedback"]) for each in found if each["grade"] is not None},
        }


def row_of(found: dict[str, Any], percent: float) -> Row:
    """Read a learner of the course room."""
    enrollment = found["enrollments"]
    units = {
        str(each["courseContentId"]): (each["progressStatus"], float(each["progressPercent"])) for each in found["activityLogs"]
    }
    updated_at = datetime.fromisoformat(enrollment["enrollment_updated_at"])
    return Row(round(updated_at.timestamp() * 1000), enrollment["enrollmentStatus"], percent, units)


def visible(progress: Progress) -> dict[Key, tuple[str, float, dict[str, tuple[str, float]]]]:
    """Give progress without its versions, which study time alone makes grow too."""
    return {key: (row.status, row.percent, row.units) for key, row in progress.items()}


def tutorial_of(found: dict[str, Any]) -> tuple[int, bool, bool]:
    return found["completionPercentage"], found["certificateEligible"], found["certificateEarned"]


def follow_entries(entries: list[dict[str, Any]], keeps: Iterable[str]) -> State:
    """Tell from the entries alone, in their order, what is in some of the parts of a state."""
    state: State = {"messages": {}, "tutorials": {}, "grades": {}, "submissions": {}, "statuses": {}}
    for entry in entries:
        data = entry["data"]
        match entry["type"]:
            case "message":
                state["messages"][data["id"]] = (data["senderId"], data["receiverId"], data["message"], False)
            case "messages_read":
                for id_, (sender, receiver, text, _) in state["messages"].items():
                    if (sender, receiver) == (data["senderId"], data["readerId"]) and data["messageId"] in {None, id_}:
                        state["messages"][id_] = (sender, receiver, text, True)
            case "tutorial.updated":
                state["tutorials"][data["tutorialId"]] = tutorial_of(data)
            case "submission":
                # A later submission replaces the earlier ones of the learner.
                own = (data["assessmentId"], data["learnerId"])
                state["submissions"][own] = (data["submissionId"], data["submissionUrl"])
            case "grade":
                state["grades"][data["submissionId"]] = (data["grade"], data["feedback"])
            case "enrollment.updated" | "seat":
                state["statuses"][data["courseId"], data["learnerId"]] = data["status"]
    state["submissions"] = dict(state["submissions"].values())
    return {name: state[name] for name in keeps}


class Client:
    """A live client of a learner or tutor. It knows only what it is told, and reads only when it is told to."""

    def __init__(self, viewer: Learner | Tutor, agreement: Agreement, urls: list[str], chance: random.Random) -> None:
        self.viewer = viewer
        self.progress: Progress = {}
        self.entries: list[dict[str, Any]] = []
        self.heard = {"progress.updated": 0, "resync": 0, "ignored": 0, "cuts": 0}
        self.is_cut = True
        """Whether its connections are cut again and again."""
        self.follows = asyncio.Event()
        self._agreement, self._urls, self._chance = agreement, urls, chance

    async def live(self) -> None:
        """Follow the topic for ever, from one connection to the next."""
        while True:
            url = self._chance.choice(self._urls).replace("http", "ws", 1) + "/ws"
            with suppress(ConnectionClosed):
                async with connect(url) as socket:
                    await self._follow(socket)
            self.heard["cuts"] += 1
            # Long enough to miss something.
            await asyncio.sleep(self._chance.uniform(0, 1))

    async def _follow(self, socket: ClientConnection) -> None:
        await say(socket, type="auth", token=self.viewer.token)
        await say(socket, type="subscribe", topic=self.viewer.topic, after=len(self.entries))
        ends = asyncio.get_running_loop().time() + self._chance.uniform(0.1, 2.0)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    text = await socket.recv()
                await self._take(json.loads(text))
            if self.is_cut and asyncio.get_running_loop().time() > ends:
                # As a network would: without a word.
                socket.transport.abort()
                return

    async def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "subscribed":
                self.follows.set()
            case "resync":
                assert message["scope"] == "progress", "no entry has been pruned"
                self.heard["resync"] += 1
                self._learn(await self.viewer.read_progress())
            case "progress.updated":
                self.heard["progress.updated"] += 1
                await self._apply(message["data"])
            case type_ if type_ != "ready":
                assert message["seq"] == len(self.entries) + 1
                self.entries.append(message)

    async def _apply(self, data: dict[str, Any]) -> None:
        key = (data["courseId"], data["learnerId"])
        known = self.progress.get(key)
        if known is None:
            self._learn(await self.viewer.read_progress())
        elif data["version"] >= known.version:
            changed = {unit["unitId"]: (unit["status"], unit["percent"]) for unit in data["units"]}
            row = Row(data["version"], data["status"], data["completionPercentage"], {**known.units, **changed})
            self._learn({key: row})
        else:
            self.heard["ignored"] += 1

    def _learn(self, rows: Progress) -> None:
        for key, row in rows.items():
            self._agreement.check(key, row)
        self.progress |= rows

    def told(self) -> State:
        """Give the state as the client knows it."""
        keeps = ("messages", "tutorials", "grades") if isinstance(self.viewer, Learner) else ("submissions", "grades")
        others = follow_entries(self.entries, (*keeps, "statuses"))
        return {"progress": visible(self.progress), "entries": [each["seq"] for each in self.entries], **others}

    async def read(self) -> State:
        """Read the same state afresh."""
        feed = await self.viewer.get(f"/api/v1/learner/feed?topic={self.viewer.topic}&limit=500")
        progress = await self.viewer.read_progress()
        assert all(entry["data"] for entry in feed["data"])
        return {
            "progress": visible(progress),
            "entries": [each["seq"] for each in feed["data"]],
            **await self.viewer.read_others(feed["data"]),
            "statuses": {key: row.status for key, row in progress.items()},
        }

    async def agrees(self, *, seconds: float) -> None:
        """Check that the client comes to know what a fresh read shows."""
        give_up = asyncio.get_running_loop().time() + seconds
        while self.told() != (fresh := await self.read()):
            if asyncio.get_running_loop().time() > give_up:
                assert self.told() == fresh, self.viewer.topic
            await asyncio.sleep(0.2)


async def say(socket: ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))
