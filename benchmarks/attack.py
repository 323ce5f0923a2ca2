"""Measures an honest learner while strangers, a learner and an instructor try to hurt the server, on PostgreSQL and on SQLite.

One process plays all attacks at once, each again as soon as the server has answered, but with a pause: this is about what a few
requests can do, not about how many there can be. The learner posts events and reads the progress in turn; another client
asks for `/livez`, each time on a new connection. The exit code reports whether everything was measured, not whether targets
were met.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import multiprocessing
import os
import random
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import uvloop

from analytics import prepare
from databases import Database, SqliteDatabase, run_postgres
from loads import SINGLE
from measure import open_workspace, report_progress
from meter import ProcessTree
from report import TARGET_HEADINGS, Target, add_options, describe_run, format_table, format_target, publish
from servers import RunningServer, Server, ServerError, make_headway, run_server
from workload import POST

LEARNERS = 500
UNITS = 50
IDLE_CONNECTIONS = 600
UNFINISHED_BODIES = 100
PAUSE_SECONDS = 0.5
LEARNER_PAUSE_SECONDS = 0.02
LIVEZ_PAUSE_SECONDS = 0.1
ANSWER_SECONDS = 30.0
P99_TARGET = Target(at_most=250)
GROWTH_TARGET = Target(at_most=20)

LOGIN = "/api/v1/learner/auth/login"
REFRESH = "/api/v1/learner/auth/refresh"
COURSES = "/api/v1/courses"
WS_KEY = "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
SEARCHED = {"title": "Searched", "description": "a" * 10_000, "modules": [{"title": "M", "units": [{"title": "U"}]}]}


@dataclass(slots=True)
class Readings:
    """What the honest learner and the client of /livez experienced; times are in milliseconds."""

    learner_ms: list[float] = field(default_factory=list)
    livez_ms: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    cores: float = 0.0
    """Processor seconds of the server in a second."""
    failures: Counter[str] = field(default_factory=Counter)

    def percentile(self, percent: int) -> float:
        ordered = sorted(self.learner_ms)
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def main() -> None:
    options = parse_options()
    with open_workspace(options.directory) as workspace:
        with run_postgres(workspace / "postgres") as postgres:
            run = describe_run(workspace, postgres.version)
            on_postgres = measure("PostgreSQL", postgres.create_database("attack"), options, workspace)
        on_sqlite = measure("SQLite", SqliteDatabase(workspace / "attack.db"), options, workspace)
    both = {"PostgreSQL": on_postgres, "SQLite": on_sqlite}
    load = ", ".join(f"{each:.2f}" for each in os.getloadavg())
    run += f" {options.seconds} s with and without attacks; load average at the end {load}."
    publish(options, [run, format_readings(both), format_targets(both)])


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure an honest learner while others attack.")
    parser.add_argument("--seconds", type=int, default=60, help="duration without, and with the attacks")
    parser.add_argument("--only", nargs="*", help="attacks to play instead of all; see attack_for_ever")
    add_options(parser)
    options = parser.parse_args()
    if options.quick:
        options.seconds = 5
    return options


def measure(name: str, database: Database, options: argparse.Namespace, workspace: Path) -> tuple[Readings, Readings]:
    """Measure a server without and with the attacks."""
    seconds = options.seconds
    server = make_headway(database, learners=1, units=UNITS)
    instructor = asyncio.run(prepare(server, LEARNERS))
    with run_server(server, workspace) as running:
        asyncio.run(add_searched_courses(running.port, instructor))
        report_progress(f"{name}: {seconds} s without attacks")
        alone = uvloop.run(observe(server, running, seconds))
        report_progress(f"{name}: {seconds} s with attacks")
        learner = server.workload.learners[0].token.decode()
        attacker = multiprocessing.get_context("spawn").Process(
            target=attack, args=(running.port, options.only, instructor, learner, server.workload.courses[0].id), daemon=True
        )
        attacker.start()
        try:
            attacked = uvloop.run(observe(server, running, seconds))
            if not attacker.is_alive():
                raise ServerError("the attacks ended before the measurement")
        finally:
            attacker.kill()
            attacker.join()
    return alone, attacked


async def observe(server: Server, running: RunningServer, seconds: float) -> Readings:
    """Be the learner and the client of /livez, and sample the memory of the server."""
    readings = Readings()
    clients = (
        learn(server, running.port, readings),
        ask_livez(running.port, readings),
        sample_memory(running.processes, readings),
    )
    before = running.processes.cpu_seconds()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*clients)
    readings.cores = (running.processes.cpu_seconds() - before) / seconds
    return readings


async def learn(server: Server, port: int, readings: Readings) -> None:
    """Post events and read the progress in turn, on a connection that is kept; a lost connection counts as a failure."""
    events = server.workload.requests(SINGLE.routes[server.name].build)
    path = f"/user-progress/{server.workload.courses[0].id}/2"
    read = get(path, server.workload.learners[0].token.decode())
    while True:
        try:
            async with open_connection(port) as connection:
                for request, status in itertools.cycle(((None, 201), (read, 200))):
                    started = time.perf_counter()
                    got, _ = await connection.ask(request or next(events))
                    readings.learner_ms.append((time.perf_counter() - started) * 1000)
                    readings.failures[f"learner: {got}"] += got != status
                    await asyncio.sleep(LEARNER_PAUSE_SECONDS)
        except (OSError, EOFError) as error:
            readings.failures[f"learner: {error!r}"] += 1


async def ask_livez(port: int, readings: Readings) -> None:
    while True:
        started = time.perf_counter()
        status = await once(port, get("/livez"))
        readings.livez_ms.append((time.perf_counter() - started) * 1000)
        readings.failures[f"/livez: {status}"] += status != 200
        await asyncio.sleep(LIVEZ_PAUSE_SECONDS)


async def sample_memory(tree: ProcessTree, readings: Readings) -> None:
    while True:
        readings.memory_mb.append(sum(process.memory_info().rss for process in tree.processes()) / 1e6)
        await asyncio.sleep(1)


async def add_searched_courses(port: int, token: str) -> None:
    for number in range(20):
        status = await once(port, post(COURSES, encode(SEARCHED | {"slug": f"searched-{number}"}), token))
        if status != 201:
            raise ServerError(f"a course could not be created: {status}")


class Connection:
    """A connection that sends a request and reads its response; this client sends raw bytes, as attackers do."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        self.writer.write(request)
        await self.writer.drain()
        return await self.answer()

    async def answer(self) -> tuple[int, bytes]:
        """Return the status and the body of the next response. Raises EOFError, TimeoutError."""
        async with asyncio.timeout(ANSWER_SECONDS):
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = next(
                (line.partition(b":")[2] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), b"0"
            )
            return int(head.split(maxsplit=2)[1]), await self._reader.readexactly(int(length))

    async def end(self) -> None:
        """Read until the server ends the connection."""
        while await self._reader.read(65_536):
            pass


