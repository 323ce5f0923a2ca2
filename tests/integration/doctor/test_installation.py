"""The doctor finds a healthy installation fine, and names what is wrong with settings, keys and files."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from headway.db import sqlite
from headway.doctor import files_checks
from headway.doctor.service import examine_installation
from headway.health.findings import Level
from headway.instants import system_clock
from tests.integration.doctor.installations import KEY, ON_DISK, OTHER_KEY, Installation, with_room
from tests.mail_server import run_mail_server
from tests.processes import HeadwayCommand, HeadwayProcess, run_headway


async def test_a_healthy_installation_has_nothing_to_mend(installation: Installation) -> None:
    report = await examine_installation(installation.environ, {}, system_clock)

    assert [each for each in report.findings if each.level is not Level.OK] == []
    assert {each.area for each in report.findings} == {"Settings", "Keys", "Files", "Clock", "Database", "Data"}


async def test_a_database_beside_a_running_server_is_healthy_and_its_owner_is_told(
    installation: Installation, tmp_path: Path
) -> None:
    with HeadwayProcess(installation.environ["HEADWAY_DATABASE_URL"], tmp_path, KEY) as server:
        report = await examine_installation(installation.environ, {}, system_clock)

    assert report.count(Level.PROBLEM) == report.count(Level.WARNING) == 0
    (owner,) = [each.found for each in report.findings if each.check == "Owner"]
    assert owner == f"A server runs on the file (process {server.process.pid})."


async def test_the_command_prints_and_exits_with_1_where_there_is_a_problem(installation: Installation) -> None:
    url = installation.environ["HEADWAY_DATABASE_URL"]
    os.environ["HEADWAY_BACKUP_FOLDER"] = str(installation.backups)
    try:
        fine = await run_headway("doctor", "--database", url, "--json", secret_key=KEY)
        wrong = await run_headway("doctor", "--database", url, "--quiet", secret_key=OTHER_KEY)
    finally:
        del os.environ["HEADWAY_BACKUP_FOLDER"]

    assert {each["level"] for each in json.loads(fine.stdout)["findings"]} <= {"ok", "warning"}
    assert fine.returncode == 0
    assert wrong.returncode == 1
    assert "PROBLEM  Fit: The keys are not those of the database" in wrong.stdout
    assert "To do: Set the keys that it was written with." in wrong.stdout


async def test_a_check_that_fails_does_not_end_the_others(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Any:
        raise ZeroDivisionError("a fault of the check")

    monkeypatch.setattr(files_checks, "full_disks", fail)
    assert "This could not be looked at: ZeroDivisionError: a fault of the check" in await installation.warning()


async def test_a_file_that_may_not_be_read(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Any:
        raise PermissionError(13, "Permission denied", "/data/headway.db")

    monkeypatch.setattr(files_checks, "full_disks", fail)
    assert (await installation.problem()).startswith("/data/headway.db may not be read. Look at what is said of the rights")
    monkeypatch.undo()
    monkeypatch.setattr(sqlite, "is_there", fail)
    assert "/headway.db cannot be reached: Permission denied." in await installation.problem()


async def test_links_in_mails_that_lead_nowhere_or_in_the_open(installation: Installation) -> None:
    async with run_mail_server() as server:
        mail = {"HEADWAY_SMTP_URL": server.url, "HEADWAY_MAIL_FROM": "no-reply@school.example"}
        local = await installation.warning(HEADWAY_PUBLIC_URL="http://localhost:8000", **mail)
        plain = await installation.warning(HEADWAY_PUBLIC_URL="http://learn.school.example", **mail)

    assert "lead to http://localhost:8000, where nobody else reaches the server" in local
    assert "what they hold can be read on the way" in plain


async def test_a_misspelled_variable(installation: Installation) -> None:
    text = await installation.warning(HEADWAY_DATABSE_URL="sqlite:///other.db")
    assert text == "HEADWAY_DATABSE_URL is set, and is no setting of Headway. Did you mean HEADWAY_DATABASE_URL?"


async def test_an_invalid_value_beside_a_misspelled_variable(installation: Installation) -> None:
    (_, first), (_, second) = await installation.findings(HEADWAY_PORT="http", HEADWAY_TYPO="1")
    assert first.startswith("HEADWAY_TYPO is set, and is no setting of Headway.")
    assert second.startswith("HEADWAY_PORT must be a whole number, not 'http' Correct the variable")


async def test_a_short_key(installation: Installation) -> None:
    assert "HEADWAY_SECRET_KEY must have at least 32 bytes" in await installation.problem(HEADWAY_SECRET_KEY="short")


async def test_several_workers_on_a_file(installation: Installation) -> None:
    assert (await installation.problem(HEADWAY_WORKERS="4")).startswith(
        "HEADWAY_WORKERS is 4, and the database is a SQLite file"
    )


async def test_https_that_nothing_can_use(installation: Installation) -> None:
    assert "no request can use HTTPS" in await installation.problem(HEADWAY_REQUIRE_HTTPS="true")


async def test_everybody_is_believed(installation: Installation) -> None:
    assert (await installation.problem(HEADWAY_TRUSTED_PROXIES="*")).startswith("HEADWAY_TRUSTED_PROXIES is *")
    assert "'10.0.0' which is no" not in await installation.problem(HEADWAY_TRUSTED_PROXIES="10.0.0.0/8, proxy.local")


async def test_a_server_in_the_open_without_https(installation: Installation) -> None:
    assert "listens on :: without HTTPS" in await installation.warning(HEADWAY_HOST="::")


async def test_values_that_contradict_each_other(installation: Installation) -> None:
    assert "no request can carry such an event" in await installation.warning(HEADWAY_MAX_EVENT_BYTES="2000000")
    assert "HEADWAY_PAGE_SIZE (900)" in await installation.warning(HEADWAY_PAGE_SIZE="900")


async def test_the_keys_of_another_installation(installation: Installation) -> None:
    found = await installation.findings(HEADWAY_SECRET_KEY=OTHER_KEY)
    assert [text.partition("(")[0] for _, text in found] == ["The keys are not those of the database "]


async def test_no_key_for_what_is_encrypted(installation: Installation) -> None:
    del installation.environ["HEADWAY_SECRET_KEY"]
    text = await installation.problem()
    assert text.startswith(f"The key of the database is missing: put it into {installation.file}.key or HEADWAY_SECRET_KEY.")
    assert not Path(f"{installation.file}.key").exists()


async def test_a_key_that_somebody_has_made_up(installation: Installation) -> None:
    weak = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    text = await installation.warning(HEADWAY_ENCRYPTION_KEYS=f"{KEY},{weak}")
    assert text.startswith("A key in HEADWAY_ENCRYPTION_KEYS looks made up: 1 different characters")


@pytest.mark.parametrize(("content", "mode", "said"), [(KEY, 0o644, "its mode is 644"), ("short", 0o600, "is shorter than 32")])
async def test_a_key_file_that_cannot_be_used(installation: Installation, content: str, mode: int, said: str) -> None:
    del installation.environ["HEADWAY_SECRET_KEY"]
    file = Path(f"{installation.file}.key")
    file.write_text(content)
    file.chmod(mode)

    assert said in await installation.problem()


@pytest.mark.parametrize(("free", "level"), [(500_000_000, Level.WARNING), (5_000_000, Level.PROBLEM)])
async def test_a_disk_that_is_nearly_full(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, free: int, level: Level
) -> None:
    with_room(monkeypatch, free)
    found = await installation.findings()
    assert {each for each, _ in found} == {level}
    assert f"{free / 1_000_000:.0f} MB are free for the database in {installation.file.parent}." in found[1][1]


async def test_a_folder_that_cannot_be_written(installation: Installation) -> None:
    found = await installation.findings(HEADWAY_DATABASE_URL="sqlite:////proc/headway/a.db")
    assert (Level.PROBLEM, "There is no folder /proc/headway for the database.") in [
        (level, text.partition(" Create")[0]) for level, text in found
    ]


async def test_a_database_that_others_can_read(installation: Installation) -> None:
    installation.file.chmod(0o644)
    assert await installation.warning() == f"{installation.file} has the mode 644. chmod 600 {installation.file}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("suffix", ["", ".lock"])
async def test_a_database_of_another_account(installation: Installation, suffix: str) -> None:
    os.chown(f"{installation.file}{suffix}", 12_345, 12_345)
    assert f"{installation.file}{suffix} belongs to the account 12345" in await installation.problem()


async def test_a_database_on_a_network_disk(installation: Installation, tmp_path: Path) -> None:
    folder = str(installation.file.parent).replace(" ", r"\040")
    (tmp_path / "mounts").write_text(f"{ON_DISK}40 36 0:40 / {folder} rw - nfs4 server:/x rw\n")
    assert f"{installation.file.parent} is on a network file system (nfs4)." in await installation.problem()
    (tmp_path / "mounts").write_text("36 35 0:30 / / rw - overlay overlay rw\n")
    assert "is in the layer of a container (overlay)" in await installation.warning()


def test_few_open_files(installation: Installation, tmp_path: Path) -> None:
    output, url = tmp_path / "output", installation.environ["HEADWAY_DATABASE_URL"]
    environment = {**os.environ, "HEADWAY_SECRET_KEY": KEY}
    command = HeadwayCommand(["doctor", "--database", url], environment, output, output, descriptors=1_000)
    command.wait(60)

    assert "At most 1000 files may be open, and HEADWAY_MAX_CONNECTIONS of 4096 needs" in output.read_text()
