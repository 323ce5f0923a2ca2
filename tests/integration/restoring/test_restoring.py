"""A backup is restored as a whole to where it belongs; what stood there is kept."""

import json
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from headway.learning.tables import learner_activity_logs
from tests.databases import SECRET_KEY
from tests.integration.restoring.restorations import events_of, fault_of, is_sound, names, restore, users_of
from tests.integration.tampering import Played
from tests.processes import HeadwayProcess, run_headway

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_a_backup_is_restored_where_there_is_no_database(played: Played, backup: Path, place: Path) -> None:
    ran = await restore(backup, place)

    assert (ran.returncode, ran.stderr) == (0, "")
    printed = json.loads(ran.stdout)
    manifest = json.loads(Path(f"{backup}.json").read_text())
    assert printed["verified"] == {"integrity": "full", "differences": 0, "audit_faults": 0}
    assert (printed["began_at"], printed["audit_head"]) == (manifest["began_at"], manifest["audit_head"])
    assert (printed["kept"], printed["missing_keys"], printed["is_restored"]) == (None, [], True)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert names(place) == {"headway.db"}
    stored = await played.world.rows(select(learner_activity_logs.c.event_id))
    assert events_of(place) == {row[0] for row in stored}
    assert await is_sound(place)


async def test_the_log_of_the_restored_database_tells_of_it(backup: Path, place: Path) -> None:
    await restore(backup, place)

    with sqlite3.connect(place) as connection:
        last = connection.execute("SELECT action FROM audit_entries ORDER BY seq DESC LIMIT 1").fetchone()
    assert last == ("RESTORE_BACKUP",)


async def test_ids_that_were_given_out_after_the_backup_are_not_given_out_again(
    database_url: str, backup: Path, place: Path
) -> None:
    """A token for an account that is gone, which may be valid for a year, would be one for another."""
    create = ("user", "create", "--name", "A", "--database")
    later = json.loads((await run_headway(*create, database_url, secret_key=SECRET_KEY)).stdout)
    await restore(backup, place)

    again = json.loads((await run_headway(*create, f"sqlite:///{place}", secret_key=SECRET_KEY)).stdout)

    assert int(again["id"]) > int(later["id"]) + 1_000
    assert await is_sound(place)


async def test_a_head_that_was_kept_elsewhere_shows_an_older_backup(
    played: Played, database_url: str, backup: Path, place: Path, tmp_path: Path
) -> None:
    """The entry that tells of the restoration stands where a later one was."""
    await run_headway("user", "create", "--name", "A", "--database", database_url, secret_key=SECRET_KEY)
    head = await run_headway("audit", "head", "--database", database_url, secret_key=SECRET_KEY)
    (tmp_path / "head.json").write_text(head.stdout)
    await restore(backup, place)

    found = await run_headway(
        "audit", "verify", "--head", str(tmp_path / "head.json"), "--database", f"sqlite:///{place}", secret_key=SECRET_KEY
    )

    assert found.returncode == 1
    assert json.loads(found.stdout)["faults"]


async def test_a_database_is_replaced_only_by_force_and_kept(played: Played, backup: Path, place: Path) -> None:
    await restore(backup, place)
    await run_headway("user", "create", "--name", "Later", "--database", f"sqlite:///{place}", secret_key=SECRET_KEY)

    assert fault_of(await restore(backup, place)) == f"{place} exists; --force replaces it, and keeps it beside the new one."
    printed = json.loads((await restore(backup, place, "--force")).stdout)

    kept = Path(printed["kept"])
    assert names(place) == {"headway.db", kept.name}
    assert kept.name.startswith("headway.db.replaced-20")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert await is_sound(kept)
    assert (users_of(place), users_of(kept)) == (users_of(backup), users_of(backup) + 1)


async def test_a_database_that_a_server_owns_is_not_replaced(
    played: Played, database_url: str, backup: Path, tmp_path: Path
) -> None:
    place = Path(database_url.removeprefix("sqlite:///"))
    before = names(place)
    with HeadwayProcess(database_url, tmp_path / "backups", SECRET_KEY):
        line = fault_of(await restore(backup, place, "--force"))

    assert line == f"{place} is in use by another Headway server; one server process owns a SQLite file."
    assert names(place) == before


