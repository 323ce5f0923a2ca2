"""The case files of the learner contract, on both databases."""

from pathlib import Path

import pytest

from tests.contract.cases import Case, read_cases, routes_of, succeeds
from tests.contract.learner.conftest import Stage
from tests.contract.learner.playing import PREFIX, play

CASES = read_cases(Path(__file__).parent / "cases")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_case(case: Case, stage: Stage) -> None:
    await play(case, stage.client, await stage.names())


def test_no_two_cases_have_the_same_name() -> None:
    assert len({str(case) for case in CASES}) == len(CASES)


@pytest.mark.asyncio(loop_scope="module")
async def test_every_route_succeeds_in_a_case(stage: Stage) -> None:
    routes = await routes_of(stage.client, "Learner")

    assert len(routes) == 28
    assert [route for route in routes if not any(succeeds(route, PREFIX, case) for case in CASES)] == []
