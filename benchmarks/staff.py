"""Measures what the staff of a large course waits for: its sorted lists at the beginning, in the middle and at the end, and
how long others wait while the staff changes the times of its units.

Times are the server's, CPU that of the server and of PostgreSQL together. An unexpected response ends the run with an error.
"""

import argparse
import asyncio
import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import analytics
from databases import Database, SqliteDatabase, run_postgres
from headway.instants import iso, system_clock
from measure import open_workspace, report_progress
from report import TARGET_HEADINGS, Target, add_options, describe_run, format_table, format_target, publish
from servers import RunningServer, Server, ServerError, make_headway, run_server

PAGE = 50
PLACES = ("first", "second, by cursor", "third, by cursor", "middle", "last")
LISTS = {
    "call, by name": "/api/v1/courses/{course}/enrollments?sort=name",
    "call, by last activity": "/api/v1/courses/{course}/enrollments?sort=lastActivity&order=desc",
    "call, by name, q=99": "/api/v1/courses/{course}/enrollments?sort=name&q=99",
    "page, by name": "/app/courses/{course}/learners?sort=name",
    "page, by last activity": "/app/courses/{course}/learners?sort=last_seen",
}
CPU_OF_A_PAGE, WAIT = Target(at_most=200), Target(at_most=1_000)
PROBE_SECONDS = 0.02


class Reading(NamedTuple):
    """A page of a list: the time to its end, and the CPU of all processes for it."""

    elapsed_ms: float
    cpu_ms: float


class Change(NamedTuple):
    """A change of the times of a unit: how long it took, its CPU, and the longest time that an event of a learner took."""

    elapsed_ms: float
    cpu_ms: float
    longest_wait_ms: float


class Client:
    """The owner of the course, and how much CPU what the owner asks for takes."""

    def __init__(self, server: Server, running: RunningServer, token: str) -> None:
        self._server, self._running, self._token = server, running, token
        self.course = server.workload.courses[0]
        self._connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=600)

    def cpu_seconds(self) -> float:
        return self._running.processes.cpu_seconds() + self._server.database.cpu_seconds()

    def send(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        if path.startswith("/app/"):
            headers = {"Cookie": f"headway-access={self._token}"}
        path = path.format(course=self.course.id)
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise ServerError(f"status {response.status} for {path}: {content[:500]!r}")
        return json.loads(content) if "json" in (response.getheader("Content-Type") or "") else content

    def change(self, body: Any) -> bool:
        """Change the course; return False if the server gives up."""
        try:
            self.send("PATCH", "/api/v1/courses/{course}", body)
        except ServerError:
            return False
        return True

    def time(self, path: str, repeats: int) -> Reading:
        """Read a page some times. The CPU is that of all, since a reading is shorter than what the system counts."""
        times, before = [], self.cpu_seconds()
        for _ in range(repeats):
            started = time.perf_counter()
            self.send("GET", path)
            times.append((time.perf_counter() - started) * 1000)
        return Reading(median(times), (self.cpu_seconds() - before) * 1000 / repeats)


class Prober(threading.Thread):
    """A learner of the course who sends an event every few milliseconds, and the longest time that one of them took."""

    def __init__(self, server: Server, port: int) -> None:
        super().__init__()
        self.longest_ms, self.sent, self.refused = 0.0, 0, 0
        self._server, self._port = server, port
        self._ended = threading.Event()

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=600)
        course, learner = self._server.workload.courses[0], self._server.workload.learners[0]
        headers = {"Authorization": f"Bearer {learner.token.decode()}", "Content-Type": "application/json"}
        event = {"activity_type": "unit_view", "course_id": course.id, "unit_id": course.units[0].id, "duration_seconds": 1}
        while not self._ended.is_set():
            started = time.perf_counter()
            connection.request("POST", "/api/courses/activity/track", json.dumps(event), headers)
            response = connection.getresponse()
            response.read()
            self.refused += response.status != 201
            self.longest_ms, self.sent = max(self.longest_ms, (time.perf_counter() - started) * 1000), self.sent + 1
            time.sleep(PROBE_SECONDS)

    @contextlib.contextmanager
    def probing(self) -> Iterator["Prober"]:
        self.start()
        time.sleep(10 * PROBE_SECONDS)
        self.longest_ms = 0.0
        yield self
        self._ended.set()
        self.join()


def main() -> None:
    options = parse_options()
    lists: dict[str, dict[str, dict[str, Reading]]] = {}
    changes: dict[str, dict[str, Change]] = {}
    with open_workspace(options.directory) as workspace:
        with run_postgres(workspace / "postgres") as postgres:
            run = describe_run(workspace, postgres.version)
            lists["PostgreSQL"], changes["PostgreSQL"] = measure(postgres.create_database("staff"), options, workspace)
        lists["SQLite"], changes["SQLite"] = measure(SqliteDatabase(workspace / "staff.db"), options, workspace)
    run += f" {options.learners:,} learners, {options.units} units, pages of {PAGE}; median of {options.repeats} readings."
    publish(options, [run, format_lists(lists), format_changes(changes), format_targets(lists, changes)])


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure sorted lists of a large course, and changes of its times.")
    parser.add_argument("--learners", type=int, default=100_000)
    parser.add_argument("--units", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=7)
    add_options(parser)
    options = parser.parse_args()
    if options.quick:
        options.learners, options.repeats = 2_000, 2
    return options


