"""What keeps a command from starting is one clear line and a status that is not zero; a file has one server by any name."""

import os
import socket
from pathlib import Path

import pytest

from tests.databases import SECRET_KEY, PostgresServer
from tests.processes import HeadwayProcess, run_headway

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def fault_of(*arguments: str, secret_key: str | None = SECRET_KEY) -> str:
    """Run a command that cannot start, and return the line that it prints."""
    ran = await run_headway(*arguments, secret_key=secret_key)
    assert ran.returncode == 1, ran.stderr
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    return line.removeprefix("Error: ")


COMMANDS = [("serve", "--port", "0"), ("migrate",), ("verify",), ("audit", "verify"), ("user", "create", "--name", "A")]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("place", ["read-only", "folder", "no database", "below a file"])
async def test_a_file_that_cannot_be_a_database_is_named_or_described(
    tmp_path: Path, command: tuple[str, ...], place: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "plain").write_text("This is a text and no database, however long it may be. " * 10)
    url, words = {
        # Nobody can make a file there, also not root.
        "read-only": ("sqlite:////proc/headway/a.db", ["/proc/headway"]),
        "folder": (f"sqlite:///{tmp_path}/folder", ["folder cannot be used as a database", "unable to open database file"]),
        "no database": (f"sqlite:///{tmp_path}/plain", ["file is not a database"]),
        "below a file": (f"sqlite:///{tmp_path}/plain/a.db", [f"{tmp_path}/plain"]),
    }[place]

    line = await fault_of(*command, "--database", url)

    assert any(each in line for each in words), line


async def test_a_server_without_a_key_in_a_folder_that_it_cannot_write_says_so() -> None:
    assert "a.db.key cannot be used" in await fault_of(
        "serve", "--port", "0", "--database", "sqlite:////proc/headway/a.db", secret_key=None
    )


@pytest.mark.parametrize("command", ["serve", "demo"])
async def test_an_address_that_cannot_be_had_is_told_before_anything_is_made(tmp_path: Path, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = await fault_of(command, "--database", f"sqlite:///{tmp_path}/a.db", "--port", port)
    assert line == f"Headway cannot listen on 127.0.0.1, port {port}: Address already in use."
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--host", "host.invalid"], "Headway cannot listen on host.invalid"),
        (["--valkey", "valkey://127.0.0.1:port"], "HEADWAY_VALKEY_URL has a port that is not a number"),
        (["--tls-certificate", "/none.pem", "--tls-key", "/none.key"], "/none.pem and /none.key cannot be used"),
        (["--database", "postgresql://u:p@127.0.0.1:1/x"], "The database does not respond"),
        (["--database", "postgresql://u:p@127.0.0.1:port/x"], "The database cannot be used"),
        (["--database", "postgresql://u:p@a..b/x"], "The database cannot be used"),
    ],
)
async def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path, flags: list[str], words: str) -> None:
    line = await fault_of("serve", "--port", "0", "--database", f"sqlite:///{tmp_path}/a.db", *flags)

    assert line.startswith(words), line


async def test_postgresql_that_hangs_is_told_in_whole_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_DATABASE_TIMEOUT_SECONDS", "1")
    with socket.create_server(("127.0.0.1", 0)) as mute:
        line = await fault_of("migrate", "--database", f"postgresql://u:p@127.0.0.1:{mute.getsockname()[1]}/x?sslmode=disable")

    assert line == "The database does not respond in time."


async def test_postgresql_that_refuses_is_told_with_its_reason(postgres: PostgresServer) -> None:
    line = await fault_of("serve", "--port", "0", "--database", postgres.url("no_such_database"))

    assert line == 'The database cannot be used: database "no_such_database" does not exist'


@ON_SQLITE
@pytest.mark.parametrize("name", ["symbolic link", "folder by a symbolic link", "relative path", "hard link"])
async def test_a_file_has_one_server_whatever_it_is_called(database_url: str, tmp_path: Path, name: str) -> None:
    file = Path(database_url.removeprefix("sqlite:///"))
    other = tmp_path / "other.db"
    if name == "symbolic link":
        other.symlink_to(file)
    elif name == "hard link":
        os.link(file, other)
    elif name == "relative path":
        other = Path(os.path.relpath(file))
    else:
        (tmp_path / "way").symlink_to(file.parent)
        other = tmp_path / "way" / file.name

    with HeadwayProcess(database_url, tmp_path, SECRET_KEY):
        line = await fault_of("serve", "--database", f"sqlite:///{other}", "--port", "0")

    assert line == f"{other} is in use by another Headway server; one server process owns a SQLite file."
