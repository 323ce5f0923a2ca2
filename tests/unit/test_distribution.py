"""How tests are spread over processes."""

import pytest

from tests.distribution import part_of


@pytest.mark.parametrize(
    ("nodeid", "part"),
    [
        ("tests/unit/test_ids.py::test_ids_are_new", "tests/unit/test_ids.py"),
        ("tests/integration/test_seats.py::test_a_seat[sqlite]", "tests/integration/test_seats.py sqlite"),
        ("tests/integration/test_workers.py::test_it[two workers-postgresql]", "tests/integration/test_workers.py postgresql"),
        (
            "tests/contract/test_cases.py::test_case[learner/cases/peers.yaml::a peer-reads sqlite-postgresql]",
            "tests/contract/test_cases.py learner postgresql",
        ),
        (
            "tests/contract/test_cases.py::test_every_route_succeeds_in_a_case[learner-postgresql]",
            "tests/contract/test_cases.py learner postgresql",
        ),
    ],
)
def test_tests_that_may_share_a_server_belong_together(nodeid: str, part: str) -> None:
    assert part_of(nodeid) == part
