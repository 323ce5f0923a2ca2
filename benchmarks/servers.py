"""The servers under test: preparing, starting and stopping them, and their wire formats."""

import contextlib
import http.client
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import jwt

from databases import Database
from meter import ProcessTree
from workload import Course, Unit, WireFormat, Workload

START_SECONDS = 60.0
STOP_SECONDS = 60.0
ANSWER_SECONDS = 60.0
CACHE_HITS = re.compile(rb'^headway_cache_reads_total\{.*"hit".*\} (\S+)$', re.MULTILINE)

BASELINE_WIRE = WireFormat(
    track_path=b"/track",
    track_status=201,
    batch_path=b"/batch",
    batch_status=201,
    activity_types=(b"reading", b"video_watch", b"discussion", b"quiz_attempt", b"assignment"),
    event_id_version=None,
)
HEADWAY_WIRE = WireFormat(
    track_path=b"/api/courses/activity/track",
    track_status=201,
    batch_path=b"/api/courses/activity/batch",
    batch_status=200,
    activity_types=(b"unit_view", b"video_play", b"video_progress", b"link_click", b"note_create", b"unit_complete"),
    event_id_version=4,
)


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


def make_baseline(database: Database, *, learners: int, units: int = 20, events_per_visit: int = 10) -> Server:
    """Return the baseline server. It creates its tables itself and checks no course, so it needs no preparation."""
    secret = secrets.token_hex(32)
    tokens = [jwt.encode({"sub": str(user_id)}, secret, algorithm="HS256") for user_id in range(1, learners + 1)]
    course = Course(1, tuple(Unit(number, 1 + (number - 1) // 5) for number in range(1, units + 1)))
    options = ("--no-access-log", "--loop", "uvloop", "--http", "httptools", "--app-dir", str(Path(__file__).parent))
    return Server(
        name="Baseline",
        command=(sys.executable, "-m", "uvicorn", "baseline_app:app", *options),
        environment={"DATABASE_URL": database.url.replace("://", "+asyncpg://", 1), "JWT_SECRET": secret},
        ready_path="/",
        database=database,
        event_table="activity_events",
        workload=Workload(BASELINE_WIRE, course, tokens, events_per_visit=events_per_visit),
    )


def make_headway(
    database: Database, *, learners: int, units: int = 20, events_per_visit: int = 10, event_id_version: int = 4
) -> Server:
    """Migrate an empty `database`, insert a course and enrolled learners, and return a server for it."""
    environment = {"HEADWAY_SECRET_KEY": secrets.token_hex(32)}
    sizes = ("--learners", str(learners), "--units", str(units))
    prepared = subprocess.run(
        (sys.executable, "-m", "headway.bench", "--database", database.url, *sizes),
        env=clean_environment() | environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    prepared_course = json.loads(prepared.stdout)
    course = Course(
        prepared_course["course_id"], tuple(Unit(unit["id"], unit["module_id"]) for unit in prepared_course["units"])
    )
    return Server(
        name="Headway",
        command=(sys.executable, "-m", "headway", "serve", "--database", database.url),
        environment=environment,
        ready_path="/readyz",
        database=database,
        event_table="learner_activity_logs",
        workload=Workload(
            replace(HEADWAY_WIRE, event_id_version=event_id_version),
            course,
            prepared_course["tokens"],
            events_per_visit=events_per_visit,
        ),
    )


def clean_environment() -> dict[str, str]:
    """Return the environment of this process without Headway's settings, so that runs do not depend on them."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HEADWAY_")}


@contextlib.contextmanager
def run_server(server: Server, log_path: Path) -> Iterator[RunningServer]:
    """Run a server on a free port of the loopback interface, ready at the start of the block."""
    port = find_free_port()
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            (*server.command, "--host", "127.0.0.1", "--port", str(port)),
            env=clean_environment() | server.environment,
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


def count_cache_hits(port: int) -> float:
    """Return the number of cache hits since Headway started."""
    return sum(float(count) for count in CACHE_HITS.findall(read_answer(port, "/metrics")))


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
