"""Shows what Headway asks of PostgreSQL: round trips, statements, buffers, WAL, and updates that are made in place (HOT).

PostgreSQL counts by `pg_stat_statements`, and logs every message that it answers. Both cost time, so rates are not reported;
what they cost is.
"""

import argparse
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compare import COURSES, USUAL_CONNECTIONS, make_pair
from databases import PostgresDatabase, PostgresServer, run_postgres
from headway.db.types import metadata
from loads import BATCHES, LOADS, SINGLE, Load
from measure import Run, open_workspace, report_progress, send
from report import TARGET_HEADINGS, Target, add_options, describe_run, format_table, format_target, publish
from servers import GROUPS, RunningServer, Server, read_etags, read_metric, run_server

SETTINGS = {"shared_preload_libraries": "pg_stat_statements", "log_line_prefix": "%a|", "log_parameter_max_length": "0"}
WATCHED = ("ALTER SYSTEM SET log_min_duration_statement = 0", "ALTER SYSTEM SET pg_stat_statements.track = 'top'")
UNWATCHED = ("ALTER SYSTEM SET log_min_duration_statement = -1", "ALTER SYSTEM SET pg_stat_statements.track = 'none'")
# A line for each message: a text with its statements, the preparation of one, or the execution of a prepared one.
MESSAGE = re.compile(r"^headway\|LOG: +duration: [\d.]+ ms +(?:statement|parse|execute)\b", re.MULTILINE)
STATEMENTS = """
SELECT query, calls, total_exec_time, rows, shared_blks_hit + shared_blks_read AS buffers, wal_bytes
FROM pg_stat_statements JOIN pg_database ON pg_database.oid = dbid
WHERE datname = current_database() AND query !~ 'pg_stat'
ORDER BY total_exec_time DESC
"""
UPDATES = "SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE n_tup_upd > 0"
TABLES = re.compile(r"\b(INSERT INTO|UPDATE|DELETE FROM|FROM|JOIN)\s+(\w+)", re.IGNORECASE)
# The rows that an event updates.
UPDATED_TABLES = ("enrollments", "unit_progress", "study_days")
TOP = 6
ROUND_TRIPS_TARGET, HOT_TARGET = Target(at_most=5), Target(at_least=95)


@dataclass(frozen=True, slots=True)
class Counts:
    """What PostgreSQL counted under a load."""

    operations: int
    groups: float
    round_trips: int
    statements: list[Mapping[str, Any]]
    updates: dict[str, tuple[int, int]]
    """By table: the updates, and those of them in place."""

    def total(self, column: str) -> float:
        return float(sum(statement[column] for statement in self.statements))

    def hot_percent(self, *tables: str) -> float:
        """Return the share of updates in place, or 100 without updates."""
        made = sum(self.updates.get(table, (0, 0))[0] for table in tables)
        return 100 * sum(self.updates.get(table, (0, 0))[1] for table in tables) / made if made else 100.0


def main() -> None:
    options = parse_options()
    with open_workspace(options.directory) as workspace, run_postgres(workspace / "postgres", SETTINGS) as postgres:
        run = describe_run(workspace, postgres.version)
        pair = make_pair(postgres.create_database, options.learners, workspace)
        for server in pair:
            watching(server).execute("CREATE EXTENSION pg_stat_statements")
        cost = measure_cost(pair.beginners, options, workspace)
        counts = {load: count(pair.for_load(load), load, postgres, options, workspace) for load in LOADS}
    run += f" {USUAL_CONNECTIONS} connections, {options.learners:,} learners in {COURSES} courses. {cost}"
    tops = [f"{load.name.capitalize()}:\n\n{format_top(counts[load])}" for load in (SINGLE, BATCHES)]
    targets = format_table(TARGET_HEADINGS, list(list_targets(counts)))
    publish(options, [run, targets, format_counts(counts), "The statements that take most of the time:", *tops])


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Show what Headway asks of PostgreSQL.")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each load")
    parser.add_argument("--learners", type=int, default=1000)
    add_options(parser)
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.learners = 0.3, 200
    return options


def watching(server: Server) -> PostgresDatabase:
    assert isinstance(server.database, PostgresDatabase)
    return server.database


def measure_cost(server: Server, options: argparse.Namespace, workspace: Path) -> str:
    """Return a sentence on how much CPU of the database the counting adds to single events."""
    cpu_ms = {}
    for is_watched, switches in ((False, UNWATCHED), (True, WATCHED)):
        watching(server).execute(*switches, "SELECT pg_reload_conf()")
        with run_server(server, workspace) as running:
            warm_up(server, running, SINGLE, options)
            before, acknowledged = server.database.cpu_seconds(), server.acknowledged
            send(server, running, Run(SINGLE, USUAL_CONNECTIONS, 0, seconds=options.seconds))
            cpu_ms[is_watched] = (server.database.cpu_seconds() - before) * 1000 / (server.acknowledged - acknowledged)
    return f"Counting raises the database's CPU of a single event from {cpu_ms[False]:.3f} to {cpu_ms[True]:.3f} ms."


