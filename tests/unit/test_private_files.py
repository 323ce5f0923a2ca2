"""The SQLite file, its log and its lock: their owner's only, also where they were others' to read before."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from headway.db import sqlite
from headway.db.private_files import ExposedFileError, check_key_file


@pytest.fixture(autouse=True)
def generous_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def test_a_new_file_and_its_log_are_their_owners_only(tmp_path: Path) -> None:
    with closing(sqlite.connect(tmp_path / "a.db", timeout_seconds=1)) as connection, sqlite.own(tmp_path / "a.db"):
        connection.execute("CREATE TABLE t (x)")

        assert modes(tmp_path) == {"a.db": 0o600, "a.db-wal": 0o600, "a.db-shm": 0o600, "a.db.lock": 0o600}


def test_files_that_others_could_read_become_their_owners_only(tmp_path: Path) -> None:
    with closing(sqlite.connect(tmp_path / "a.db", timeout_seconds=1)) as first:
        first.execute("CREATE TABLE t (x)")
        for path in [*tmp_path.iterdir(), tmp_path / "a.db.lock"]:
            path.touch()
            path.chmod(0o666)
        with closing(sqlite.connect(tmp_path / "a.db", timeout_seconds=1)), sqlite.own(tmp_path / "a.db"):
            assert set(modes(tmp_path).values()) == {0o600}


def test_a_link_to_the_file_protects_the_file_that_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "a.db").symlink_to(tmp_path / "data" / "real.db")

    with closing(sqlite.connect(tmp_path / "a.db", timeout_seconds=1)) as connection:
        connection.execute("CREATE TABLE t (x)")

        assert modes(tmp_path / "data") == {"real.db": 0o600, "real.db-wal": 0o600, "real.db-shm": 0o600}


WRITE = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None).execute('BEGIN IMMEDIATE')"


def test_protecting_the_file_again_ends_no_lock_on_it(tmp_path: Path) -> None:
    with closing(sqlite.connect(tmp_path / "a.db", timeout_seconds=0)) as first:
        first.execute("CREATE TABLE t (x)")
        first.execute("BEGIN IMMEDIATE")

        sqlite.protect(tmp_path / "a.db")
        other = subprocess.run(
            [sys.executable, "-c", WRITE, str(tmp_path / "a.db")], capture_output=True, text=True, check=False
        )

    assert "database is locked" in other.stderr


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604, 0o777], ids=oct)
def test_a_tls_key_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    key = tmp_path / "server.key"
    key.touch()
    key.chmod(mode)

    with pytest.raises(ExposedFileError, match=f"chmod 600 {key}"):
        check_key_file(key)


def test_a_tls_key_may_be_read_by_a_group_only_if_it_belongs_to_root(tmp_path: Path) -> None:
    key = tmp_path / "server.key"
    key.touch()
    key.chmod(0o640)

    if key.stat().st_uid == 0:
        check_key_file(key)
    else:
        with pytest.raises(ExposedFileError):
            check_key_file(key)
