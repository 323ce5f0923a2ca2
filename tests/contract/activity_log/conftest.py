"""A server with the people of the activity log's cases, for the tests beside them."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.contract.activity_log.scene import SCENE
from tests.contract.server import CaseServer, open_case_server
from tests.databases import KINDS, Templates


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=KINDS)
async def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, templates: Templates
) -> AsyncIterator[CaseServer]:
    """One server on each kind of database for all tests of a module."""
    url = templates.copy(request.param, tmp_path_factory.mktemp(SCENE.contract))
    async with open_case_server(SCENE, url) as opened:
        yield opened
