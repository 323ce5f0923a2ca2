"""The case files of all contracts, on both databases; README.md describes their language."""

import pytest

from tests.contract.activity_log.scene import SCENE as ACTIVITY_LOG
from tests.contract.activity_tracking.scene import SCENE as ACTIVITY_TRACKING
from tests.contract.case_files import Case, read_cases
from tests.contract.course_room.scene import SCENE as COURSE_ROOM
from tests.contract.learner.scene import SCENE as LEARNER
from tests.contract.scene import Scene
from tests.contract.server import CaseServer, described_routes, succeeds
from tests.contract.tutorials.scene import SCENE as TUTORIALS

SCENES: tuple[Scene, ...] = (ACTIVITY_LOG, ACTIVITY_TRACKING, COURSE_ROOM, LEARNER, TUTORIALS)
CASES = {scene: read_cases(scene.contract) for scene in SCENES}
SERVERS = [(scene, kind) for scene in SCENES for kind in ("sqlite", "postgresql")]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("server", "case"),
    [pytest.param(server, case, id=f"{case}-{server[1]}") for server in SERVERS for case in CASES[server[0]]],
    indirect=["server"],
    scope="module",  # that of the server: with the scope of a test it would be made for each case
)
async def test_case(server: CaseServer, case: Case) -> None:
    async for exchange in server.run(case):
        assert exchange.actual == exchange.expected


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: f"{server[0].contract}-{server[1]}", indirect=True)
async def test_every_route_succeeds_in_a_case(server: CaseServer) -> None:
    scene = server.scene

    routes = await described_routes(server.client, scene.tag)

    assert len(routes) == scene.route_count
    assert [route for route in routes if not any(succeeds(route, scene.prefix, case) for case in CASES[scene])] == []


async def test_no_two_cases_have_the_same_name() -> None:
    names = [str(case) for cases in CASES.values() for case in cases]

    assert sorted(set(names)) == sorted(names)
