"""Compares Headway with the baseline, in turn on one PostgreSQL with one load client; then measures Headway on SQLite.

The exit code reports whether every response was as expected and every acknowledged event is stored, not whether targets were
met.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from databases import PostgresServer, SqliteDatabase, run_postgres
from measure import Load, Sample, measure_alone, open_workspace, report_progress
from report import (
    SAMPLE_HEADINGS,
    TARGET_HEADINGS,
    Target,
    describe_machine,
    format_samples,
    format_table,
    format_target,
    pair_ratios,
)
from servers import Server, make_baseline, make_headway

BATCH_SIZE = 50
MEMORY_TARGET = Target(at_most=150)
RATE_TARGETS = {1: Target(at_least=8), BATCH_SIZE: Target(at_least=6)}
CPU_TARGETS = {1: Target(at_most=1 / 8), BATCH_SIZE: Target()}

# By server and load, in the order of the rounds.
Samples = dict[tuple[str, Load], list[Sample]]


def main() -> None:
    options = parse_options()
    loads = [
        Load(size, options.connections, warmup_requests=options.learners, seconds=options.seconds) for size in (1, BATCH_SIZE)
    ]
    with open_workspace(options.directory) as workspace:
        with run_postgres(workspace / "postgres") as postgres:
            facts = describe_machine(workspace, postgres.version)
            on_postgres = measure_rounds(make_servers(postgres, options.learners), loads, options.rounds, workspace)
        embedded = make_headway(SqliteDatabase(workspace / "headway.db"), learners=options.learners)
        on_sqlite = measure_rounds([embedded], loads, options.rounds, workspace)
    setting = f"{options.connections} connections, {options.learners} learners"
    print(f"{facts}\n- load: {setting}, {options.rounds} rounds of {options.seconds:g} s\n")
    print(format_results({"PostgreSQL": on_postgres, "SQLite": on_sqlite}))
    print(f"\n{format_targets(loads, on_postgres, on_sqlite)}")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare Headway with the baseline.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each measurement")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--learners", type=int, default=1000)
    parser.add_argument("--directory", type=Path, help="the directory for databases and logs during the run")
    return parser.parse_args()


def make_servers(postgres: PostgresServer, learners: int) -> list[Server]:
    return [
        make_baseline(postgres.create_database("baseline"), learners=learners),
        make_headway(postgres.create_database("headway"), learners=learners),
    ]


def measure_rounds(servers: Sequence[Server], loads: Sequence[Load], rounds: int, workspace: Path) -> Samples:
    """Measure all servers under each load in turn, round by round. Check that every acknowledged event is stored."""
    samples: Samples = {(server.name, load): [] for load in loads for server in servers}
    for number in range(1, rounds + 1):
        report_progress(f"round {number} of {rounds}")
        for load in loads:
            for server in servers:
                samples[server.name, load].append(measure_alone(server, load, workspace / f"{server.name}.log"))
    for server in servers:
        report_progress(f"{server.name}: all {server.require_all_stored():,} acknowledged events are stored")
    return samples


def format_results(by_database: dict[str, Samples]) -> str:
    rows = [
        [database, load.name, server, *format_samples(rounds)]
        for database, samples in by_database.items()
        for (server, load), rounds in samples.items()
    ]
    return format_table(["database", "load", "server", *SAMPLE_HEADINGS], rows)


def format_targets(loads: Sequence[Load], on_postgres: Samples, on_sqlite: Samples) -> str:
    rows = []
    for load in loads:
        pair = on_postgres["Headway", load], on_postgres["Baseline", load]
        rates, costs = pair_ratios(*pair, lambda it: it.rate), pair_ratios(*pair, lambda it: it.cpu_ms)
        rows.append(format_target(f"{load.name}: events/s, Headway / Baseline", rates, RATE_TARGETS[load.batch_size]))
        rows.append(format_target(f"{load.name}: CPU/event, Headway / Baseline", costs, CPU_TARGETS[load.batch_size]))
    for database, samples in (("PostgreSQL", on_postgres), ("SQLite", on_sqlite)):
        peak_mb = max(sample.peak_memory_mb for load in loads for sample in samples["Headway", load])
        rows.append(format_target(f"largest RSS MB, Headway on {database}", [peak_mb], MEMORY_TARGET))
    return format_table(TARGET_HEADINGS, rows)


if __name__ == "__main__":
    main()
