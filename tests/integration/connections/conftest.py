"""A server with low limits for the tests of a module, and the sockets of a test."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.databases import SECRET_KEY, Templates
from tests.integration.connections.raw import LIMITS
from tests.processes import HeadwayProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, templates: Templates) -> Iterator[HeadwayProcess]:
    folder = tmp_path_factory.mktemp("connections")
    with HeadwayProcess(templates.copy("sqlite", folder), folder, SECRET_KEY, **LIMITS) as started:
        yield started
        assert started.stop() == 0
        assert "Traceback" not in started.log.read_text()


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    """Closes all sockets of a test."""
    with ExitStack() as opened:
        yield opened
