"""The servers against which case files are run."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.contract.server import CaseServer, open_case_server
from tests.databases import Templates


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, templates: Templates
) -> AsyncIterator[CaseServer]:
    """One server for all cases of a contract on a kind of database: making a database for each takes longer than the case."""
    scene, kind = request.param
    url = templates.copy(kind, tmp_path_factory.mktemp(scene.contract))
    async with open_case_server(scene, url) as opened:
        yield opened
