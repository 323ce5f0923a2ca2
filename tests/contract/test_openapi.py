"""The OpenAPI document holds: whatever is sent by it, the responses are those that it describes, and never a 5xx."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode
from schemathesis.python.asgi import shutdown_lifespans
from schemathesis.specs.openapi.checks import positive_data_acceptance

from headway import schema as database_schema
from headway.app import create_app
from headway.settings import Settings
from tests.world import FakeClock, World

EXAMPLES = 10
ANY = list(HealthCheck)


@pytest.fixture
def enrolled(settings: Settings) -> tuple[str, dict[str, int]]:
    """A learner's bearer header, and the ids of the learner, and of the course and a unit that the learner may study."""

    async def make() -> tuple[str, dict[str, int]]:
        database = database_schema.database(settings)
        await database.open()
        world = World(database, settings, FakeClock())
        course = await world.course()
        learner = await world.learner(course)
        await database.close()
        ids = {"course_id": course.id, "unit_id": course.units[0].id, "user_id": learner.id}
        of_course_room = {"courseId": course.id, "courseContentId": course.units[0].id, "userId": learner.id}
        return world.bearer(learner)["Authorization"], {**ids, **of_course_room}

    return asyncio.run(make())


@pytest.fixture
def described(settings: Settings) -> Iterator[Any]:
    """The document of a running server, through which the server can be called in-process."""
    yield schemathesis.openapi.from_asgi("/openapi.json", create_app(settings, FakeClock()))
    shutdown_lifespans()


def assert_conforms(strategy: SearchStrategy[schemathesis.Case[Any]], bearer: str, ids: dict[str, int]) -> None:
    """Send requests and check that each response is one that the document describes."""

    @hypothesis_settings(max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=ANY)
    @given(case=strategy)
    def holds(case: schemathesis.Case[Any]) -> None:
        if ids and isinstance(case.body, dict):
            case.body = put_ids(case.body, ids)
        if ids and case.path_parameters:
            case.path_parameters = {name: str(value) for name, value in put_ids(case.path_parameters, ids).items()}
        # A valid id need not be one of a course that exists, and an end may come before its start.
        case.call_and_validate(headers={"Authorization": bearer}, excluded_checks=[positive_data_acceptance])

    holds()


def put_ids(body: dict[str, Any], ids: dict[str, int]) -> dict[str, Any]:
    """Put ids that exist in the place of those that do not."""
    if isinstance(body.get("events"), list):
        return {**body, "events": [put_ids(each, ids) if isinstance(each, dict) else each for each in body["events"]]}
    return {name: ids.get(name, value) for name, value in body.items() if name != "module_id"}


@pytest.mark.parametrize("knows_ids", [False, True], ids=["any ids", "ids that exist"])
def test_valid_requests_are_answered_as_the_document_describes(
    described: Any, enrolled: tuple[str, dict[str, int]], knows_ids: bool, subtests: pytest.Subtests
) -> None:
    bearer, ids = enrolled

    for found in described.get_all_operations():
        operation = found.ok()
        with subtests.test(operation.label):
            assert_conforms(operation.as_strategy(generation_mode=GenerationMode.POSITIVE), bearer, ids if knows_ids else {})


def test_invalid_requests_are_answered_as_the_document_describes(
    described: Any, enrolled: tuple[str, dict[str, int]], subtests: pytest.Subtests
) -> None:
    bearer, _ids = enrolled

    for found in described.get_all_operations():
        operation = found.ok()
        if operation.body:
            with subtests.test(operation.label):
                assert_conforms(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE), bearer, {})


def test_every_route_of_the_contract_is_described(described: Any) -> None:
    assert {
        "POST /api/courses/activity/track",
        "POST /api/courses/activity/heartbeat",
        "POST /api/courses/activity/batch",
    } <= {found.ok().label for found in described.get_all_operations()}
