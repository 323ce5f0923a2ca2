"""The case files of activity tracking, on both databases."""

from pathlib import Path

import pytest

from tests.contract.activity_tracking.conftest import CaseServer
from tests.contract.cases import Case, play, read_cases

CASES = read_cases(Path(__file__).parent / "cases")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_case(case: Case, case_server: CaseServer) -> None:
    await play(case, case_server.client, "/api/courses/activity", await case_server.names())


def test_no_two_cases_have_the_same_name() -> None:
    assert len({str(case) for case in CASES}) == len(CASES)
