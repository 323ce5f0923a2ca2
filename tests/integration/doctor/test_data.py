"""The doctor names what is wrong with a database, with what is stored in it, and with its backups."""

import json
from pathlib import Path

import pytest

from headway.db.keyring import Keyring
from headway.doctor.service import examine_installation
from headway.instants import system_clock
from tests.integration.archives import archive
from tests.integration.doctor.installations import KEY, Installation
from tests.integration.tampering import play
from tests.world import World


async def test_a_clock_that_is_behind_what_is_stored(installation: Installation) -> None:
    installation.clock = lambda: system_clock() - 3_600_000
    found = await installation.findings()
    assert any("the newest entry of the audit log is of" in text for _, text in found)
    installation.clock = lambda: 1_000
    assert any("The clock says 1970-01-01" in text for _, text in await installation.findings())


async def test_no_database_yet(installation: Installation) -> None:
    text = await installation.warning(HEADWAY_DATABASE_URL=f"sqlite:///{installation.folder}/data/none.db")
    assert text.startswith(f"There is no database at {installation.folder}/data/none.db yet.")
    assert not (installation.folder / "data" / "none.db").exists()


async def test_a_file_that_is_no_database(installation: Installation) -> None:
    (installation.folder / "data" / "plain.db").write_text("This is a text and no database, however long it may be. " * 10)
    (installation.folder / "data" / "plain.db").chmod(0o600)
    text = await installation.problem(HEADWAY_DATABASE_URL=f"sqlite:///{installation.folder}/data/plain.db")
    assert text.startswith("The database cannot be opened: file is not a database")


async def test_a_schema_that_is_behind_or_ahead(installation: Installation) -> None:
    await installation.run("migrate", "--to", "0030")
    assert (await installation.warning()).startswith(
        "The database has the schema version 0030, and this version of Headway has"
    )
    installation.sql("UPDATE alembic_version SET version_num = '9999'")
    assert "0030" not in await installation.problem()
    assert "it is a later one's" in await installation.problem()


async def test_a_database_of_another_program_or_without_its_version(installation: Installation) -> None:
    installation.sql("DELETE FROM alembic_version")
    assert "has tables, such as account_changes, and no schema version" in await installation.problem()
    installation.file.unlink()
    installation.sql("CREATE TABLE recipes (name TEXT)")
    installation.file.chmod(0o600)
    assert "has tables, such as recipes, and no schema version" in await installation.problem()


async def test_a_database_that_lacks_a_table_or_an_index(installation: Installation) -> None:
    installation.sql("DROP INDEX ix_mails_due")
    assert "the database lacks: 1, such as ix_mails_due." in await installation.problem()
    installation.sql("DROP TABLE erasures")
    assert "such as erasures, ix_" in await installation.problem()


async def test_a_folder_in_the_place_of_the_database(installation: Installation) -> None:
    folder = installation.folder / "data" / "folder.db"
    (folder / "full").mkdir(parents=True)
    text = await installation.problem(HEADWAY_DATABASE_URL=f"sqlite:///{folder}")
    assert text == f"{folder} is no file. Name a file in HEADWAY_DATABASE_URL."


