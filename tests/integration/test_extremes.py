"""Every number and time that a request can carry, at its extremes: refused with its field named, or stored and readable.

The fields come from the OpenAPI document, so a new one is tested without being listed here.
"""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
from sqlalchemy import update

from headway.courses.model import NewAssessment
from headway.courses.tables import courses
from headway.enrollments.tables import enrollments
from headway.identity import Role
from headway.learning.tables import unit_progress
from headway.settings import Settings
from tests.app_server import open_server
from tests.contract import fuzz_values
from tests.contract.fuzz_values import DATES
from tests.world import FakeClock, World

Schema = dict[str, Any]

NUMBERS = [number for number in map(json.loads, fuzz_values.NUMBERS) if number != float("inf")]
TEXT_OF_TIME = {"from", "to", "startDate", "endDate"}
"""Parameters that are a time or a date."""
_WAITING = "/waitlist/"
"""Calls about one who waits: nobody waits who is enrolled. `test_waiting_lists.py` has them."""
BESIDE: dict[str, dict[str, Any]] = {"threshold": {"rule": "time"}}
"""What some fields need beside them."""


class Leaf(NamedTuple):
    """A number or a time in a body."""

    path: tuple[str | int, ...]
    schema: Schema

    @property
    def values(self) -> list[Any]:
        if self.schema["type"] == "string":
            return list(DATES)
        stated = [self.schema[key] for key in ("minimum", "maximum", "exclusiveMinimum") if key in self.schema]
        return [*NUMBERS, *stated, *(each + 1 for each in stated), *(each - 1 for each in stated)]


class Document:
    """The OpenAPI document of a server, and the ids that stand for its parameters."""

    def __init__(self, document: Schema, ids: dict[str, Any]) -> None:
        self._document = document
        self._ids = ids
        self.operations = [
            (method, path, each)
            for path, of in document["paths"].items()
            for method, each in of.items()
            if _WAITING not in path
        ]

    def resolve(self, schema: Schema) -> Schema:
        """Return a schema without references, and without null as an alternative."""
        while "$ref" in schema or "anyOf" in schema:
            if "anyOf" in schema:
                schema = next(each for each in schema["anyOf"] if each.get("type") != "null")
            else:
                schema = self._document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return schema

    def body(self, operation: Schema) -> Schema | None:
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        return None if content is None else self.resolve(content["schema"])

    def leaves(self, schema: Schema, path: tuple[str | int, ...] = ()) -> Iterator[Leaf]:
        schema = self.resolve(schema)
        if schema.get("type") in {"integer", "number"} or schema.get("format") == "date-time":
            yield Leaf(path, schema)
        for name, each in schema.get("properties", {}).items():
            yield from self.leaves(each, (*path, name))
        if isinstance(schema.get("items"), dict):
            yield from self.leaves(schema["items"], (*path, 0))

    def sample(self, schema: Schema, name: str, leaf: tuple[str | int, ...] = (), value: Any = None) -> Any:
        """Return the least that is valid, with a value in the place of a leaf."""
        schema = self.resolve(schema)
        if schema.get("type") == "object":
            properties = schema.get("properties", {})
            wanted = [*schema.get("required", []), *(leaf[:1] if leaf else ())]
            beside = BESIDE.get(str(leaf[0]), {}) if leaf else {}
            fields = {each: self.sample(properties[each], each, leaf[1:] if each in leaf[:1] else (), value) for each in wanted}
            if len(leaf) == 1:
                fields[str(leaf[0])] = value
            return {**beside, **fields}
        if schema.get("type") == "array":
            if len(leaf) == 1:
                return [value]
            is_needed = leaf or self.resolve(schema["items"]).get("type") != "object"
            return [self.sample(schema["items"], name, leaf[1:], value)] if is_needed else []
        if name in self._ids:
            return self._ids[name]
        samples = {"integer": 1, "number": schema.get("minimum", 1), "boolean": True, "string": "2026-01-31T12:00:00Z"}
        return schema["enum"][0] if "enum" in schema else samples[schema["type"]]

    def url(self, path: str) -> str:
        return path.format_map(self._ids)


class Extremes:
    """A server with one of everything, and an administrator who is also a learner."""

    def __init__(self, client: httpx.AsyncClient, document: Document) -> None:
        self._client = client
        self.document = document

    async def send(self, method: str, path: str, body: Any) -> httpx.Response:
        headers = {"Content-Type": "application/json"}
        return await self._client.request(method, self.document.url(path), content=json.dumps(body), headers=headers)

    async def check_leaf(self, method: str, path: str, leaf: Leaf, bodies: list[Any]) -> None:
        """Send a body for each value of a leaf: it is stored, or refused with the field named."""
        statuses = set()
        for body in bodies:
            answer = await self.send(method, path, body)
            at = f"{method} {path} {json.dumps(body)}: {answer.status_code} {answer.text}"
            assert answer.status_code < 500, at
            statuses.add(answer.status_code)
            if answer.status_code == 400:
                assert str(leaf.path[-1] or leaf.path[-2]).lower() in answer.text.lower(), at
            elif answer.is_success:
                await self._read_created(path, answer)
        assert any(status < 300 for status in statuses), f"{method} {path} {leaf.path}: nothing is accepted"
        await self.check_reads(f"after {method} {path} {leaf.path}")

    async def _read_created(self, path: str, answer: httpx.Response) -> None:
        data = answer.json().get("data")
        key = next((each for each in ("id", "_id") if isinstance(data, dict) and each in data), None)
        if key and any(method == "get" and each.startswith(f"{path}/{{") for method, each, _ in self.document.operations):
            read = await self._client.get(f"{path}/{data[key]}")
            assert read.status_code == 200, read.text

    async def check_reads(self, when: str) -> None:
        for method, path, _ in self.document.operations:
            if method == "get":
                read = await self._client.get(self.document.url(path))
                assert read.status_code == 200, f"{when}: GET {path}: {read.status_code} {read.text}"