def measure(
    database: Database, options: argparse.Namespace, workspace: Path
) -> tuple[dict[str, dict[str, Reading]], dict[str, Change]]:
    report_progress(f"{database.kind}: {options.learners:,} learners in {options.units} units")
    server = make_headway(database, learners=1, units=options.units)
    token = asyncio.run(analytics.prepare(server, options.learners))
    # Names in another order than ids.
    mixed = "CAST((id * 7919) % 1000003 AS TEXT) || ' learner'"
    database.execute(f"UPDATE users SET name = {mixed}, folded_name = {mixed} WHERE id > {analytics.UPDATING_LEARNER}")
    database.settle()
    database.checkpoint()
    with run_server(server, workspace) as running:
        client = Client(server, running, token)
        read = {name: read_list(client, path, options) for name, path in LISTS.items()}
        return read, change_times(server, running, client)


def read_list(client: Client, path: str, options: argparse.Namespace) -> dict[str, Reading]:
    """Read the pages of a list. Those of the pages for people have no cursor."""
    report_progress(path)
    client.time(path, 1)
    path += f"&limit={PAGE}" if path.startswith("/api") else ""
    found = {"first": client.time(path, options.repeats)}
    pages = options.learners // PAGE
    if path.startswith("/api"):
        first = client.send("GET", path)["metadata"]
        pages = -(-first["total"] // PAGE)
        cursor = first["nextCursor"]
        for place in PLACES[1:3]:
            if cursor is not None:
                by_cursor = f"{path}&cursor={cursor}"
                found[place] = client.time(by_cursor, options.repeats)
                cursor = client.send("GET", by_cursor)["metadata"]["nextCursor"]
    found["middle"] = client.time(f"{path}&page={max(1, pages // 2)}", options.repeats)
    found["last"] = client.time(f"{path}&page={pages}", options.repeats)
    return found


def change_times(server: Server, running: RunningServer, client: Client) -> dict[str, Change]:
    """Change the times of units while a learner sends events."""
    found = {}
    day = 86_400_000
    for name, fields in {
        "closes in a day": {"closesAt": iso(system_clock() + day)},
        "closes in two days": {"closesAt": iso(system_clock() + 2 * day)},
        "opens tomorrow": {"opensAt": iso(system_clock() + day)},
        "no times": {"opensAt": None, "closesAt": None},
        "hidden": {"hidden": True},
        "shown": {"hidden": False},
    }.items():
        modules = client.send("GET", "/api/v1/courses/{course}")["data"]["modules"]
        modules[0]["units"][1] |= fields
        with Prober(server, running.port).probing() as prober:
            before, started = client.cpu_seconds(), time.perf_counter()
            is_changed = client.change({"modules": modules})
            elapsed = time.perf_counter() - started
        if prober.refused or not is_changed:
            report_progress(f"{name}: {prober.refused} events refused; changed: {is_changed}")
        found[name] = Change(elapsed * 1000, (client.cpu_seconds() - before) * 1000, prober.longest_ms)
        report_progress(f"{name}: {found[name]}")
    return found


def format_lists(lists: dict[str, dict[str, dict[str, Reading]]]) -> str:
    headings = ["CPU ms of a page (ms until it is there)", *(f"{kind}: {place}" for kind in lists for place in PLACES)]
    rows = [[name, *(_cell(each[name].get(place)) for each in lists.values() for place in PLACES)] for name in LISTS]
    return format_table(headings, rows)


def _cell(reading: Reading | None) -> str:
    return "" if reading is None else f"{reading.cpu_ms:.0f} ({reading.elapsed_ms:.0f})"


def format_changes(changes: dict[str, dict[str, Change]]) -> str:
    headings = ["change of a unit: ms, CPU ms, longest ms of an event meanwhile", *changes]
    names = next(iter(changes.values()))
    cells = {
        kind: {name: ", ".join(f"{each:,.0f}" for each in change) for name, change in of.items()}
        for kind, of in changes.items()
    }
    return format_table(headings, [[name, *(of[name] for of in cells.values())] for name in names])


def format_targets(lists: dict[str, dict[str, dict[str, Reading]]], changes: dict[str, dict[str, Change]]) -> str:
    lines = []
    for kind, of in lists.items():
        slowest = max(reading.cpu_ms for read in of.values() for reading in read.values())
        lines.append(format_target(f"{kind}: CPU ms of the slowest page of a sorted list", [slowest], CPU_OF_A_PAGE))
        longest = max(change.longest_wait_ms for change in changes[kind].values())
        lines.append(format_target(f"{kind}: longest ms of an event while times change", [longest], WAIT))
    return format_table(TARGET_HEADINGS, lines)


if __name__ == "__main__":
    main()
