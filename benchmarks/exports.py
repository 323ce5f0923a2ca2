"""Measures exports of a course over HTTP: how long they take, and the memory of the server, with few learners and with many."""

import argparse
import asyncio
import http.client
import time
from pathlib import Path
from typing import NamedTuple

import analytics
import pages
from databases import Database, SqliteDatabase, run_postgres
from measure import open_workspace, report_progress
from meter import watch_memory
from report import TARGET_HEADINGS, Target, add_options, describe_run, format_table, format_target, publish
from servers import RunningServer, ServerError, make_headway, run_server

EXPORTS = {
    "CSV, learners": "format=csv&table=learners",
    "CSV, units": "format=csv&table=units",
    "CSV, days": "format=csv&table=days",
    "NDJSON, everything": "format=ndjson",
}
READ_BYTES = 1_000_000
GROWTH = Target(at_most=32)
"""How many MB more memory an export may take where there are many learners than where there are few."""


class Export(NamedTuple):
    """An export: the time to its first byte and to its end, its size, and how much memory the server took for it."""

    first_byte_ms: float
    seconds: float
    size_bytes: int
    grown_bytes: int


def main() -> None:
    options = parse_options()
    read: dict[str, dict[str, Export]] = {}
    with open_workspace(options.directory) as workspace:
        with run_postgres(workspace / "postgres") as postgres:
            run = describe_run(workspace, postgres.version)
            for learners in (options.few, options.learners):
                database = postgres.create_database(f"of_{learners}")
                read[f"PostgreSQL, {learners:,}"] = measure(database, learners, options, workspace)
        for learners in (options.few, options.learners):
            file = SqliteDatabase(workspace / f"of_{learners}.db")
            read[f"SQLite, {learners:,}"] = measure(file, learners, options, workspace)
    run += f" {options.units} units, each learner in each, and {pages.DAYS} days of study."
    publish(options, [run, format_exports(read), format_targets(read, options)])


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure exports of a course.")
    parser.add_argument("--few", type=int, default=10_000, help="learners of the small course")
    parser.add_argument("--learners", type=int, default=100_000, help="learners of the large course")
    parser.add_argument("--units", type=int, default=50)
    add_options(parser)
    options = parser.parse_args()
    if options.quick:
        options.few, options.learners = 100, 1_000
    return options


def measure(database: Database, learners: int, options: argparse.Namespace, workspace: Path) -> dict[str, Export]:
    """Fill a course and export it, each time from a server that has just started and exported the small table of grades."""
    report_progress(f"{database.url.partition(':')[0]}, {learners:,} learners: filling")
    server = make_headway(database, learners=1, units=options.units)
    token = asyncio.run(analytics.prepare(server, learners))
    database.execute(*pages.study())
    database.settle()
    database.checkpoint()
    exports = {}
    for name, query in EXPORTS.items():
        with run_server(server, workspace) as running:
            path = f"/api/v1/courses/{server.workload.courses[0].id}/export?{query}"
            exports[name] = asyncio.run(export(running, path, token))
            report_progress(f"{name}: {exports[name]}")
    return exports


async def export(running: RunningServer, path: str, token: str) -> Export:
    warm_up = path.partition("?")[0] + "?table=grades"
    await asyncio.to_thread(receive, running.port, warm_up, token)
    async with watch_memory(running.processes) as idle:
        await asyncio.sleep(0.3)
    async with watch_memory(running.processes) as peak:
        first_byte_ms, seconds, size_bytes = await asyncio.to_thread(receive, running.port, path, token)
    return Export(first_byte_ms, seconds, size_bytes, peak.bytes - idle.bytes)


def receive(port: int, path: str, token: str) -> tuple[float, float, int]:
    """Receive an export; return the times to its first byte, in ms, and to its end, in seconds, and its size."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    begin = time.perf_counter()
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    response = connection.getresponse()
    first_byte_ms = (time.perf_counter() - begin) * 1000
    if response.status != 200:
        raise ServerError(f"status {response.status} for {path}: {response.read()[:500]!r}")
    size = 0
    while part := response.read(READ_BYTES):
        size += len(part)
    return first_byte_ms, time.perf_counter() - begin, size


def format_exports(read: dict[str, dict[str, Export]]) -> str:
    headings = ["s, MB sent, MB of memory", *(f"{name} learners" for name in read)]
    return format_table(headings, [[name, *(_cell(each[name]) for each in read.values())] for name in EXPORTS])


def _cell(export: Export) -> str:
    return f"{export.seconds:.1f}, {export.size_bytes / 1e6:.0f}, {export.grown_bytes / 1e6:.0f}"


def format_targets(read: dict[str, dict[str, Export]], options: argparse.Namespace) -> str:
    lines = []
    for kind in ("PostgreSQL", "SQLite"):
        few, many = (read[f"{kind}, {learners:,}"] for learners in (options.few, options.learners))
        more = max((many[name].grown_bytes - few[name].grown_bytes) / 1e6 for name in EXPORTS)
        lines.append(format_target(f"{kind}: MB of memory more for many learners than for few", [more], GROWTH))
        slowest = max(each.first_byte_ms for each in many.values())
        lines.append(format_target(f"{kind}: first byte of many learners, ms", [slowest], pages.FIRST_BYTE_OF_MANY))
    return format_table(TARGET_HEADINGS, lines)


if __name__ == "__main__":
    main()
