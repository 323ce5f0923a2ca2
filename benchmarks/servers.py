"""The servers under test: preparing, starting and stopping them."""

import asyncio
import contextlib
import http.client
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import jwt

from databases import Database
from headway.settings import Settings
from meter import ProcessTree
from prepare import prepare
from workload import Course, Person, Unit, WireFormat, Workload

START_SECONDS = 60.0
STOP_SECONDS = 60.0
ANSWER_SECONDS = 60.0
CACHE_READS = r"headway_cache_reads_total\{.*\}"
GROUPS = "headway_ingest_group_size_count"
CACHE_HITS = r"headway_cache_reads_total\{.*\"hit\".*\}"

BASELINE_TYPES = (b"reading", b"video_watch", b"discussion", b"quiz_attempt", b"assignment")
HEADWAY_TYPES = (b"unit_view", b"video_play", b"video_progress", b"link_click", b"note_create", b"unit_complete")
UNITS = 20


class ServerError(Exception):
    """A server did not start or stop, returned an unexpected response, or lost an acknowledged event."""


@dataclass(slots=True)
class Server:
    """A server with its database and its learners; `acknowledged` is the number of acknowledged events."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    ready_path: str
    database: Database
    event_table: str
    workload: Workload
    acknowledged: int = 0

    def require_all_stored(self) -> int:
        """Return the number of stored events. Raises ServerError if it differs from the number of acknowledged ones."""
        stored = self.database.count_rows(self.event_table)
        if stored != self.acknowledged:
            raise ServerError(f"{self.name}: {self.acknowledged} events were acknowledged, {stored} are stored")
        return stored


@dataclass(frozen=True, slots=True)
class RunningServer:
    port: int
    processes: ProcessTree


def make_baseline(database: Database, *, learners: int, courses: int) -> Server:
    """Return the baseline server. It creates its tables itself and checks no course, so it needs no preparation."""
    secret = secrets.token_hex(32)
    people = [
        Person(user_id, jwt.encode({"sub": str(user_id)}, secret, algorithm="HS256").encode())
        for user_id in range(1, learners + 1)
    ]
    units = tuple(Unit(number, 1 + (number - 1) // 5) for number in range(1, UNITS + 1))
    options = ("--no-access-log", "--loop", "uvloop", "--http", "httptools", "--app-dir", str(Path(__file__).parent))
    return Server(
        name="Baseline",
        command=(sys.executable, "-m", "uvicorn", "baseline_app:app", *options),
        environment={
            "DATABASE_URL": database.url.replace("://", "+asyncpg://", 1),
            "JWT_SECRET": secret,
            "LEARNERS": str(learners),
        },
        ready_path="/",
        database=database,
        event_table="activity_events",
        workload=Workload(
            WireFormat(BASELINE_TYPES, has_event_ids=False), [Course(number, units) for number in range(1, courses + 1)], people
        ),
    )


def make_headway(database: Database, *, learners: int, units: int = UNITS, courses: int = 1) -> Server:
    """Fill an empty `database` with courses and enrolled learners, and return a server for it."""
    secret = secrets.token_hex(32)
    settings = Settings(database_url=database.url, secret_key=secret, log_level="warning", database_timeout_seconds=600)
    made, people = asyncio.run(prepare(settings, learners=learners, units=units, courses=courses))
    return Server(
        name="Headway",
        command=(sys.executable, "-m", "headway", "serve", "--database", database.url),
        environment={"HEADWAY_SECRET_KEY": secret},
        ready_path="/readyz",
        database=database,
        event_table="learner_activity_logs",
        workload=Workload(WireFormat(HEADWAY_TYPES, has_event_ids=True), made, people),
    )


def clean_environment() -> dict[str, str]:
    """Return the environment of this process without Headway's settings, so that runs do not depend on them."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HEADWAY_")}


@contextlib.contextmanager
def run_server(server: Server, workspace: Path, environment: Mapping[str, str] | None = None) -> Iterator[RunningServer]:
    """Run a server on a free port of the loopback interface, ready at the start of the block; `environment` is added."""
    port = find_free_port()
    log_path = workspace / f"{server.name}.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            (*server.command, "--host", "127.0.0.1", "--port", str(port)),
            env=clean_environment() | server.environment | dict(environment or {}),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_ready(process, port, server.ready_path)
        yield RunningServer(port, ProcessTree(process.pid))
    except Exception as error:
        error.add_note(f"{server.name} logged last:\n{read_end(log_path)}")
        raise
    finally:
        stop(process)


def find_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_ready(process: subprocess.Popen[bytes], port: int, path: str) -> None:
    """Wait for a response with a status below 500. Raises ServerError after a minute, or if the process ends."""
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if get_status(port, path) < 500:
                return
        time.sleep(0.1)
    raise ServerError(f"not ready at {path} (exit code {process.poll()})")


def get_status(port: int, path: str) -> int:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status


def read_answer(port: int, path: str, token: bytes = b"") -> bytes:
    """Return the body of a response, with a learner's token if set. Raises ServerError if the status is not 200."""
    headers = {"Authorization": f"Bearer {token.decode()}"} if token else {}
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)) as connection:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        body = response.read()
    if response.status != 200:
        raise ServerError(f"status {response.status} for {path}: {body[:500]!r}")
    return body


def read_metric(port: int, pattern: str) -> float:
    """Return the sum of the values of Headway's metrics whose name and labels match a pattern."""
    values = re.findall(rf"^{pattern} (\S+)$", read_answer(port, "/metrics").decode(), re.MULTILINE)
    return sum(map(float, values))


def read_etags(port: int, workload: Workload) -> None:
    """Read the progress of all learners in the first course, and keep its ETag."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)) as connection:
        for learner in workload.learners:
            path = f"/user-progress/{workload.courses[0].id}/{learner.user_id}"
            connection.request("GET", path, headers={"Authorization": f"Bearer {learner.token.decode()}"})
            response = connection.getresponse()
            response.read()
            learner.etag = response.headers["ETag"].encode()


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise ServerError(f"had not stopped {STOP_SECONDS:.0f} s after SIGTERM") from None


def read_end(log_path: Path) -> str:
    return log_path.read_text(errors="replace")[-2000:]
