"""Backups that are restored, and what is in a database then."""

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from tests.databases import SECRET_KEY
from tests.processes import run_headway


async def restore(
    backup: Path, place: Path, *arguments: str, key: str | None = SECRET_KEY
) -> "subprocess.CompletedProcess[str]":
    return await run_headway("restore", str(backup), *arguments, "--database", f"sqlite:///{place}", secret_key=key)


def fault_of(ran: "subprocess.CompletedProcess[str]") -> str:
    assert (ran.returncode, ran.stdout) == (1, ""), ran
    (line,) = ran.stderr.splitlines()
    return line.removeprefix("Error: ")


async def is_sound(place: Path) -> bool:
    commands = (("verify",), ("audit", "verify"))
    found = [await run_headway(*each, "--database", f"sqlite:///{place}", secret_key=SECRET_KEY) for each in commands]
    return all(each.returncode == 0 for each in found)


def names(place: Path) -> set[str]:
    return {file.name for file in place.parent.iterdir()} - {f"{place.name}.lock"}


def events_of(place: Path) -> set[str]:
    with closing(sqlite3.connect(place)) as connection:
        return {row[0] for row in connection.execute("SELECT event_id FROM learner_activity_logs")}


def users_of(place: Path) -> int:
    with closing(sqlite3.connect(place)) as connection:
        return int(connection.execute("SELECT count(*) FROM users").fetchone()[0])
