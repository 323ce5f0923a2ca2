"""A backup is restored only with its keys, undamaged, and from a version that is known."""

import json
import os
import sqlite3
from pathlib import Path

import pytest

from headway import schema
from headway.db.keyring import fingerprint
from tests.databases import SECRET_KEY
from tests.integration.restoring.restorations import fault_of, is_sound, names, restore
from tests.integration.tampering import Played
from tests.processes import run_headway

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

OTHER_KEY = "another-key-that-is-only-for-tests-too"


@pytest.mark.parametrize("has_manifest", [True, False])
async def test_without_its_key_a_backup_is_not_restored(
    backup: Path, place: Path, monkeypatch: pytest.MonkeyPatch, has_manifest: bool
) -> None:
    if not has_manifest:
        Path(f"{backup}.json").unlink()
    monkeypatch.delenv("HEADWAY_SECRET_KEY", raising=False)

    none, other = [fault_of(await restore(backup, place, key=key)) for key in (None, OTHER_KEY)]

    if has_manifest:
        needed = f"The key {fingerprint(SECRET_KEY)} of this backup is missing; present are"
        assert none.startswith(f"{needed}: none. Put it into ")
        assert other.startswith(f"{needed}: {fingerprint(OTHER_KEY)}. ")
    else:
        assert none.startswith("The key of the database is missing: put it into ")
        assert "was encrypted with another key" in other
    assert SECRET_KEY not in none + other
    assert names(place) == set()


async def test_the_key_of_the_file_is_found_beside_the_new_place(
    backup: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HEADWAY_SECRET_KEY", raising=False)
    key = Path(f"{place}.key")
    key.write_text(SECRET_KEY)
    key.chmod(0o600)

    assert (await restore(backup, place, key=None)).returncode == 0
    assert key.read_text() == SECRET_KEY


async def test_an_older_key_that_is_missing_is_told(backup: Path, place: Path) -> None:
    manifest = json.loads(Path(f"{backup}.json").read_text())
    manifest["keys"].append(fingerprint(OTHER_KEY))
    Path(f"{backup}.json").write_text(json.dumps(manifest))

    ran = await restore(backup, place)

    assert ran.returncode == 0
    assert json.loads(ran.stdout)["missing_keys"] == [fingerprint(OTHER_KEY)]
    assert fingerprint(OTHER_KEY) in ran.stderr


@pytest.mark.parametrize("damage", ["altered", "cut off", "text", "other database", "no manifest"])
async def test_a_damaged_backup_is_not_restored(backup: Path, place: Path, damage: str) -> None:
    content = bytearray(backup.read_bytes())
    if damage == "altered":
        content[len(content) // 2] ^= 1
    elif damage == "text":
        content = bytearray(b"This is a text and no database, however long it may be. " * 10)
    elif damage in {"cut off", "no manifest"}:
        content = content[: len(content) // 2]
    if damage == "other database":
        backup.unlink()
        sqlite3.connect(backup).execute("CREATE TABLE a (b)")
    else:
        backup.write_bytes(content)
    if damage not in {"altered", "cut off"}:
        Path(f"{backup}.json").unlink()

    line = fault_of(await restore(backup, place))

    assert {
        "altered": f"{backup} was altered: it is not the file that its manifest describes.",
        "cut off": f"{backup} was altered: it is not the file that its manifest describes.",
        "text": "file is not a database",
        "other database": f"{backup} is not a backup of Headway.",
        "no manifest": "disk image is malformed",
    }[damage] in line
    assert line.startswith(str(backup))
    assert names(place) == set()


async def test_what_is_no_whole_file_is_not_restored(backup: Path, place: Path) -> None:
    # A device has no end: /dev/zero would fill the disk.
    device = fault_of(await restore(Path(os.devnull), place))
    # Of a database in use, the newest changes are in its log.
    Path(f"{backup}-wal").write_bytes(b"its log")
    in_use = fault_of(await restore(backup, place))

    assert device == f"{os.devnull} is no file."
    assert in_use.startswith(f"{backup} is no backup but a database, whose newest changes are in {backup}-wal.")
    assert names(place) == set()


async def test_a_backup_of_a_later_version_is_not_restored(backup: Path, place: Path) -> None:
    Path(f"{backup}.json").unlink()
    with sqlite3.connect(backup) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    assert "schema version 9999, which this version of Headway does not know" in fault_of(await restore(backup, place))


async def test_a_backup_of_an_earlier_version_is_migrated(played: Played, database_url: str, backup: Path, place: Path) -> None:
    await run_headway("migrate", "--to", "0030", "--database", database_url, secret_key=SECRET_KEY)
    await run_headway("backup", str(backup), "--force", "--database", database_url, secret_key=SECRET_KEY)

    printed = json.loads((await restore(backup, place)).stdout)

    assert (printed["schema_version"], printed["verified"]["differences"]) == ("0030", 0)
    assert await is_sound(place)
    with sqlite3.connect(place) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(schema.head(),)]


async def test_data_with_faults_is_restored_only_if_that_is_accepted(database_url: str, backup: Path, place: Path) -> None:
    Path(f"{backup}.json").unlink()
    with sqlite3.connect(backup) as connection:
        connection.execute("UPDATE enrollments SET percent = percent + 1 WHERE percent < 99")
        connection.execute("DELETE FROM audit_entries WHERE seq = 1")
    connection.close()

    line = fault_of(await restore(backup, place))
    assert "`headway verify` reports" in line
    assert "`headway audit verify` reports" in line
    assert names(place) == set()
    assert (await restore(backup, place, "--with-faults")).returncode == 0
    assert names(place) == {"headway.db"}
