"""A learner learns of no hidden unit: whatever is asked, opened or followed, there is no id, external id or title of one."""

import asyncio
import io
import itertools
import re
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from websockets.asyncio.client import ClientConnection

from headway.db.database import WriteTransaction
from headway.settings import Settings
from tests.contract.rights.conftest import School
from tests.contract.samples import SAMPLES
from tests.integration.concurrency import differences, open_world, run_servers
from tests.integration.test_live_clients import follow, heard, live
from tests.pages.test_rights import PAGES
from tests.processes import open_client

_BEFORE_HIDDEN = 7_700_000
"""The ids of hidden units follow it, so that no other number is one."""
_SECRET = re.compile(rf"\b{_BEFORE_HIDDEN // 100_000}\d{{5}}\b|zaubertrank", re.IGNORECASE)
_PARAMETERS = {
    "course_id": "{course}",
    "user_id": "{learner_id}",
    "assessment_id": "{assessment}",
    "unit_id": "{unit}",
    "module_id": "{module}",
}
_QUERIES = {"topic": "user:{learner_id}"}
"""Values of parameters without which there is nothing to read."""


class Classroom:
    """A school whose course has hidden units, in which the learner has progress."""

    def __init__(self, school: School, url: str) -> None:
        self.school, self.url = school, url
        self.ids = school.ids

    async def send(self, role: str, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        answer = await self.school.ask(role, method, path, body)
        assert answer.status_code == status, (path, answer.text)
        return answer.json()

    async def add_units(self) -> None:
        """Add a module of hidden units, and units that are shown to begin with, between which the sequence locks nothing."""
        world = self.school.world
        await world.write(_move_ids, is_sqlite=world.settings.is_sqlite)
        course = (await self.send("tutor", "GET", "/api/v1/courses/{course}"))["data"]
        self.modules = course["modules"]
        self.modules[0]["units"] += [_unit(1), _unit(2, completion={"rule": "viewed"})]
        self.modules.append({"title": "Zaubertrank, all of it", "externalId": "zaubertrank", "units": [_unit(3, hidden=True)]})
        self.modules = await self.change()
        self.units = [self.modules[0]["units"][-2]["id"], self.modules[0]["units"][-1]["id"], self.modules[2]["units"][0]["id"]]
        self.ids |= {f"secret_{number}": unit for number, unit in enumerate(self.units, 1)}
        assert all(int(each) > _BEFORE_HIDDEN for each in self.units)

    async def change(self) -> Any:
        changed = {"modules": self.modules}
        return (await self.send("tutor", "PATCH", "/api/v1/courses/{course}", changed))["data"]["modules"]

    async def hide(self) -> None:
        for unit in self.modules[0]["units"][-2:]:
            unit["hidden"] = True
        await self.change()

    async def study(self, unit: str, event_id: str) -> None:
        fields = {"course_id": "#{course}", "unit_id": f"#{{{unit}}}", "event_id": event_id}
        event = {"activity_type": "unit_view", "duration_seconds": 60, **fields}
        body = {"events": [{**event, "course_id": int(self.ids["course"]), "unit_id": int(self.ids[unit])}]}
        verdicts = await self.send("learner", "POST", "/api/courses/activity/batch", body)
        assert [each["status"] for each in verdicts["data"]["results"]] == ["accepted"]

    async def declare(self, unit: str, percent: int) -> None:
        """Report progress in a unit as another system does."""
        body = {
            "courseId": int(self.ids["course"]),
            "courseContentId": int(self.ids[unit]),
            "userId": int(self.ids["learner_id"]),
            "progressPercent": percent,
        }
        await self.send("system", "POST", "/user-progress/update", body)


def _unit(number: int, **fields: Any) -> dict[str, Any]:
    return {"title": f"Zaubertrank {number}", "externalId": f"zaubertrank-{number}", "required": False, **fields}


async def _move_ids(tx: WriteTransaction, *, is_sqlite: bool) -> None:
    if is_sqlite:
        await tx.run(text(f"UPDATE sqlite_sequence SET seq = {_BEFORE_HIDDEN} WHERE name = 'units'"))  # noqa: S608
    else:
        await tx.all(text(f"SELECT setval(pg_get_serial_sequence('units', 'id'), {_BEFORE_HIDDEN})"))


@pytest.fixture
async def room(settings: Settings, tmp_path: Path) -> AsyncIterator[Classroom]:
    with run_servers(settings, tmp_path) as urls:
        async with open_world(settings) as world, open_client(urls[0], timeout=60) as client:
            school = School(world, client)
            await school.build()
            room = Classroom(school, urls[0])
            await room.add_units()
            yield room


async def test_a_learner_hears_of_no_hidden_unit(room: Classroom) -> None:
    people, world = room.school.people, room.school.world
    await room.hide()
    async with (
        live(room.url, world, people["learner"]) as own,
        live(room.url, world, people["tutor"]) as staffs,
    ):
        await follow(own, f"user:{room.ids['learner_id']}", 0)
        await follow(staffs, f"course:{room.ids['course']}", 0)
        for unit in ("secret_1", "secret_2", "unit", "secret_3"):
            await room.study(unit, f"view-{unit}")
        await room.declare("secret_1", 40)
        await room.declare("secret_1", 100)
        await room.hide()
        await room.declare("unit", 90)

        told = [await _hear_until_ninety(socket) for socket in (own, staffs)]

    assert not _SECRET.search(told[0])
    assert room.ids["unit"] in told[0]
    assert {match[0] for match in _SECRET.finditer(told[1])} >= set(room.units), "the staff of the course hears of them"
    assert await differences(world) == []


async def _hear_until_ninety(socket: ClientConnection) -> str:
    """Return all that is told, until the progress of the last step."""
    lines: list[str] = []
    async with asyncio.timeout(20):
        while not lines or '"percent": 90' not in lines[-1]:
            lines.append(_text(await heard(socket)))
    return "\n".join(lines)


def _text(told: Any) -> str:
    return httpx.Response(200, json=told).text.replace('":', '": ')


async def test_a_learner_reads_of_no_hidden_unit(room: Classroom) -> None:
    """Of three hidden units one was always so, and the learner has progress in all: also from when two of them were shown."""
    await room.study("secret_1", "one")
    await room.declare("secret_2", 100)
    await room.hide()
    for number, unit in enumerate(("secret_1", "secret_2", "secret_3")):
        await room.study(unit, f"hidden-{number}")
    await room.declare("secret_3", 50)

    answers = {
        **await _read_everything(room, "learner"),
        **await _send_everything(room, "learner"),
        **await _open_everything(room, "learner"),
    }

    assert {path for path, body in answers.items() if _SECRET.search(body)} == set()
    assert len(answers) > 40
    for path in (
        "/user-progress/{course}/{learner_id}?include=why",
        "/user-progress/{course}/{learner_id}/activities",
        "/api/v1/courses/{course}",
        "/api/v1/learner/feed?topic=user:{learner_id}",
        "/api/v1/learner/me/progress",
        "/app/learning/{course}",
        "POST /user-progress/bulk",
    ):
        assert path in answers
    assert '"unitId"' in answers["/api/v1/users/{learner_id}/export"]
    # What the staff of the course reads shows that there was something to find.
    staffs = {**await _read_everything(room, "tutor"), **await _open_everything(room, "tutor")}
    assert {path for path, body in staffs.items() if _SECRET.search(body)} > {
        "/user-progress/{course}/{learner_id}?include=why",
        "/user-progress/{course}/{learner_id}/activities",
        "/api/v1/courses/{course}",
        "/app/courses/{course}/units",
        "/app/learning/{course}",
    }


async def test_a_hidden_unit_is_not_there_for_a_learner_who_names_it(room: Classroom) -> None:
    await room.study("secret_1", "one")
    await room.hide()
    unit, course = room.ids["secret_1"], room.ids["course"]

    update = {"courseId": int(course), "courseContentId": int(unit), "progressPercent": 50}
    missing = {**update, "courseContentId": 1_000_000}
    refused = [await room.send("learner", "POST", "/user-progress/update", body, status=404) for body in (update, missing)]
    module = {"moduleId": room.modules[2]["id"]}
    none = {"moduleId": "1000000"}
    refused += [
        await room.send("learner", "PATCH", "/api/v1/learner/me/progress/{course}", body, status=404) for body in (module, none)
    ]
    for each in refused:
        # They tell apart requests.
        each.pop("timestamp", None), each.pop("requestId", None)
    assert refused[0] == refused[1]
    assert refused[2] == refused[3]
    cookie = {"Cookie": f"headway-access={room.school.world.tokens.issue(room.school.people['learner'])}"}
    shown = await room.school.client.get(f"/app/learning/{course}/units/{unit}", headers=cookie)
    assert (shown.status_code, _SECRET.search(shown.text)) == (404, None)


async def _read_everything(room: Classroom, role: str) -> dict[str, str]:
    """Return what each GET of the contracts answers, with each value of its parameters that have some."""
    document = (await room.school.client.get("/openapi.json")).json()
    answers = {}
    for path, operations in document["paths"].items():
        if "get" not in operations or path.startswith("/app"):
            continue
        named = re.sub(r"\{(\w+?)(?::\w+)?\}", lambda match: _PARAMETERS.get(match[1], "1"), path)
        declared = [each for each in operations["get"].get("parameters", []) if each["in"] == "query"]
        for query in _queries(declared):
            asked = f"{named}?{query}" if query else named
            answer = await room.school.ask(role, "GET", asked)
            assert answer.status_code < 500, (asked, answer.text)
            answers[_outcome(asked, answer)] = _words_of(answer)
    return answers


def _words_of(answer: httpx.Response) -> str:
    """Return the text of an answer; of a file with everything about a person, the texts without the ids of what was done."""
    if answer.headers.get("Content-Type") != "application/zip":
        return answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as file:
        texts = "\n".join(file.read(name).decode() for name in file.namelist())
    return re.sub(r"\b\d+\b", "0", texts)


def _queries(declared: list[dict[str, Any]]) -> list[str]:
    """Return queries with what is needed, and one more with each value of each other parameter that is one of some."""
    required = [f"{each['name']}={_QUERIES[each['name']]}" for each in declared if each["name"] in _QUERIES]
    values = [f"{each['name']}={value}" for each in declared for value in each.get("schema", {}).get("enum", []) if value]
    return ["&".join([*required, *([value] if value else [])]) for value in ("", *values)]


def _outcome(asked: str, answer: httpx.Response) -> str:
    return asked if answer.is_success else f"{asked} is {answer.status_code}"


async def _send_everything(room: Classroom, role: str) -> dict[str, str]:
    """Return what each call of the role answers that changes something or has a body, as samples send it."""
    answers = {}
    for number, (name, sample) in enumerate(SAMPLES.items()):
        if sample.role == role or name.endswith(("/bulk", "/update")):
            body = _numbers(room.school.filled(_unique(sample.body, number)))
            answer = await room.school.ask(role, name.partition(" ")[0], sample.path, body)
            assert answer.status_code < 500, (name, answer.text)
            answers[_outcome(name, answer)] = answer.text
    return answers


_counter = itertools.count(1)


def _unique(value: Any, number: int) -> Any:
    if isinstance(value, dict):
        return {name: _unique(each, number) for name, each in value.items()}
    if isinstance(value, list):
        return [_unique(each, number) for each in value]
    return value.replace("{unique}", f"{number}-{next(_counter)}") if isinstance(value, str) else value


def _numbers(value: Any) -> Any:
    """Return a body in which texts such as `#5` are numbers."""
    if isinstance(value, dict):
        return {name: _numbers(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_numbers(each) for each in value]
    return int(value[1:]) if isinstance(value, str) and re.fullmatch(r"#\d+", value) else value


async def _open_everything(room: Classroom, role: str) -> dict[str, str]:
    cookie = {"Cookie": f"headway-access={room.school.world.tokens.issue(room.school.people[role])}"}
    answers = {}
    for path in PAGES:
        answer = await room.school.client.get(room.school.filled(path), headers=cookie)
        assert answer.status_code < 500, (path, answer.text)
        answers[_outcome(path, answer)] = answer.text
    return answers