@pytest.fixture
async def extremes(settings: Settings, clock: FakeClock) -> AsyncIterator[Extremes]:
    limits = {name: 1_000_000 for name in Settings.__struct_fields__ if name.startswith("tutorial_")}
    limits["exports_per_hour"] = 1_000_000
    settings = msgspec.structs.replace(settings, display_timezone="Pacific/Kiritimati", **limits)
    async with open_server(settings, clock) as (client, world):
        document = (await client.get("/openapi.json")).json()
        admin = await world.user(Role.ADMIN)
        client.headers.update(world.bearer(admin))
        yield Extremes(client, Document(document, await make_scene(world, client, admin.id)))
        await world.database.close()


async def make_scene(world: World, client: httpx.AsyncClient, user_id: int) -> dict[str, Any]:
    course = await world.course(assessments=(NewAssessment("Essay"),))
    await world.write(world.services.enrollments.enroll, user_id, course.id)
    assessment_id = course.assessments[0].id
    submit = f"/api/v1/assessments/{assessment_id}/submit"
    submitted = await client.post(submit, json={"submissionUrl": "https://github.com/ada/essay"})
    logged = await client.post("/api/v1/activities", json={"action": "ACT", "target": {"type": "OTHER"}})
    webhook = await client.post("/api/v1/webhooks", json={"url": "https://example.org/", "events": ["course.completed"]})
    gone = await world.user()
    erasure = {"reason": "request", "confirmation": str(gone.id)}
    erased = await client.post(f"/api/v1/users/{gone.id}/erasure", json=erasure)
    numbers = {"course_id": course.id, "unit_id": course.units[0].id, "user_id": user_id, "assessment_id": assessment_id}
    return {
        **numbers,
        "module_id": course.modules[0].id,
        "courseId": course.id,
        "courseContentId": course.units[0].id,
        "submission_id": submitted.json()["data"]["id"],
        "webhook_id": webhook.json()["data"]["id"],
        "activity_id": logged.json()["data"]["_id"],
        "erasure_id": erased.json()["data"]["id"],
        "tutorial_id": "rust",
        "submissionUrl": "https://github.com/ada/other",
    }


async def test_no_number_and_no_time_of_a_body_breaks_a_read(extremes: Extremes, subtests: pytest.Subtests) -> None:
    await extremes.check_reads("before anything is sent")
    document, seen = extremes.document, 0
    for method, path, operation in document.operations:
        schema = document.body(operation)
        if schema is None or path.endswith("/batch"):
            continue
        for leaf in document.leaves(schema):
            seen += 1
            with subtests.test(f"{method} {path} {leaf.path}"):
                bodies = [document.sample(schema, "", leaf.path, value) for value in (*leaf.values, *_valid(document, leaf))]
                await extremes.check_leaf(method, path, leaf, bodies)
                if path.endswith(("/track", "/heartbeat")):
                    kind = {"activity_type": "heartbeat"} if path.endswith("heartbeat") else {}
                    batches = [{"events": [{**body, **kind}]} for body in bodies]
                    await extremes.check_leaf(method, path.rpartition("/")[0] + "/batch", leaf, batches)
    assert seen > 25


def _valid(document: Document, leaf: Leaf) -> list[Any]:
    return [document.sample(leaf.schema, str(leaf.path[-1]))]


async def test_no_number_and_no_time_of_a_query_is_an_error_of_the_server(
    extremes: Extremes, subtests: pytest.Subtests
) -> None:
    for method, path, operation in extremes.document.operations:
        for parameter in operation.get("parameters", []) if method == "get" else []:
            name, schema = parameter["name"], extremes.document.resolve(parameter["schema"])
            if parameter["in"] != "query" or not (name in TEXT_OF_TIME or schema.get("type") in {"integer", "number"}):
                continue
            with subtests.test(f"{path}?{name}"):
                for value in DATES if name in TEXT_OF_TIME else NUMBERS:
                    answer = await extremes._client.get(extremes.document.url(path), params={name: value})
                    assert answer.status_code in {200, 400}, f"{name}={value}: {answer.text}"
                    assert answer.status_code == 200 or name.lower() in answer.text.lower()


@pytest.mark.parametrize("instant", [-62_135_647_200_000, -30_610_224_000_000, 253_402_300_799_999, 253_402_300_800_000])
async def test_times_that_an_earlier_version_stored_outside_the_range_are_rendered(
    extremes: Extremes, settings: Settings, clock: FakeClock, instant: int
) -> None:
    async with open_server(settings, clock) as (_, world):
        for table, names in (
            (courses, ("starts_at", "ends_at", "enroll_from", "enroll_until", "created_at", "updated_at")),
            (enrollments, ("enrolled_at", "created_at", "updated_at", "last_activity_at")),
            (unit_progress, ("created_at", "updated_at")),
        ):
            async with world.database.write() as tx:
                await tx.run(update(table).values({table.c[name]: instant for name in names}))

    await extremes.check_reads(f"with times at {instant}")
