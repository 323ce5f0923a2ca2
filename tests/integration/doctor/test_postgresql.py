"""The doctor names what is wrong with a PostgreSQL server; a Headway server examines its own database."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from headway.db.database import Database
from headway.doctor.service import ServerDoctor, examine_installation
from headway.health.findings import Level
from headway.instants import system_clock
from headway.settings import Settings
from tests.databases import PostgresServer
from tests.integration.doctor.installations import KEY, OF_TESTS, Installation, problems_of
from tests.processes import free_port, run_headway


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


async def test_an_empty_postgresql_has_nothing_to_mend(postgres: PostgresServer) -> None:
    with postgres.lend_database() as url:
        report = await examine_installation({"HEADWAY_DATABASE_URL": url, "HEADWAY_SECRET_KEY": KEY}, {}, system_clock)

    found = {each.found.partition(":")[0]: each.level for each in report.findings if each.level is not Level.OK}
    assert found == {**dict.fromkeys(OF_TESTS, Level.PROBLEM), "HEADWAY_BACKUP_FOLDER is not set": Level.WARNING}
    assert "The database is empty; the first start makes its tables." in [each.found for each in report.findings]


@pytest.fixture
def stranger(postgres: PostgresServer) -> Iterator[str]:
    """A role that owns nothing."""
    name = postgres.new_name()
    postgres.sql(f"CREATE ROLE {name} LOGIN PASSWORD 'p'")
    yield name
    postgres.sql(f"DROP ROLE {name}")


async def test_postgresql_with_a_role_that_may_not_write(postgres: PostgresServer, empty_postgres: str, stranger: str) -> None:
    (url,) = re.subn(r"//[^:@/]+(:[^@/]*)?@", f"//{stranger}:p@", empty_postgres)[:1]
    name = empty_postgres.partition("?")[0].rpartition("/")[2]
    postgres.server.psql(f"\\c {name}\nGRANT SELECT ON ALL TABLES IN SCHEMA public TO {stranger};")

    found = await problems_of(url)
    postgres.server.psql(f"\\c {name}\nDROP OWNED BY {stranger};")

    assert any(each.startswith("The role may not read and write") for each in found), found
    with postgres.lend_database() as other:
        elsewhere = url.replace(f"/{name}", "/" + other.partition("?")[0].rpartition("/")[2])
        assert "The role may not create tables in the schema public." in await problems_of(elsewhere)


async def test_postgresql_with_a_role_of_few_connections_has_one_problem(postgres: PostgresServer, empty_postgres: str) -> None:
    with altered(postgres, empty_postgres, "CONNECTION LIMIT 3"):
        needed = "1 server processes may open 13 connections, and the database allows 3."
        assert await problems_of(empty_postgres) == OF_TESTS | {needed}


async def test_postgresql_without_the_key_that_it_needs(empty_postgres: str, without_key: None) -> None:
    found = await examine_installation({"HEADWAY_DATABASE_URL": empty_postgres}, {}, system_clock)
    texts = [each.found for each in found.findings if each.level is Level.PROBLEM]
    assert "HEADWAY_SECRET_KEY is not set: PostgreSQL needs it, the same for all servers." in texts


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


async def test_the_clock_of_postgresql_agrees(empty_postgres: str) -> None:
    environ = {"HEADWAY_DATABASE_URL": empty_postgres, "HEADWAY_SECRET_KEY": KEY}
    report = await examine_installation(environ, {}, system_clock)
    assert "The clock of the database server agrees." in [each.found for each in report.findings]


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
