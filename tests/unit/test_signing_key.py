"""The key that signs tokens: given, or made once beside the SQLite file for its owner only."""

import multiprocessing
import os
import stat
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from headway.db.keyring import signing_key
from headway.settings import Settings, SettingsError

ROUNDS = 40


def on_sqlite(folder: Path, name: str = "headway.db") -> Settings:
    return Settings(database_url=f"sqlite:///{folder}/{name}")


def test_a_key_that_is_set_is_used_and_none_is_made(tmp_path: Path) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path}/headway.db", secret_key="k" * 32)

    assert signing_key(settings) == "k" * 32
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_made_once(tmp_path: Path) -> None:
    first = signing_key(on_sqlite(tmp_path))

    assert len(first) >= 32
    assert signing_key(on_sqlite(tmp_path)) == first


def test_every_database_has_a_key_of_its_own(tmp_path: Path) -> None:
    assert signing_key(on_sqlite(tmp_path, "one.db")) != signing_key(on_sqlite(tmp_path, "two.db"))


def test_the_key_is_readable_by_its_owner_only_and_nothing_else_is_left_beside_the_database(tmp_path: Path) -> None:
    signing_key(on_sqlite(tmp_path))

    (file,) = tmp_path.iterdir()
    assert file.name == "headway.db.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_key_is_made_in_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert signing_key(on_sqlite(tmp_path / "data" / "live"))


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_postgresql_requires_a_key(scheme: str) -> None:
    with pytest.raises(SettingsError, match="HEADWAY_SECRET_KEY is required"):
        signing_key(Settings(database_url=f"{scheme}://localhost/headway"))


def key_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    file = folder / "headway.db.key"
    file.write_bytes(content)
    file.chmod(mode)
    return file


@pytest.mark.parametrize("content", [b"", b"k", b"k" * 31, b"\n" * 40, b"k" * 31 + b"  \n"], ids=len)
def test_a_key_of_less_than_32_bytes_is_refused(tmp_path: Path, content: bytes) -> None:
    key_file(tmp_path, content)

    with pytest.raises(SettingsError, match=r"headway\.db\.key is shorter than 32 bytes\. Restore it"):
        signing_key(on_sqlite(tmp_path))


def test_a_key_of_32_bytes_is_used_as_it_stands_in_the_file(tmp_path: Path) -> None:
    key_file(tmp_path, b"k" * 32 + b"\n")

    assert signing_key(on_sqlite(tmp_path)) == "k" * 32 + "\n"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o604, 0o602, 0o610, 0o777], ids=oct)
def test_a_key_that_others_may_use_is_refused_with_what_to_do(tmp_path: Path, mode: int) -> None:
    file = key_file(tmp_path, b"k" * 48, mode)

    with pytest.raises(SettingsError, match=f"mode is {mode:o}. chmod 600 {file}"):
        signing_key(on_sqlite(tmp_path))

    assert stat.S_IMODE(file.stat().st_mode) == mode


@pytest.mark.parametrize("mode", [0o600, 0o400], ids=oct)
def test_a_key_that_only_its_owner_may_use_is_used(tmp_path: Path, mode: int) -> None:
    key_file(tmp_path, b"k" * 48, mode)

    assert signing_key(on_sqlite(tmp_path)) == "k" * 48


def test_what_is_no_readable_file_is_refused_in_one_line(tmp_path: Path) -> None:
    makers: dict[str, Callable[[Path], object]] = {
        "folder": Path.mkdir,
        "pipe": os.mkfifo,
        "broken link": lambda path: path.symlink_to(tmp_path / "nowhere"),
        "link in a circle": lambda path: path.symlink_to(path),
        "no text": lambda path: key_file(path.parent, b"\xff" * 48),
    }
    for name, make in makers.items():
        folder = tmp_path / name
        folder.mkdir()
        make(folder / "headway.db.key")

        with pytest.raises(SettingsError, match=r"The key in \S.*headway\.db\.key cannot be used: .+") as raised:
            signing_key(on_sqlite(folder))
        assert "\n" not in str(raised.value)


def test_a_link_is_judged_by_the_file_that_it_leads_to(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"k" * 48)
    (tmp_path / "headway.db.key").symlink_to(secret)

    secret.chmod(0o644)
    with pytest.raises(SettingsError, match="exposed"):
        signing_key(on_sqlite(tmp_path))

    secret.chmod(0o600)
    assert signing_key(on_sqlite(tmp_path)) == "k" * 48


def test_the_key_and_its_folder_are_on_the_disk_before_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[bool, bool]] = []
    fsync = os.fsync

    def watched(handle: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(handle).st_mode), (tmp_path / "headway.db.key").exists()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", watched)
    signing_key(on_sqlite(tmp_path))

    # The draft before the file has its name, the folder after it.
    assert synced == [(False, False), (True, True)]


def keys_of_each_round(folder: Path, barrier: Barrier) -> list[str]:
    """Ask for a new key in each round, at the same moment as the others."""
    keys = []
    for number in range(ROUNDS):
        barrier.wait(timeout=60)
        keys.append(signing_key(on_sqlite(folder, f"{number}.db")))
    return keys


def test_processes_that_start_at_once_use_the_same_key(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(2) as processes:
        barrier = manager.Barrier(2)
        waiting = [processes.apply_async(keys_of_each_round, (tmp_path, barrier)) for _ in range(2)]
        first, second = (each.get(timeout=90) for each in waiting)

    assert first == second
    assert len(set(first)) == ROUNDS