async def test_a_database_that_somebody_else_has_open_is_not_replaced(played: Played, backup: Path, place: Path) -> None:
    await restore(backup, place)
    with sqlite3.connect(place) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("SELECT count(*) FROM users").fetchone()
        line = fault_of(await restore(backup, place, "--force"))
    connection.close()

    assert line == f"{place} is in use by another command of Headway, or by another program."
    assert await is_sound(place)


async def test_who_was_erased_after_the_backup_is_erased_again(database_url: str, tmp_path: Path, place: Path) -> None:
    async def run(*arguments: str, url: str = database_url) -> str:
        ran = await run_headway(*arguments, "--database", url, secret_key=SECRET_KEY)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    kept, gone = [
        str(json.loads(await run("user", "create", "--name", name, "--email", f"{name}@example.org"))["id"])
        for name in ("Kept", "Wilhelmina")
    ]
    await run("backup", str(tmp_path / "a.db"))
    later = str(json.loads(await run("user", "create", "--name", "Later"))["id"])
    for each in (gone, later):
        await run("user", "erase", each, "--confirm", each)
    own = Path(database_url.removeprefix("sqlite:///"))

    printed = json.loads((await restore(tmp_path / "a.db", own, "--force")).stdout)

    assert printed["erasures"] == {"again": [gone], "left": []}
    with closing(sqlite3.connect(own)) as connection:
        found = dict(connection.execute("SELECT id, name FROM users WHERE id IN (?, ?)", (kept, gone)).fetchall())
    assert found == {int(kept): "Kept", int(gone): "Erased user"}
    assert b"Wilhelmina" not in own.read_bytes()
    assert await is_sound(own)


async def test_accounts_of_another_installation_are_not_erased(database_url: str, tmp_path: Path, place: Path) -> None:
    """A backup may be restored over the database of a trial, in which the same ids are of others."""

    async def run(url: str, *arguments: str) -> str:
        ran = await run_headway(*arguments, "--database", url, secret_key=SECRET_KEY)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    other = f"sqlite:///{place}"
    mine = str(json.loads(await run(database_url, "user", "create", "--name", "Kept"))["id"])
    await run(database_url, "backup", str(tmp_path / "a.db"))
    assert str(json.loads(await run(other, "user", "create", "--name", "Trial"))["id"]) == mine
    await run(other, "user", "erase", mine, "--confirm", mine)

    printed = json.loads((await restore(tmp_path / "a.db", place, "--force")).stdout)

    assert printed["erasures"] == {"again": [], "left": []}
    with closing(sqlite3.connect(place)) as connection:
        assert connection.execute("SELECT name FROM users").fetchall() == [("Kept",)]


async def test_a_rehearsal_changes_nothing(played: Played, database_url: str, backup: Path) -> None:
    place = Path(database_url.removeprefix("sqlite:///"))
    before = names(place)

    printed = json.loads((await restore(backup, place, "--dry-run")).stdout)

    assert (printed["is_restored"], printed["kept"]) == (False, None)
    assert printed["verified"]["differences"] == 0
    assert names(place) == before


async def test_what_is_left_of_an_old_log_is_not_applied_to_the_new_file(backup: Path, place: Path) -> None:
    shutil.copy(backup, place)
    with sqlite3.connect(place) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("DELETE FROM learner_activity_logs")
        connection.commit()
        for suffix in ("-wal", "-shm"):
            shutil.copy(f"{place}{suffix}", f"{place}{suffix}.left")
    connection.close()
    place.unlink()
    for suffix in ("-wal", "-shm"):
        Path(f"{place}{suffix}.left").rename(f"{place}{suffix}")

    await restore(backup, place)

    assert names(place) == {"headway.db"}
    assert await is_sound(place)
    assert len(events_of(place)) > 0


async def test_a_damaged_database_is_kept_with_its_log(backup: Path, place: Path) -> None:
    place.write_text("This was a database. " * 1_000)
    Path(f"{place}-wal").write_text("its log")

    kept = Path(json.loads((await restore(backup, place, "--force")).stdout)["kept"])

    assert kept.read_text().startswith("This was a database.")
    assert Path(f"{kept}-wal").read_text() == "its log"
    assert names(place) == {"headway.db", kept.name, f"{kept.name}-wal"}
    assert await is_sound(place)
