"""A backup is one snapshot beside its server, verified before it has its name; what keeps it from being made is one line."""

import asyncio
import json
import os
import resource
import signal
import sqlite3
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from headway.audit.tables import audit_entries
from headway.backups import files, making
from headway.backups.making import make_backup
from headway.backups.verifying import Look
from headway.db import sqlite_copy
from headway.db.keyring import fingerprint
from headway.errors import OperatorError
from headway.instants import system_clock
from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.integration.archives import archive
from tests.integration.tampering import Played, play
from tests.processes import FORKS, run_headway
from tests.world import World

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
pytestmark = ON_SQLITE


@pytest.fixture
async def played(world: World) -> Played:
    return await play(world)


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    (folder := tmp_path / "backups").mkdir()
    return folder


async def back_up(
    database_url: str, *arguments: str | Path, secret_key: str = SECRET_KEY
) -> "subprocess.CompletedProcess[str]":
    return await run_headway("backup", *map(str, arguments), "--database", database_url, secret_key=secret_key)


def fault_of(ran: "subprocess.CompletedProcess[str]") -> str:
    assert (ran.returncode, ran.stdout) == (1, "")
    (line,) = ran.stderr.splitlines()
    return line.removeprefix("Error: ")


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


async def test_a_backup_is_a_complete_private_copy_with_a_manifest(played: Played, database_url: str, backups: Path) -> None:
    ran = await back_up(database_url, backups / "a.db")

    assert (ran.returncode, ran.stderr) == (0, "")
    printed, kept = json.loads(ran.stdout), json.loads((backups / "a.db.json").read_text())
    assert names(backups) == ["a.db", "a.db.json"]
    assert {stat.S_IMODE((backups / name).stat().st_mode) for name in names(backups)} == {0o600}
    assert kept["keys"] == [fingerprint(SECRET_KEY)]
    assert kept["verified"] == {"integrity": "full", "differences": 0, "audit_faults": 0}
    assert (kept["size_bytes"], kept["archives"]) == ((backups / "a.db").stat().st_size, [])
    assert kept["audit_head"]["seq"] > 0
    assert kept["began_at"] <= kept["ended_at"]
    assert printed | {"file": "a.db"} == kept | {"copied_archives": None}
    assert SECRET_KEY not in (backups / "a.db.json").read_text()
    assert rows_of(backups / "a.db") == rows_of(Path(database_url.removeprefix("sqlite:///")), but="audit_entries")


def rows_of(file: Path, *, but: str = "") -> dict[str, Any]:
    """Read all tables of a file, but for what a backup itself adds to the log."""
    with sqlite3.connect(file) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
        found = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables}  # noqa: S608 - our own names
    connection.close()
    found.pop("audit_head")
    if but:
        found[but] = [row for row in found[but] if "CREATE_BACKUP" not in row]
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


async def test_the_log_tells_of_a_backup_and_stays_sound(played: Played, database_url: str, backups: Path) -> None:
    await back_up(database_url, backups / "a.db")

    actions = [row[0] for row in await played.world.rows(select(audit_entries.c.action).order_by(audit_entries.c.seq))]
    assert actions[-1] == "CREATE_BACKUP"
    assert (await run_headway("audit", "verify", "--database", database_url, secret_key=SECRET_KEY)).returncode == 0


async def test_into_a_folder_a_backup_has_the_time_in_its_name(played: Played, database_url: str, backups: Path) -> None:
    printed = json.loads((await back_up(database_url, backups, "--quick")).stdout)

    moment = printed["began_at"].replace("-", "").replace(":", "")[:15]
    assert Path(printed["file"]).name[:23] <= f"headway-{moment}"
    assert names(backups) == [Path(printed["file"]).name, f"{Path(printed['file']).name}.json"]
    assert printed["verified"] == {"integrity": "quick", "differences": None, "audit_faults": None}


async def test_an_existing_file_is_replaced_only_by_force(played: Played, database_url: str, backups: Path) -> None:
    await back_up(database_url, backups / "a.db", "--quick")
    first = (backups / "a.db.json").read_text()

    assert fault_of(await back_up(database_url, backups / "a.db", "--quick")) == f"{backups}/a.db exists; --force replaces it."
    assert (backups / "a.db.json").read_text() == first
    assert (await back_up(database_url, backups / "a.db", "--quick", "--force")).returncode == 0
    assert (backups / "a.db.json").read_text() != first


