"""What the tests of the doctor share."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from headway.doctor import files_checks
from tests.databases import PostgresServer
from tests.integration.doctor.installations import KEY, ON_DISK, Installation, with_room
from tests.processes import run_headway


@pytest.fixture
def without_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the key of the surroundings away."""
    monkeypatch.delenv("HEADWAY_SECRET_KEY", raising=False)


@pytest.fixture(autouse=True)
def on_a_disk_with_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand for the machine, which may be a container."""
    (tmp_path / "mounts").write_text(ON_DISK)
    monkeypatch.setattr(files_checks, "MOUNTS", tmp_path / "mounts")
    with_room(monkeypatch, 50_000_000_000)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return (await Installation(tmp_path_factory.mktemp("template")).make()).folder


@pytest.fixture
def installation(template: Path, tmp_path: Path, without_key: None) -> Installation:
    return Installation(Path(shutil.copytree(template, tmp_path / "installation")))


@pytest.fixture
async def empty_postgres(postgres: PostgresServer) -> AsyncIterator[str]:
    with postgres.lend_database() as url:
        assert (await run_headway("migrate", "--database", url, secret_key=KEY)).returncode == 0
        yield url
