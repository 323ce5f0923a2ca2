"""A backup is restored as a whole or not at all, with its keys, and to what was acknowledged before it began."""

import asyncio
import json
import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from headway import schema
from headway.accounts.model import User
from headway.backups import restoring
from headway.backups.restoring import Restore
from headway.backups.verifying import Look
from headway.db.keyring import fingerprint
from headway.instants import system_clock
from headway.learning.tables import learner_activity_logs
from headway.settings import Settings
from tests.databases import SECRET_KEY
from tests.integration.batch_writers import Writer
from tests.integration.tampering import Played, play
from tests.processes import FORKS, HeadwayProcess, run_headway
from tests.world import FakeClock, World

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

OTHER_KEY = "another-key-that-is-only-for-tests-too"


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


def users_of(place: Path) -> int:
    with closing(sqlite3.connect(place)) as connection:
        return int(connection.execute("SELECT count(*) FROM users").fetchone()[0])


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


@pytest.mark.parametrize("has_manifest", [True, False])
async def test_without_its_key_a_backup_is_not_restored(backup: Path, place: Path, has_manifest: bool) -> None:
    if not has_manifest:
        Path(f"{backup}.json").unlink()
    os.environ.pop("HEADWAY_SECRET_KEY", None)

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


async def test_the_key_of_the_file_is_found_beside_the_new_place(backup: Path, place: Path) -> None:
    os.environ.pop("HEADWAY_SECRET_KEY", None)
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


@pytest.mark.parametrize("step", ["copied", "prepared", "linked"])
async def test_a_restoration_that_is_killed_leaves_the_old_database_whole(backup: Path, place: Path, step: str) -> None:
    await restore(backup, place)
    await run_headway("user", "create", "--name", "Later", "--database", f"sqlite:///{place}", secret_key=SECRET_KEY)
    process = FORKS.Process(target=_restore_and_die, args=(backup, place, step))
    process.start()
    process.join(60)

    assert process.exitcode == -signal.SIGKILL
    assert users_of(place) == users_of(backup) + 1
    assert await is_sound(place)
    assert (await restore(backup, place, "--force")).returncode == 0
    assert users_of(place) == users_of(backup)
    assert [name for name in names(place) if "partial" in name] == []


def _restore_and_die(backup: Path, place: Path, step: str) -> None:
    def die(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    places = {"copied": (restoring, "open_copy"), "prepared": (restoring, "_swap_in"), "linked": (Path, "replace")}
    setattr(*places[step], die)
    settings = Settings(database_url=f"sqlite:///{place}", secret_key=SECRET_KEY)
    restoring_here = Restore(settings, system_clock, Look())
    asyncio.run(restoring_here.run(backup, replaces=True, accepts_faults=False))


WRITERS = 4


@pytest.mark.timeout(300)
async def test_a_backup_under_load_has_everything_acknowledged_before_it_began(
    world: World, database_url: str, tmp_path: Path, place: Path, clock: FakeClock
) -> None:
    clock.now = time.time_ns() // 1_000_000
    course = await world.course()
    learners: list[User] = [await world.learner(course) for _ in range(WRITERS)]
    writers = [Writer(course, world.bearer(learner)) for learner in learners]

    with HeadwayProcess(database_url, tmp_path, SECRET_KEY) as server:
        writing = [asyncio.create_task(writer.write_until_it_breaks(server.url)) for writer in writers]
        for number in range(3):
            await asyncio.sleep(random.uniform(0.2, 0.5))
            before = {event_id for writer in writers for event_id in writer.acknowledged}
            target = tmp_path / f"{number}.db"
            ran = await run_headway("backup", str(target), "--database", database_url, secret_key=SECRET_KEY)
            assert ran.returncode == 0, ran.stderr
            assert json.loads(ran.stdout)["verified"] == {"integrity": "full", "differences": 0, "audit_faults": 0}
            after = {event_id for writer in writers for event_id in writer.acknowledged}
            # The writers were busy all the while.
            assert before < after
            ran = await restore(target, place, "--force")
            assert ran.returncode == 0, ran.stderr
            restored = events_of(place)
            assert before <= restored
            assert await is_sound(place)
        await asyncio.to_thread(server.kill)
        await asyncio.gather(*writing)

    # What was restored is of the moment of the backup, and not of later.
    assert {event_id for writer in writers for event_id in writer.acknowledged} - restored
    with HeadwayProcess(f"sqlite:///{place}", tmp_path, SECRET_KEY) as server:
        # Whoever repeats what the restored database does not know is served.
        await asyncio.gather(*(writer.repeat_unanswered(server.url) for writer in writers))
    assert await is_sound(place)