def warm_up(server: Server, running: RunningServer, load: Load, options: argparse.Namespace) -> None:
    operations = options.learners * load.per_request
    send(server, running, Run(load, USUAL_CONNECTIONS, 0, operations=operations))


def count(server: Server, load: Load, postgres: PostgresServer, options: argparse.Namespace, workspace: Path) -> Counts:
    """Count under a load, after a warm-up that includes every learner."""
    report_progress(load.name)
    database = watching(server)
    updates_before = read_updates(database)
    with run_server(server, workspace, load.environment) as running:
        if load.reads_first:
            read_etags(running.port, server.workload)
        warm_up(server, running, load, options)
        database.execute("SELECT pg_stat_statements_reset()")
        groups_before, log_before = read_metric(running.port, GROUPS), postgres.log_path.stat().st_size
        result = send(server, running, Run(load, USUAL_CONNECTIONS, 0, seconds=options.seconds))
        with postgres.log_path.open(errors="replace") as log:
            log.seek(log_before)
            round_trips = len(MESSAGE.findall(log.read()))
        groups = read_metric(running.port, GROUPS) - groups_before
        statements = database.read(STATEMENTS)
    # Connections hand their counts in when they close, which the server has done now.
    updates = read_updates(database)
    for table, (made, in_place) in updates_before.items():
        updates[table] = (updates[table][0] - made, updates[table][1] - in_place)
    server.database.settle()
    return Counts(result.operations, groups, round_trips, statements, updates)


def read_updates(database: PostgresDatabase) -> dict[str, tuple[int, int]]:
    return {row["relname"]: (row["n_tup_upd"], row["n_tup_hot_upd"]) for row in database.read(UPDATES)}


def list_targets(counts: Mapping[Load, Counts]) -> Iterator[list[str]]:
    for load, counted in counts.items():
        if load.is_grouped:
            round_trips = counted.round_trips / counted.groups
            yield format_target(f"{load.name}: round trips of a group", [round_trips], ROUND_TRIPS_TARGET)
            share = counted.hot_percent(*UPDATED_TABLES)
            yield format_target(f"{load.name}: % of updates in place", [share], HOT_TARGET)


def format_counts(counts: Mapping[Load, Counts]) -> str:
    headings = ["load", "operations of a group", "round trips of a group", "round trips each", "statements each"]
    headings += ["µs each", "buffers each", "WAL bytes each", "% in place: all", *UPDATED_TABLES]
    rows = []
    tables = [(table,) for table in UPDATED_TABLES]
    for load, counted in counts.items():
        each = counted.operations
        group = [f"{each / counted.groups:.1f}", f"{counted.round_trips / counted.groups:.1f}"] if load.is_grouped else ["", ""]
        rows.append(
            [
                *(load.name, *group, f"{counted.round_trips / each:.2f}", f"{counted.total('calls') / each:.2f}"),
                *(f"{counted.total('total_exec_time') * 1000 / each:.1f}", f"{counted.total('buffers') / each:.1f}"),
                f"{counted.total('wal_bytes') / each:,.0f}",
                *(format_share(counted, *some) for some in (tuple(counted.updates), *tables)),
            ]
        )
    return format_table(headings, rows)


def format_share(counts: Counts, *tables: str) -> str:
    return f"{counts.hot_percent(*tables):.1f}" if any(counts.updates.get(table, (0, 0))[0] for table in tables) else ""


def format_top(counts: Counts) -> str:
    rows = [
        [
            f"`{summarize(statement['query'])}`",
            f"{statement['total_exec_time'] * 1000 / counts.operations:.1f}",
            f"{statement['calls'] / counts.operations:.3f}",
            f"{statement['total_exec_time'] / statement['calls']:.2f}",
            f"{statement['rows'] / statement['calls']:.1f}",
            f"{statement['buffers'] / statement['calls']:.0f}",
            f"{statement['wal_bytes'] / counts.operations:,.0f}",
        ]
        for statement in counts.statements[:TOP]
    ]
    headings = [
        "statement",
        "µs an event",
        "calls an event",
        "ms a call",
        "rows a call",
        "buffers a call",
        "WAL bytes an event",
    ]
    return format_table(headings, rows)


def summarize(query: str) -> str:
    """Return what a statement does to which tables."""
    named = [(verb.upper(), table) for verb, table in TABLES.findall(query) if table in metadata.tables]
    written = dict.fromkeys(f"{verb} {table}" for verb, table in named if verb not in {"FROM", "JOIN"})
    read = dict.fromkeys(table for verb, table in named if verb in {"FROM", "JOIN"})
    parts = [*written, *([f"SELECT FROM {', '.join(read)}"] if read else [])]
    return "; ".join(parts) or " ".join(query.split())[:60].replace("|", " ")


if __name__ == "__main__":
    main()
