"""What the tests of restoring share."""

from pathlib import Path

import pytest

from tests.databases import SECRET_KEY
from tests.integration.tampering import Played, play
from tests.processes import run_headway
from tests.world import World


@pytest.fixture
async def played(world: World) -> Played:
    return await play(world)


@pytest.fixture
async def backup(played: Played, database_url: str, tmp_path: Path) -> Path:
    (folder := tmp_path / "backups").mkdir()
    ran = await run_headway("backup", str(folder / "a.db"), "--database", database_url, secret_key=SECRET_KEY)
    assert ran.returncode == 0, ran.stderr
    return folder / "a.db"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the backup is restored to."""
    (folder := tmp_path / "place").mkdir()
    return folder / "headway.db"