async def test_a_log_that_was_found_to_be_changed(installation: Installation) -> None:
    now = system_clock()
    installation.sql(
        "INSERT INTO audit_verification (id, verified_at, took_ms, entries, faults, first_fault) "
        "VALUES (1, ?, 1, 2, 1, 'entry 2 was changed')",
        now,
    )
    assert "The log is not as it was written: entry 2 was changed (1 faults" in await installation.problem()
    installation.sql("UPDATE audit_verification SET faults = 0, verified_at = ?", now - 10 * 86_400_000)
    assert "The log was verified 10 days ago." in await installation.warning()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_archives_without_their_files_or_the_library(
    world: World, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await play(world)
    first, second = await archive(world, tmp_path / "archives")
    Path(first.file).unlink()
    Path(second.file).write_bytes(b"PAR1")
    monkeypatch.setattr("headway.doctor.data_checks.find_spec", lambda _name: None)
    environ = {"HEADWAY_DATABASE_URL": database_url, "HEADWAY_SECRET_KEY": world.settings.secret_key or ""}

    report = await examine_installation(environ, {}, world.clock)

    assert [each.found for each in report.findings if each.check == "Archives"] == [
        "There are archived events, and pyarrow is not installed.",
        f"{first.file} is missing, with 6 archived events.",
        f"{second.file} has another size than it was written with.",
    ]


async def test_webhooks_that_are_disabled_or_wait(installation: Installation) -> None:
    await installation.run("webhook", "create", "--url", "https://hooks.example.org/a")
    installation.sql("UPDATE webhooks SET is_enabled = 0, disabled_reason = 'failing', disabled_at = 1")
    text = await installation.problem()
    assert text.startswith(
        "Webhook 1 to hooks.example.org is disabled: failing. Mend the receiver, then `headway webhook enable 1`"
    )
    installation.sql("UPDATE webhooks SET is_enabled = 1, disabled_reason = NULL, disabled_at = NULL")
    long_ago = system_clock() - 5 * 3_600_000
    installation.sql(
        "INSERT INTO webhook_deliveries (webhook_id, message_id, type, user_id, course_id, data, at, status, next_at, tries, "
        "attempts) VALUES (1, 'm', 'test', 0, 0, '{}', ?, 'pending', ?, 0, '[]')",
        long_ago,
        long_ago,
    )
    assert "Deliveries that wait for hooks.example.org (webhook 1): 1, one for 5 hours." in await installation.warning()


async def test_backups_that_nobody_makes(installation: Installation) -> None:
    del installation.environ["HEADWAY_BACKUP_FOLDER"]
    assert "HEADWAY_BACKUP_FOLDER is not set" in await installation.warning()
    (installation.folder / "empty").mkdir()
    (installation.folder / "empty" / "a.txt").write_text("no backup")
    assert "There is no backup in" in await installation.problem(HEADWAY_BACKUP_FOLDER=str(installation.folder / "empty"))
    installation.environ["HEADWAY_BACKUP_FOLDER"] = str(installation.backups)
    installation.clock = lambda: system_clock() + 40 * 3_600_000
    assert "is 40 hours old" in await installation.problem()


async def test_a_backup_whose_data_has_faults(installation: Installation) -> None:
    (manifest,) = installation.backups.glob("*.json")
    content = json.loads(manifest.read_text())
    content["verified"] |= {"differences": 3, "audit_faults": 0}
    manifest.write_text(json.dumps(content))
    assert "holds faults: `headway verify` reports 3 differences" in await installation.problem()


async def test_mails_that_wait_or_were_given_up(installation: Installation) -> None:
    now, insert = (
        system_clock(),
        "INSERT INTO mails (message_id, kind, at, status, next_at, until_at, tries, ended_at, answer) ",
    )
    long_ago = now - 5 * 3_600_000
    installation.sql(f"{insert} VALUES ('m', 'registration', ?, 'pending', ?, ?, 1, NULL, NULL)", long_ago, now, now)
    assert "Mails that wait: 1, one for 5 hours." in await installation.warning()
    answer = Keyring(lambda: [KEY]).encrypt("550 5.1.1 <ada@example.org>: there is no such mailbox")
    installation.sql("DELETE FROM mails")
    installation.sql(f"{insert} VALUES ('m', 'registration', ?, 'failed', NULL, ?, 1, ?, ?)", long_ago, now, now, answer)
    text = await installation.warning()
    assert "Mails given up in the last day: 1 or more, the latest with the answer 550." in text
    assert "ada" not in text


async def test_mails_whose_key_is_missing(installation: Installation) -> None:
    now, letter = system_clock(), Keyring(lambda: ["another-key-that-is-only-for-tests-too"]).encrypt("{}")
    insert = "INSERT INTO mails (message_id, kind, at, status, next_at, until_at, tries, letter) "
    installation.sql(f"{insert} VALUES ('m', 'registration', ?, 'pending', ?, ?, 0, ?)", now, now, now, letter)
    assert "Mails that no present key decrypts: 1 or more." in await installation.problem()
