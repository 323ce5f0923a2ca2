"""Measures a retention run over many events beside a server: its time, CPU and memory, and how long an event waits."""

import argparse
import asyncio
import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

import msgspec

from databases import Database, SqliteDatabase, run_postgres
from history import RANDOM_ID
from measure import open_workspace, report_progress
from meter import ProcessTree, watch_memory
from report import TARGET_HEADINGS, Target, add_options, describe_run, format_table, format_target, publish
from servers import RunningServer, Server, ServerError, clean_environment, make_headway, run_server

DAYS = 365
LEARNERS = 1_000
PAUSE_SECONDS = 0.02
IDLE_SECONDS = 10.0
LONGEST_WAIT = Target(at_most=1_000)
"""How many ms an event may wait beside a run: a step is to take less than a second."""
COLUMNS = """user_id, event_id, activity_type, course_id, unit_id, duration_seconds, received_at, occurred_at, claimed_ms,
    is_shifted, clock_offset_ms"""
EVENT = "{first} + n % {learners}, {id}, 'unit_view', {course}, {unit}, 30, {at}, {at}, 0"
FILL = {
    "PostgreSQL": f"""INSERT INTO learner_activity_logs ({COLUMNS})
SELECT {EVENT}, false, 0 FROM generate_series(1, {{events}}) AS n""",
    "SQLite": f"""INSERT INTO learner_activity_logs ({COLUMNS})
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {{events}})
SELECT {EVENT}, 0, 0 FROM numbers""",
}
LONG_AGO = {"PostgreSQL": "now() - interval '400 days'", "SQLite": "unixepoch('now', '-400 days') * 1000"}


class Run(NamedTuple):
    """A retention run, and how long events waited beside it and without it, in ms."""

    seconds: float
    cpu_seconds: float
    database_cpu_seconds: float
    memory_mb: float
    idle: list[float]
    beside: list[float]


def main() -> None:
    options = parse_options()
    with open_workspace(options.directory) as workspace:
        with run_postgres(workspace / "postgres") as postgres:
            run = describe_run(workspace, postgres.version)
            runs = {"PostgreSQL": measure(postgres.create_database("retained"), options.events, workspace)}
        runs["SQLite"] = measure(SqliteDatabase(workspace / "retained.db"), options.events, workspace)
    run += f" {options.events:,} events of {LEARNERS:,} learners are forgotten."
    publish(options, [run, format_runs(runs), format_targets(runs)])


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure a retention run.")
    parser.add_argument("--events", type=int, default=1_000_000)
    add_options(parser)
    options = parser.parse_args()
    if options.quick:
        options.events = 10_000
    return options


def measure(database: Database, events: int, workspace: Path) -> Run:
    report_progress(f"{database.kind}: filling")
    server = make_headway(database, learners=LEARNERS)
    course, people = server.workload.courses[0], server.workload.learners
    first = min(each.user_id for each in people)
    values = {"first": first, "learners": LEARNERS, "course": course.id, "unit": course.units[0].id, "events": events}
    database.execute(FILL[database.kind].format(**values, id=RANDOM_ID[database.kind], at=LONG_AGO[database.kind]))
    database.settle()
    database.checkpoint()
    with run_server(server, workspace) as running:
        made = asyncio.run(apply(server, running))
    left = database.count_rows(server.event_table)
    if left != len(made.idle) + len(made.beside):
        raise ServerError(f"{left} events are left, {len(made.idle) + len(made.beside)} were sent meanwhile")
    report_progress(f"{database.kind}: {made.seconds:.0f} s, longest wait {max(made.beside):.0f} ms")
    return made


async def apply(server: Server, running: RunningServer) -> Run:
    idle = await asyncio.to_thread(send_while, server, running, _for(IDLE_SECONDS))
    database_cpu, begin = server.database.cpu_seconds(), time.perf_counter()
    process = start(server)
    ended = threading.Event()

    def wait() -> float:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        ended.set()
        return used.ru_utime + used.ru_stime

    async with watch_memory(ProcessTree(process.pid)) as memory:
        waiting = asyncio.create_task(asyncio.to_thread(wait))
        beside = await asyncio.to_thread(send_while, server, running, lambda: not ended.is_set())
        cpu_seconds = await waiting
    seconds = time.perf_counter() - begin
    if process.returncode:
        raise ServerError(f"the run failed with {process.returncode}")
    return Run(seconds, cpu_seconds, server.database.cpu_seconds() - database_cpu, memory.bytes / 1e6, idle, beside)


def start(server: Server) -> "subprocess.Popen[bytes]":
    environment = clean_environment() | server.environment | {"HEADWAY_RETENTION_EVENTS_DAYS": str(DAYS)}
    command = (sys.executable, "-m", "headway", "retention", "apply", "--json", "--database", server.database.url)
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def send_while(server: Server, running: RunningServer, goes_on: Callable[[], bool]) -> list[float]:
    """Send events one after the other; return how long each waited for its response, in ms."""
    course, person = server.workload.courses[0], server.workload.learners[0]
    body = msgspec.json.encode({"activity_type": "unit_view", "course_id": course.id, "unit_id": course.units[1].id})
    headers = {"Authorization": f"Bearer {person.token.decode()}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)
    waits = []
    while goes_on():
        begin = time.perf_counter()
        connection.request("POST", "/api/courses/activity/track", body, headers)
        response = connection.getresponse()
        content = response.read()
        if response.status != 201:
            raise ServerError(f"status {response.status}: {content[:500]!r}")
        waits.append((time.perf_counter() - begin) * 1000)
        time.sleep(PAUSE_SECONDS)
    return waits


def _for(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end


def format_runs(runs: dict[str, Run]) -> str:
    headings = ["", "s", "CPU s of the command", "CPU s of PostgreSQL", "MB", "an event waits, ms: p50, p99, longest"]
    headings.append("without a run")
    rows = [
        [
            *(name, f"{run.seconds:.0f}", f"{run.cpu_seconds:.0f}", f"{run.database_cpu_seconds:.0f}", f"{run.memory_mb:.0f}"),
            *(_waits(run.beside), _waits(run.idle)),
        ]
        for name, run in runs.items()
    ]
    return format_table(headings, rows)


def _waits(waits: list[float]) -> str:
    shares = quantiles(waits, n=100)
    return f"{shares[49]:.1f}, {shares[98]:.1f}, {max(waits):.0f}"


def format_targets(runs: dict[str, Run]) -> str:
    targets = [format_target(f"{name}: longest wait, ms", [max(run.beside)], LONGEST_WAIT) for name, run in runs.items()]
    return format_table(TARGET_HEADINGS, targets)


if __name__ == "__main__":
    main()
