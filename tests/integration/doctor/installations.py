"""Installations that the doctor examines."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from headway.doctor.service import examine_installation
from headway.health.findings import Level
from headway.instants import system_clock
from tests.processes import run_headway

KEY = "qT7_ZVx1n0Lw9dR4bE2sKp8uYhJ6gMfCa3tXoViW5rQ"
OTHER_KEY = "mB4_hNx8c2Pz6kD1vG9sWq3yRtJ7eLfUa5oXiVbK0dM"
ON_DISK = "36 35 98:0 / / rw,noatime - ext4 /dev/root rw\n"
OF_TESTS = {"fsync is off", "full_page_writes is off"}
"""The server of tests may lose everything in a crash of the machine, and says so."""


class Installation:
    """A SQLite database with its key and a backup, and the variables of its server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "data" / "headway.db"
        self.backups = folder / "backups"
        self.environ = {
            "HEADWAY_DATABASE_URL": f"sqlite:///{self.file}",
            "HEADWAY_SECRET_KEY": KEY,
            "HEADWAY_BACKUP_FOLDER": str(self.backups),
        }
        self.clock = system_clock

    async def make(self) -> "Installation":
        self.file.parent.mkdir()
        self.backups.mkdir()
        await self.run("migrate")
        await self.run("user", "create", "--name", "A", "--email", "a@example.org")
        await self.run("backup", str(self.backups), "--quick")
        return self

    async def run(self, *arguments: str) -> None:
        ran = await run_headway(*arguments, "--database", self.environ["HEADWAY_DATABASE_URL"], secret_key=KEY)
        assert ran.returncode == 0, ran.stderr

    def sql(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute(statement, values)

    async def findings(self, **variables: str) -> list[tuple[Level, str]]:
        """Examine it with these variables too, and return what is not fine."""
        report = await examine_installation(self.environ | variables, {}, self.clock)
        return [(each.level, f"{each.found} {each.remedy}") for each in report.findings if each.level is not Level.OK]

    async def problem(self, **variables: str) -> str:
        """Return the one thing that is wrong."""
        ((level, text),) = await self.findings(**variables)
        assert level is Level.PROBLEM, text
        return text

    async def warning(self, **variables: str) -> str:
        """Return the one thing that there is to say."""
        ((level, text),) = await self.findings(**variables)
        assert level is Level.WARNING, text
        return text


async def problems_of(url: str, **variables: str) -> set[str]:
    """Return how each thing begins that is wrong with an installation on PostgreSQL."""
    environ = {"HEADWAY_DATABASE_URL": url, "HEADWAY_SECRET_KEY": KEY, **variables}
    report = await examine_installation(environ, {}, system_clock)
    return {each.found.partition(":")[0] for each in report.findings if each.level is Level.PROBLEM}


def with_room(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """Let every disk have so many free bytes."""
    usage = shutil.disk_usage("/")
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: usage._replace(free=free))
