"""Every list, text and number that a client sends in a body has its bounds in the OpenAPI document, as they are set."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from headway.app import create_app
from headway.settings import Settings

SETTINGS: dict[str, Any] = {
    "max_bulk_ids": 11,
    "max_batch_events": 12,
    "max_course_modules": 13,
    "max_course_units": 14,
    "max_course_assessments": 15,
    "max_course_prerequisites": 16,
    "max_page_size": 17,
}
BOUNDED_OTHERWISE = {
    ".duration_seconds": "more than an event may claim is cut",
    ".active_seconds": "more than a heartbeat may claim is cut",
    ".score": "at most `maxScore`",
    "post /api/v1/rosters ": "a file of at most HEADWAY_MAX_ROSTER_BYTES",
}


@pytest.fixture
async def document() -> dict[str, Any]:
    """The document of a server on which every limit is set."""
    app: Any = create_app(Settings(secret_key="k" * 32, **SETTINGS)).app
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://headway.test") as client:
        found: dict[str, Any] = (await client.get("/openapi.json")).json()
    return found


def leaves(document: dict[str, Any], path: str, schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each list, text and number of a schema with its path. Objects without declared fields are bounded by bytes."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for each in schema.get("anyOf", []):
        yield from leaves(document, path, each)
    if schema.get("type") in {"string", "integer", "number", "array"}:
        yield path, schema
    for name, each in schema.get("properties", {}).items():
        yield from leaves(document, f"{path}.{name}", each)
    if isinstance(schema.get("items"), dict):
        yield from leaves(document, f"{path}[]", schema["items"])


def bodies(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                yield from leaves(document, f"{method} {path} ", content["schema"])


def has_bounds(schema: dict[str, Any]) -> bool:
    keys = schema.keys()
    if schema["type"] == "array":
        return "maxItems" in keys
    if schema["type"] == "string":
        return bool({"maxLength", "enum", "const"} & keys)
    return bool({"minimum", "exclusiveMinimum"} & keys and {"maximum", "exclusiveMaximum"} & keys) or "enum" in keys


async def test_every_list_text_and_number_of_a_body_has_bounds(document: dict[str, Any]) -> None:
    found = list(bodies(document))

    assert len(found) > 100
    unbounded = [path for path, schema in found if not has_bounds(schema) and not path.endswith(tuple(BOUNDED_OTHERWISE))]
    assert unbounded == []


async def test_limits_that_are_settings_stand_in_the_document_as_they_are_set(document: dict[str, Any]) -> None:
    lists = {path: schema["maxItems"] for path, schema in bodies(document) if schema["type"] == "array"}

    assert lists["post /user-progress/bulk .userIds"] == 11
    assert lists["post /api/courses/activity/batch .events"] == 12
    for method, path in (("post", "/api/v1/courses"), ("patch", "/api/v1/courses/{course_id}")):
        course = f"{method} {path} "
        assert lists[f"{course}.modules"] == 13
        assert lists[f"{course}.modules[].units"] == 14
        assert lists[f"{course}.assessments"] == 15
        assert lists[f"{course}.prerequisites"] == 16
    limits = [
        parameter["schema"]["anyOf"][0]["maximum"] if "anyOf" in parameter["schema"] else parameter["schema"]["maximum"]
        for operations in document["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", [])
        if parameter["name"] == "limit"
    ]
    assert set(limits) == {17}