@contextlib.asynccontextmanager
async def open_connection(port: int) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=100_000_000)
    try:
        yield Connection(reader, writer)
    finally:
        writer.transport.abort()


async def once(port: int, request: bytes) -> int:
    """Return the status of a request on a new connection, 0 if the connection was lost."""
    try:
        async with open_connection(port) as connection:
            return (await connection.ask(request))[0]
    except (OSError, EOFError):
        return 0


def get(path: str, token: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\r\n".encode()


def post(path: str, body: bytes, token: str = "") -> bytes:
    return POST % (path.encode(), token.encode(), len(body), body)


def attack(port: int, only: list[str], instructor: str, learner: str, course_id: int) -> None:
    """Attack in all ways at once, until this process is killed."""
    os.nice(5)  # Attackers have processors of their own: the server does not compete with them.
    uvloop.run(attack_for_ever(port, only, instructor, learner, course_id))


async def attack_for_ever(port: int, only: list[str], instructor: str, learner: str, course_id: int) -> None:
    unknown = {f"{random.random()}": "\0" for _ in range(55_000)}
    lists = f"/user-progress/course/{course_id}/all?limit=500"
    requests = {
        "unknown": [
            post(REFRESH, encode({"refreshToken": "x"} | unknown)),
            post(LOGIN, encode({"email": "a@b.cc", "password": "b"} | unknown)),
            post("/user-progress/update", encode(unknown), learner),
        ],
        "odd": [
            post(LOGIN, b'{"email":"a@b.cc","password":"b","x":"\0","y":1e999}'),
            post(LOGIN, b"[" * 400_000),
        ],
        "sign-in": [post(LOGIN, b'{"email":"%d@b.cc","password":"b"}' % number) for number in range(8)],
        "search": [get(f"{COURSES}?q={q}") for q in ("x" * 50_000, "a" * 5_000 + "b", "a" * 199 + "b", "a%20" * 50)],
        "lists": [
            get(lists, instructor),
            get(f"{lists}&sortBy=progress", instructor),
            get(f"{COURSES}?limit=500"),
            get("/openapi.json"),
        ],
        "courses": [post(COURSES, encode(course), instructor) for course in (make_course(70_000, 1), make_course(200, 10))]
        + [post(COURSES, encode(SEARCHED | {"prerequisites": [str(number) for number in range(86_000)]}), instructor)],
    }
    body = unfinished(1_000_000) + b" " * 990_000
    attacks: dict[str, Sequence[Callable[[], Awaitable[object]]]] = {
        **{name: [partial(once, port, each) for each in group] for name, group in requests.items()},
        "idle": [partial(hold, port, b"")] * IDLE_CONNECTIONS,
        "bodies": [partial(hold, port, body)] * UNFINISHED_BODIES,
        "header": [partial(send_endless_header, port)],
        "disconnect": [partial(disconnect, port)] * 5,
        "messages": [partial(send_nested_message, port, learner)] * 5,
    }
    await asyncio.gather(*(repeat(each) for name in only or attacks for each in attacks[name]))


def make_course(units: int, modules: int) -> dict[str, object]:
    """Return the body of a course with so many units in each module."""
    return {"title": "Huge", "modules": [{"title": "M", "units": [{"title": "U"}] * units}] * modules}


def encode(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


async def repeat(act: Callable[[], Awaitable[object]]) -> None:
    while True:
        with contextlib.suppress(OSError, EOFError):
            await act()
        await asyncio.sleep(PAUSE_SECONDS * (0.5 + random.random()))


def unfinished(length: int) -> bytes:
    return POST % (LOGIN.encode(), b"", length, b"")


async def hold(port: int, sent: bytes) -> None:
    """Send something, and wait until the server ends the connection."""
    async with open_connection(port) as connection:
        connection.writer.write(sent)
        await connection.end()


async def send_endless_header(port: int) -> None:
    async with open_connection(port) as connection:
        connection.writer.write(b"GET /livez HTTP/1.1\r\nx: ")
        for _ in range(80):
            connection.writer.write(b"x" * 1_000_000)
            await connection.writer.drain()


async def disconnect(port: int) -> None:
    async with open_connection(port) as connection:
        connection.writer.write(unfinished(1_000) + b'{"email":')
        await connection.writer.drain()


async def send_nested_message(port: int, token: str) -> None:
    """Send messages of 60 kB of brackets, one before and some after authenticating."""
    upgrade = "\r\n".join(("GET /ws HTTP/1.1", "host: 127.0.0.1", *WS_KEY, "", "")).encode()
    nested = b"[" * 60_000
    for messages in ([nested], [json.dumps({"type": "auth", "token": token}).encode(), *[nested] * 5]):
        async with open_connection(port) as connection:
            await connection.ask(upgrade)
            for message in messages:
                connection.writer.write(
                    struct.pack("!BBHI", 0x81, 0xFE if len(message) > 125 else 0x80, len(message), 0) + message
                )
            await asyncio.wait_for(connection.end(), 2)


def format_readings(both: dict[str, tuple[Readings, Readings]]) -> str:
    rows = []
    for database, pair in both.items():
        for name, each in zip(("no", "all"), pair, strict=True):
            size = len(each.memory_mb)
            memory = [f"{max(each.memory_mb[size * part // 4 : size * (part + 1) // 4], default=0):.0f}" for part in range(4)]
            failures = ", ".join(f"{count} {kind}" for kind, count in each.failures.items() if count) or "none"
            latencies = [f"{each.percentile(percent):.1f}" for percent in (50, 99, 100)]
            rows.append(
                [database, name, str(len(each.learner_ms)), *latencies, f"{max(each.livez_ms):.1f}", f"{each.cores:.2f}"]
            )
            rows[-1] += [*memory, failures]
    headings = ["database", "attacks", "requests of the learner", "p50 ms", "p99 ms", "worst ms", "/livez worst ms", "cores"]
    return format_table([*headings, "peak RSS MB: 1st quarter", "2nd", "3rd", "4th", "failures"], rows)


def format_targets(both: dict[str, tuple[Readings, Readings]]) -> str:
    rows = []
    for database, (_, attacked) in both.items():
        half = len(attacked.memory_mb) // 2
        growth = max(attacked.memory_mb[half:]) - max(attacked.memory_mb[:half])
        rows.append(format_target(f"{database}: the learner's p99 under attack, ms", [attacked.percentile(99)], P99_TARGET))
        rows.append(format_target(f"{database}: peak RSS, second half less first half, MB", [growth], GROWTH_TARGET))
    return format_table(TARGET_HEADINGS, rows)


if __name__ == "__main__":
    main()
