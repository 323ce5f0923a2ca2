"""Compares Headway with the baseline, in turn on one PostgreSQL with one load client; and measures Headway on SQLite.

The exit code reports whether every response was as expected and every acknowledged event is stored, not whether targets were
met.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import plots
from databases import Database, SqliteDatabase, run_postgres
from loads import BATCHES, COURSE_ROOM, LOADS, SINGLE, UPDATES, Load
from measure import Run, Sample, measure_alone, open_workspace, report_progress, send
from report import (
    SAMPLE_HEADINGS,
    TARGET_HEADINGS,
    Target,
    add_options,
    describe_run,
    format_samples,
    format_table,
    format_target,
    pair_ratios,
    publish,
)
from servers import UNITS, Server, make_baseline, make_headway, run_server

# More than anybody completes in a run: nearly every event raises a percent.
COURSES = 30
CONNECTIONS = (64, 256, 1)
USUAL_CONNECTIONS = CONNECTIONS[0]
# Of rate and CPU, Headway / Baseline.
RATIO_TARGETS = {
    SINGLE: (Target(at_least=8), Target(at_most=1 / 8)),
    BATCHES: (Target(at_least=6), Target(at_most=1 / 6)),
    COURSE_ROOM: (Target(at_least=4), Target()),
}
SQLITE_CPU_TARGET = Target(at_most=0.2)
P95_TARGET = Target(at_most=500)
MEMORY_TARGET = Target(at_most=150)


class Series(NamedTuple):
    """A server with a database."""

    server: str
    database: str

    def __str__(self) -> str:
        return self.server if self.server == "Baseline" else f"{self.server}, {self.database}"


BASELINE, ON_POSTGRES, ON_SQLITE = (
    Series("Baseline", "PostgreSQL"),
    Series("Headway", "PostgreSQL"),
    Series("Headway", "SQLite"),
)
# By load, server and connections, in the order of the rounds.
Samples = dict[tuple[Load, Series, int], list[Sample]]


class Pair(NamedTuple):
    """Servers of one kind: one whose learners have just begun, and one whose learners have progress in each unit."""

    beginners: Server
    advanced: Server

    def for_load(self, load: Load) -> Server:
        return self.advanced if load.needs_progress else self.beginners


def main() -> None:
    options = parse_options()
    samples: Samples = defaultdict(list)
    with open_workspace(options.directory) as workspace, run_postgres(workspace / "postgres") as postgres:
        run = describe_run(workspace, postgres.version)
        baseline = make_baseline(postgres.create_database("baseline"), learners=options.learners, courses=COURSES)
        baseline.workload.scatter()
        servers = {
            BASELINE: Pair(baseline, baseline),
            ON_POSTGRES: make_pair(postgres.create_database, options.learners, workspace),
            ON_SQLITE: make_pair(lambda name: SqliteDatabase(workspace / f"{name}.db"), options.learners, workspace),
        }
        for number in range(1, options.rounds + 1):
            report_progress(f"round {number} of {options.rounds}")
            # The targets are those of the usual number of connections; the others are measured once.
            measure_round(servers, options, options.connections if number == 1 else [USUAL_CONNECTIONS], samples, workspace)
        for pair in servers.values():
            report_progress(
                f"{pair.beginners.name}: all {pair.beginners.require_all_stored():,} acknowledged events are stored"
            )
    setting = f"{options.learners:,} learners, {options.rounds} rounds of {options.seconds:g} s."
    targets = format_table(TARGET_HEADINGS, list(list_targets(samples)))
    parts = [
        f"{run} {setting}",
        targets,
        format_loads(options.loads),
        format_usual(samples),
        format_others(samples, options.connections),
    ]
    publish(options, parts, list(draw(samples)))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare Headway with the baseline.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.5, help="length of each measurement")
    parser.add_argument("--warmup", type=float, default=1.0, help="longest warm-up before a measurement, in seconds")
    parser.add_argument("--connections", type=int, nargs="+", default=CONNECTIONS)
    parser.add_argument("--learners", type=int, default=1000)
    parser.add_argument("--loads", nargs="+", choices=[load.name for load in LOADS], help="only these; default is all")
    add_options(parser)
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.warmup, options.connections = 1, 0.3, 0.3, [USUAL_CONNECTIONS]
    options.loads = [load for load in LOADS if not options.loads or load.name in options.loads]
    return options


def make_pair(make_database: Callable[[str], Database], learners: int, workspace: Path) -> Pair:
    beginners = make_headway(make_database("headway"), learners=learners, courses=COURSES)
    beginners.workload.scatter()
    advanced = make_headway(make_database("headway_advanced"), learners=learners)
    report_progress(f"{advanced.database.kind}: {learners * UNITS:,} first updates")
    with run_server(advanced, workspace) as running:
        send(advanced, running, Run(UPDATES, USUAL_CONNECTIONS, 0, operations=learners * UNITS))
    advanced.database.settle()
    return Pair(beginners, advanced)


def measure_round(
    servers: dict[Series, Pair], options: argparse.Namespace, connections: Sequence[int], samples: Samples, workspace: Path
) -> None:
    """Measure all servers under each load in turn."""
    for load in options.loads:
        runs = [Run(load, count, options.learners, options.warmup, seconds=options.seconds) for count in connections]
        for series, pair in servers.items():
            if series.server in load.routes:
                for run, sample in zip(runs, measure_alone(pair.for_load(load), runs, workspace), strict=True):
                    samples[load, series, run.connections].append(sample)


def list_targets(samples: Samples) -> Iterator[list[str]]:
    """Yield the rows of the targets, which are those of 64 connections."""
    usual = {
        (load, series): found for (load, series, connections), found in samples.items() if connections == USUAL_CONNECTIONS
    }
    for load in LOADS:
        if (load, BASELINE) in usual:
            pair = usual[load, ON_POSTGRES], usual[load, BASELINE]
            rate, cpu = RATIO_TARGETS.get(load, (Target(), Target()))
            yield format_target(f"{load.name}: rate, Headway / Baseline", pair_ratios(*pair, lambda it: it.rate), rate)
            yield format_target(f"{load.name}: CPU, Headway / Baseline", pair_ratios(*pair, lambda it: it.cpu_ms), cpu)
    if (SINGLE, ON_SQLITE) in usual:
        costs = [sample.cpu_ms for sample in usual[SINGLE, ON_SQLITE]]
        yield format_target("single events on SQLite: CPU ms", costs, SQLITE_CPU_TARGET)
    for series in (ON_POSTGRES, ON_SQLITE):
        if (COURSE_ROOM, series) in usual:
            latencies = [sample.p95_ms for sample in usual[COURSE_ROOM, series]]
            yield format_target(f"{COURSE_ROOM.name} on {series.database}: p95 ms", latencies, P95_TARGET)
        peak_mb = max(sample.peak_memory_mb for (_, each, _), found in samples.items() if each == series for sample in found)
        yield format_target(f"largest RSS MB, Headway on {series.database}", [peak_mb], MEMORY_TARGET)


def format_loads(loads: Sequence[Load]) -> str:
    rows = [
        [load.name, load.operation, load.realism, "yes" if "Baseline" in load.routes else "has no such route"] for load in loads
    ]
    return format_table(["load", "counted is each", "who sends it", "baseline"], rows)


def format_usual(samples: Samples) -> str:
    rows = [
        [load.name, str(series), *format_samples(found)]
        for (load, series, connections), found in samples.items()
        if connections == USUAL_CONNECTIONS
    ]
    return f"{USUAL_CONNECTIONS} connections:\n\n{format_table(['load', 'server', *SAMPLE_HEADINGS], rows)}"


def format_others(samples: Samples, connections: Sequence[int]) -> str:
    others = sorted(set(connections) - {USUAL_CONNECTIONS})
    if not others:
        return ""
    headings = ["load", "server"]
    for count in others:
        headings += [f"{count}: per second", "CPU ms each", "p50 ms", "p99 ms"]
    rows = []
    for load, series in dict.fromkeys((load, series) for load, series, _ in samples):
        cells = [load.name, str(series)]
        for count in others:
            found = samples[load, series, count]
            cells.append(f"{middle(found, lambda it: it.rate):,.0f}")
            cells.append(f"{middle(found, lambda it: it.cpu_ms):.3f}")
            cells += [f"{middle(found, read):.1f}" for read in (lambda it: it.p50_ms, lambda it: it.p99_ms)]
        rows.append(cells)
    return f"{' and '.join(map(str, others))} connections:\n\n{format_table(headings, rows)}"


def middle(samples: Sequence[Sample], read: Callable[[Sample], float]) -> float:
    return median(read(sample) for sample in samples)


def draw(samples: Samples) -> Iterator[plots.Plot]:
    rates: dict[str, dict[str, tuple[float, ...]]] = defaultdict(dict)
    costs: dict[str, dict[str, tuple[float, ...]]] = defaultdict(dict)
    latencies: dict[str, dict[str, tuple[float, ...]]] = defaultdict(dict)
    for (load, series, connections), found in samples.items():
        if connections == USUAL_CONNECTIONS:
            rates[load.name][str(series)] = (middle(found, lambda it: it.rate),)
            costs[load.name][str(series)] = (middle(found, lambda it: it.cpu_ms),)
        if series == ON_POSTGRES:
            spread = middle(found, lambda it: it.p50_ms), middle(found, lambda it: it.p99_ms)
            latencies[load.name][f"{connections} connections"] = spread
    at = f"{USUAL_CONNECTIONS} connections"
    servers = [str(series) for series in (ON_POSTGRES, ON_SQLITE, BASELINE)]
    yield plots.draw_rows("rate", f"Rate, {at}", "operations a second (each event of a batch is one)", servers, rates)
    yield plots.draw_rows("cpu", f"CPU of an operation, {at}", "ms of server and database", servers, costs)
    title = "Latency of Headway on PostgreSQL, p50 to p99"
    connected = [f"{connections} connections" for connections in sorted({connections for _, _, connections in samples})]
    yield plots.draw_rows("latency", title, "ms a request, with all connections busy", connected, latencies)


if __name__ == "__main__":
    main()
