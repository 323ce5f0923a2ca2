"""The key that signs tokens: given, or made once beside the SQLite file for its owner only."""

import multiprocessing
import stat
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
