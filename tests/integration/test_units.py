"""The units of systemd in `deploy/` allow what their commands ask of the kernel."""

from pathlib import Path

import pytest

from headway import schema
from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.processes import HeadwayProcess, open_client, run_headway
from tests.system_calls import IS_POSSIBLE, allowed_by

DEPLOY = Path(__file__).parents[2] / "deploy"
ADA = {"name": "Ada", "email": "ada@example.org", "password": "Purple-Boat-77"}
pytestmark = [
    pytest.mark.skipif(not IS_POSSIBLE, reason="there is no libseccomp, or no systemd-analyze"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


async def test_a_backup_is_made_as_its_unit_restricts_it(database_url: str, tmp_path: Path) -> None:
    unit = DEPLOY / "headway-backup.service"
    await schema.migrate(Settings(database_url=database_url, secret_key=SECRET_KEY))

    ran = await run_headway("backup", str(tmp_path / "copy.db"), "--database", database_url, secret_key=SECRET_KEY, unit=unit)

    assert (ran.returncode, ran.stderr) == (0, "")
    # As the filter forbids it to the command, the unit lowers the priority.
    assert "setpriority" not in allowed_by(unit.read_text())
    assert "\nNice=10\n" in unit.read_text()


async def test_a_server_serves_as_its_unit_restricts_it(database_url: str, tmp_path: Path) -> None:
    process = HeadwayProcess(database_url, tmp_path, SECRET_KEY)
    process.unit = DEPLOY / "headway.service"

    with process:
        async with open_client(process.url, timeout=20) as client:
            registered = await client.post("/api/v1/learner/auth/register", json=ADA)
        status = process.stop()

    assert (registered.status_code, status) == (201, 0)
