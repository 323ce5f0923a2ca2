"""The case files of the activity log, on both databases."""

import re
from pathlib import Path

import pytest

from tests.contract.activity_log.conftest import Stage
from tests.contract.activity_log.playing import PREFIX, play
from tests.contract.cases import Case, read_cases

CASES = read_cases(Path(__file__).parent / "cases")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_case(case: Case, stage: Stage) -> None:
    await play(case, stage)


def test_no_two_cases_have_the_same_name() -> None:
    assert len({str(case) for case in CASES}) == len(CASES)


@pytest.mark.asyncio(loop_scope="module")
async def test_every_route_succeeds_in_a_case(stage: Stage) -> None:
    paths = (await stage.client.get("/openapi.json")).json()["paths"]
    routes = [(method.upper(), path) for path, methods in paths.items() for method in methods if path.startswith(PREFIX)]

    assert len(routes) == 3
    assert [route for route in routes if not any(_succeeds(case, *route) for case in CASES)] == []


def _succeeds(case: Case, method: str, route: str) -> bool:
    """Say whether a case has a step, written out in full, that asks a route and is answered with a success."""
    pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", route.removeprefix(PREFIX)))
    return any(
        isinstance(step.request, dict)
        and step.request.get("method", "POST") == method
        and pattern.fullmatch(step.request.get("path", "").partition("?")[0])
        and step.response["status"] < 300
        for step in [*case.setup, *case.steps]
    )
