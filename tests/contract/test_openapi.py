"""The OpenAPI document holds: whatever is sent by it, the responses are those that it describes, and never a 5xx.

All of schemathesis' checks run, with data that fits the document and data that does not.
"""

import asyncio
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as hypothesis_settings
from schemathesis import GenerationMode
from schemathesis.python.asgi import shutdown_lifespans
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from headway import schema as database_schema
from headway.app import create_app
from headway.settings import Settings
from tests.contract.rates import WITHOUT_RATE_LIMITS
from tests.contract.rights.conftest import School
from tests.contract.samples import SAMPLES
from tests.databases import SECRET_KEY
from tests.world import FakeClock, World

EXAMPLES = 10
ANY = list(HealthCheck)

BEYOND_SCHEMAS = (
    # Two fields, a field and what is stored, or two requests.
    *(
        "does not exist",
        # Files are any bytes.
        *("has no header", "has no column", "has no rows", "is empty", "is not text", "is not UTF-8", "names a column twice"),
        *("is neither UTF-8", "is not as its byte order mark", "is no zip"),
        "must be a cursor of this list",
        "is not in this course",
        "is not the external id of",
        "names several units",
        "is not an id",
        "is not a unit of",
        "is not a module of",
        "cannot be read",
        "goes with the status",
        "goes with the format",
        "must be the only one of",
        "must be in the future",
        "must be a time zone such as",
    ),
    *("must not be before", "must be after", "must end after", "must be between 0 and", "is used twice", "must not lead back"),
    *(
        "does not apply to the rule",
        "is required for the rule",
        "must be above 0 and at most",
        "was used for another request",
        "Not eligible",
    ),
    # What a pattern cannot say.
    *("must be the id or the address of the account", "all of them readable"),
    *("most common passwords", "upper-case letter", "special character", "is wrong", "must not contain NUL"),
)
"""The rules that a document cannot state: a request may fit its schema and break one of these."""


class Described(NamedTuple):
    """The document of a running server, through which the server can be called, and a school in its database."""

    document: Any
    school: School

    def ids(self, *, as_numbers: bool = False) -> dict[str, Any]:
        """Return the ids of things that exist, by the names of parameters and fields."""
        ids = self.school.ids
        texts = {
            "course_id": ids["course"],
            "user_id": ids["learner_id"],
            "assessment_id": ids["assessment"],
            "submission_id": ids["submission"],
            "message_id": ids["message"],
            "courseId": ids["course"],
            "userId": ids["learner_id"],
            "moduleId": ids["module"],
            "receiverId": ids["peer_id"],
        }
        if not as_numbers:
            return texts
        names = {"course_id": "course", "module_id": "module", "unit_id": "unit", "courseContentId": "unit"}
        numbers = {name: int(ids[what]) for name, what in names.items()}
        return {**texts, **numbers, "courseId": int(ids["course"]), "userId": int(ids["learner_id"])}


@pytest.fixture
def described(database_url: str) -> Iterator[Described]:
    unlimited: dict[str, Any] = WITHOUT_RATE_LIMITS
    settings = Settings(database_url=database_url, secret_key=SECRET_KEY, postgres_pool_size=4, **unlimited)

    async def make() -> School:
        database = database_schema.database(settings)
        await database.open()
        async with httpx.AsyncClient() as unused:
            school = School(World(database, settings, FakeClock()), unused)
            await school.build()
        await database.close()
        return school

    school = asyncio.run(make())
    yield Described(schemathesis.openapi.from_asgi("/openapi.json", create_app(settings, FakeClock())), school)
    shutdown_lifespans()


def put_ids(body: Any, ids: dict[str, Any]) -> Any:
    """Put ids that exist in the place of those that do not."""
    if isinstance(body, list):
        return [put_ids(each, ids) for each in body]
    if not isinstance(body, dict):
        return body
    return {name: ids[name] if name in ids else put_ids(value, ids) for name, value in body.items()}


def assert_conforms(described: Described, operation: Any, mode: GenerationMode, *, with_ids: bool) -> None:
    """Send requests as the one who may, and check that each response is one that the document describes."""
    sample = SAMPLES.get(operation.label)
    people = described.school.people
    caller = people.get(sample.role, people["learner"]) if sample is not None else people["admin"]
    headers = described.school.world.bearer(caller)

    @hypothesis_settings(max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=ANY)
    @given(case=operation.as_strategy(generation_mode=mode))
    def holds(case: schemathesis.Case[Any]) -> None:
        # A query may hold what no route knows: it is ignored.
        assume(mode is GenerationMode.POSITIVE or _is_negative(case))
        assume(set(case.query or ()) <= {each.name for each in operation.query})
        if with_ids:
            case.path_parameters = put_ids(case.path_parameters, described.ids())
            is_numeric = operation.label.startswith(("POST /user-progress", "POST /api/courses", "POST /api/v1/events"))
            case.body = put_ids(case.body, described.ids(as_numbers=is_numeric))
        response = case.call(headers=headers)
        is_beyond = response.status_code in {400, 422} and any(rule in response.text for rule in BEYOND_SCHEMAS)
        # Where each item has a verdict of its own, a request with items that do not fit is answered all the same.
        has_verdicts = response.status_code == 200 and b'"status":"rejected"' in response.content
        excluded: list[Any] = [positive_data_acceptance] * is_beyond + [negative_data_rejection] * has_verdicts
        case.validate_response(response, excluded_checks=excluded)

    holds()


def _is_negative(case: schemathesis.Case[Any]) -> bool:
    """Return whether something of a request does not fit; there are requests of which nothing can be wrong."""
    return case.meta is not None and case.meta.phase.data.description != "Positive test case"


MODES = [(GenerationMode.POSITIVE, False), (GenerationMode.POSITIVE, True), (GenerationMode.NEGATIVE, False)]


@pytest.mark.parametrize(("mode", "with_ids"), MODES, ids=["any ids", "ids that exist", "data that does not fit"])
def test_requests_are_answered_as_the_document_describes(
    described: Described, mode: GenerationMode, with_ids: bool, subtests: pytest.Subtests
) -> None:
    for found in described.document.get_all_operations():
        operation = found.ok()
        can_be_wrong = operation.body or operation.query
        if can_be_wrong or mode is GenerationMode.POSITIVE:
            with subtests.test(operation.label):
                assert_conforms(described, operation, mode, with_ids=with_ids)


def test_every_route_of_the_contract_is_described(described: Described) -> None:
    assert {
        "POST /api/courses/activity/track",
        "POST /api/courses/activity/heartbeat",
        "POST /api/courses/activity/batch",
    } <= {found.ok().label for found in described.document.get_all_operations()}
