"""The case files of the learner contract, on both databases."""

from pathlib import Path

import pytest

from tests.contract.cases import Case, read_cases
from tests.contract.learner.conftest import Stage
from tests.contract.learner.playing import play

CASES = read_cases(Path(__file__).parent / "cases")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_case(case: Case, stage: Stage) -> None:
    await play(case, stage.client, await stage.names())


def test_no_two_cases_have_the_same_name() -> None:
    assert len({str(case) for case in CASES}) == len(CASES)