@pytest.mark.parametrize("name", ["headway.db", "link.db"])
async def test_the_database_itself_is_never_replaced(played: Played, database_url: str, tmp_path: Path, name: str) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "headway.db")

    assert fault_of(await back_up(database_url, tmp_path / name, "--force")).endswith("is the database itself.")


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal", ".lock", ".key"])
async def test_the_files_beside_the_database_are_never_replaced(
    played: Played, database_url: str, tmp_path: Path, suffix: str
) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "headway.db")
    before = names(tmp_path)

    for url, name in ((database_url, "headway.db"), (f"sqlite:///{tmp_path}/link.db", "link.db")):
        fault = fault_of(await back_up(url, tmp_path / f"{name}{suffix}", "--force"))
        assert "belongs to the database itself" in fault
    assert names(tmp_path) == before


async def test_a_file_that_is_in_the_place_of_the_manifest_is_not_replaced(
    played: Played, database_url: str, backups: Path
) -> None:
    (backups / "algebra.json").write_text("a course")

    fault = fault_of(await back_up(database_url, backups / "algebra", "--quick"))

    assert fault == f"{backups}/algebra.json exists; --force replaces it."
    assert (backups / "algebra.json").read_text() == "a course"


async def test_what_keeps_a_backup_from_being_made_is_one_line(database_url: str, tmp_path: Path, backups: Path) -> None:
    (tmp_path / "plain.db").write_text("This is a text and no database, however long it may be. " * 10)
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE a (b)")
    lines = {
        fault_of(await run_headway("backup", str(backups / "a.db"), "--database", url, secret_key=SECRET_KEY))
        for url in (
            f"sqlite:///{tmp_path}/none.db",
            f"sqlite:///{tmp_path}/plain.db",
            f"sqlite:///{tmp_path}/other.db",
            "postgresql://u:p@127.0.0.1:1/x",
        )
    }
    lines.add(fault_of(await back_up(database_url, tmp_path / "no-folder" / "a.db")))

    assert lines == {
        f"There is no database at {tmp_path}/none.db.",
        f"{tmp_path}/plain.db cannot be read as a database, or copied: file is not a database",
        f"{tmp_path}/other.db is not a database of Headway.",
        making._POSTGRESQL,
        f"There is no folder {tmp_path}/no-folder.",
    }
    assert names(backups) == []
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("options", [[], ["--quick"]], ids=["full", "quick"])
async def test_with_other_keys_or_none_there_is_no_backup(
    played: Played, database_url: str, backups: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.delenv("HEADWAY_SECRET_KEY", raising=False)
    other_key = "another-key-that-is-only-for-tests-too"
    other = fault_of(await back_up(database_url, backups / "a.db", *options, secret_key=other_key))
    none = fault_of(await run_headway("backup", str(backups / "a.db"), "--database", database_url))

    assert "was encrypted with another key" in other
    assert none.startswith("The key of the database is missing: put it into ")
    assert names(backups) == []
    assert not Path(f"{database_url.removeprefix('sqlite:///')}.key").exists()


async def test_a_full_disk_is_told_before_anything_is_written(
    played: Played, database_url: str, backups: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: _Usage())
    settings = Settings(database_url=database_url, secret_key=SECRET_KEY)

    with pytest.raises(OperatorError, match=r"has 0\.0 MB free, and the copy may take \d"):
        await make_backup(settings, backups / "a.db", look=Look(), replaces=False, clock=system_clock)
    assert names(backups) == []


class _Usage:
    free = 1_000


async def test_a_disk_that_is_full_in_the_middle_leaves_nothing(
    played: Played, database_url: str, tmp_path: Path, backups: Path
) -> None:
    process = FORKS.Process(target=_back_up_with_room_for_little, args=(database_url, backups / "a.db", tmp_path / "said"))
    process.start()
    process.join(60)

    assert process.exitcode == 0
    assert (tmp_path / "said").read_text().startswith(f"{tmp_path}/headway.db cannot be read as a database, or copied: ")
    assert names(backups) == []


def _back_up_with_room_for_little(database_url: str, target: Path, said: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    settings = Settings(database_url=database_url, secret_key=SECRET_KEY)
    try:
        asyncio.run(make_backup(settings, target, look=Look(), replaces=False, clock=system_clock))
    except OperatorError as error:
        said.write_text(str(error))


@pytest.mark.parametrize("is_quick", [False, True])
async def test_a_copy_that_a_bad_disk_damages_is_no_backup(
    played: Played, database_url: str, backups: Path, monkeypatch: pytest.MonkeyPatch, is_quick: bool
) -> None:
    copy = sqlite_copy.copy_into

    def copy_badly(source: Path, target: Path) -> None:
        copy(source, target)
        with target.open("r+b") as file:
            # The first page, with the schema, stays as it is; what is in the tree of the last one does not.
            file.seek(-4_096, os.SEEK_END)
            file.write(b"\xff" * 4_096)

    monkeypatch.setattr(sqlite_copy, "copy_into", copy_badly)
    settings = Settings(database_url=database_url, secret_key=SECRET_KEY)

    with pytest.raises(OperatorError, match=r"damaged|malformed"):
        await make_backup(settings, backups / "a.db", look=Look(is_quick), replaces=False, clock=system_clock)
    assert names(backups) == []


async def test_a_copy_of_data_with_faults_is_kept_and_told(played: Played, database_url: str, backups: Path) -> None:
    with sqlite3.connect(database_url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE enrollments SET percent = percent + 1 WHERE percent < 99")

    ran = await back_up(database_url, backups / "a.db")

    assert ran.returncode == 1
    assert "its data has faults: `headway verify` reports" in ran.stderr
    assert json.loads((backups / "a.db.json").read_text())["verified"]["differences"] > 0
    assert json.loads(ran.stdout)["verified"]["audit_faults"] == 0


async def test_a_database_of_an_earlier_version_is_copied_and_not_looked_into(
    played: Played, database_url: str, backups: Path
) -> None:
    await run_headway("migrate", "--to", "0030", "--database", database_url, secret_key=SECRET_KEY)

    ran = await back_up(database_url, backups / "a.db")

    assert ran.returncode == 0
    printed = json.loads(ran.stdout)
    assert (printed["schema_version"], printed["archives"]) == ("0030", None)
    assert printed["verified"] == {"integrity": "full", "differences": None, "audit_faults": None}
    assert "was not verified" in ran.stderr
    with sqlite3.connect(database_url.removeprefix("sqlite:///")) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0030",)]


async def test_archives_are_named_with_their_sums_and_copied_once(
    played: Played, database_url: str, tmp_path: Path, backups: Path
) -> None:
    made = await archive(played.world, tmp_path / "archives")
    first = json.loads((await back_up(database_url, backups / "a.db", "--copy-archives", backups / "archives")).stdout)
    again = json.loads((await back_up(database_url, backups / "b.db", "--copy-archives", backups / "archives")).stdout)

    assert [(each["file"], each["sha256"]) for each in first["archives"]] == [(each.file, each.sha256) for each in made]
    assert first["copied_archives"] == [Path(each.file).name for each in made]
    assert again["copied_archives"] == []
    assert names(backups / "archives") == sorted(
        name for each in made for name in (Path(each.file).name, f"{Path(each.file).name}.json")
    )


@pytest.mark.parametrize("step", ["copied", "verified", "named"])
async def test_a_backup_that_is_killed_leaves_nothing_that_looks_like_one(
    played: Played, database_url: str, backups: Path, step: str
) -> None:
    process = FORKS.Process(target=_back_up_and_die, args=(database_url, backups / "a.db", step))
    process.start()
    process.join(60)

    assert process.exitcode == -signal.SIGKILL
    left = names(backups)
    if step == "named":
        # It was complete, and only its manifest is missing.
        assert left[1:] == ["a.db"]
    else:
        assert len(left) == 1
    assert left[0].startswith(".a.db.partial-")
    assert (await back_up(database_url, backups / "a.db", "--force")).returncode == 0
    assert names(backups) == ["a.db", "a.db.json"]


def _back_up_and_die(database_url: str, target: Path, step: str) -> None:
    def die(*_: object, **__: object) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)

    module, name = {
        "copied": (sqlite_copy, "check_integrity"),
        "verified": (files, "publish"),
        "named": (files, "create_secret"),
    }[step]
    setattr(module, name, die)
    settings = Settings(database_url=database_url, secret_key=SECRET_KEY)
    asyncio.run(make_backup(settings, target, look=Look(), replaces=False, clock=system_clock))


async def test_what_is_left_of_a_backup_of_another_name_is_not_touched(
    played: Played, database_url: str, backups: Path
) -> None:
    for name in (".a.db.partial-1", ".[ab].db.partial-1"):
        (backups / name).mkdir()

    assert (await back_up(database_url, backups / "[ab].db", "--quick")).returncode == 0
    assert names(backups) == [".a.db.partial-1", "[ab].db", "[ab].db.json"]


async def test_two_backups_to_one_name_do_not_mix(played: Played, database_url: str, backups: Path) -> None:
    command = ("backup", str(backups / "a.db"), "--force", "--database", database_url)
    await asyncio.gather(*(run_headway(*command, secret_key=SECRET_KEY) for _ in range(2)))

    assert names(backups) == ["a.db", "a.db.json"]
    assert json.loads((backups / "a.db.json").read_text())["sha256"] == files.sha256_of(backups / "a.db")
