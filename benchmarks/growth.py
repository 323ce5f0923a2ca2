"""Measures what an event costs as events accumulate and as learners become more, on PostgreSQL and on SQLite.

The exit code reports whether every response was as expected and every acknowledged event is stored, not whether targets were
met.
"""

import argparse
import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import history
import plots
from databases import Database, SqliteDatabase, run_postgres
from loads import BATCHES, SINGLE, Load, batches
from measure import Run, Sample, measure, open_workspace, report_progress, send
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
from servers import UNITS, Server, clean_environment, make_headway, run_server
from workload import EVENTS_PER_VISIT

CONNECTIONS = 64
FILL_CONNECTIONS = 16
EVENTS_PER_COURSE = UNITS * EVENTS_PER_VISIT
EVENTS_PER_LEARNER = 10
# Smaller databases are new in each round, because a measurement would add more than a tenth.
KEPT_FROM_EVENTS = 1_000_000
CPU_TARGET = Target(at_most=1.15)


class Size(NamedTuple):
    """The size of a database before the first measurement."""

    learners: int
    events: int


# By size and load, in the order of the rounds.
Samples = dict[tuple[Size, Load], list[Sample]]


class Growth(NamedTuple):
    """The sizes of one database, along two lines that start at the same size."""

    events: list[Size]
    learners: list[Size]

    @property
    def sizes(self) -> list[Size]:
        return list(dict.fromkeys([*self.events, *self.learners]))


def main() -> None:
    options = parse_options()
    samples: dict[str, Samples] = {}
    with open_workspace(options.directory) as workspace:
        with run_postgres(workspace / "postgres") as postgres:
            run = describe_run(workspace, postgres.version)
            samples["PostgreSQL"] = measure_growth(postgres.create_database, "PostgreSQL", options, workspace)
        samples["SQLite"] = measure_growth(lambda name: SqliteDatabase(workspace / f"{name}.db"), "SQLite", options, workspace)
    setting = f"{CONNECTIONS} connections, random event ids, {options.rounds} rounds of {options.measured:,} events"
    targets = format_table(TARGET_HEADINGS, list(list_targets(samples, options)))
    parts = [f"{run} {setting} (ten times as many in batches).", targets, format_results(samples)]
    publish(options, parts, list(draw(samples, options)))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure whether the cost of an event grows with events or with learners.")
    on_postgres, on_sqlite = [10**4, 10**5, 10**6, 10**7], [10**4, 10**5, 10**6, 3 * 10**6]
    parser.add_argument("--postgres-events", type=int, nargs="+", default=on_postgres, help="events stored at first")
    parser.add_argument("--sqlite-events", type=int, nargs="+", default=on_sqlite, help="likewise")
    parser.add_argument("--learners", type=int, nargs="+", default=[10**3, 10**4, 10**5], help="with ten events each")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--measured", type=int, default=20_000, help="single events of a measurement")
    parser.add_argument("--verify", action="store_true", help="run `headway verify` on each filled database")
    add_options(parser)
    options = parser.parse_args()
    if options.quick:
        options.postgres_events = options.sqlite_events = [1_000, 40_000]
        options.learners, options.rounds, options.measured, options.verify = [100, 1_000], 1, 500, True
    first = options.learners[0]
    learners = [Size(count, count * EVENTS_PER_LEARNER) for count in options.learners]
    options.growth = {
        "PostgreSQL": Growth([Size(first, events) for events in options.postgres_events], learners),
        "SQLite": Growth([Size(first, events) for events in options.sqlite_events], learners),
    }
    return options


def measure_growth(
    make_database: Callable[[str], Database], kind: str, options: argparse.Namespace, workspace: Path
) -> Samples:
    """Measure at all sizes in each round: on databases that are kept if they are large, and else on new ones."""
    sizes = options.growth[kind].sizes
    samples: Samples = {(size, load): [] for load in (SINGLE, BATCHES) for size in sizes}
    kept: dict[Size, Server] = {}
    for number in range(1, options.rounds + 1):
        report_progress(f"{kind}: round {number} of {options.rounds}")
        for size in sizes if number % 2 else reversed(sizes):
            name = f"stored_{size.learners}_{size.events}_{number}"
            server = kept.get(size) or make_filled(make_database(name), size, options, workspace)
            for load, sample in measure_both(server, size, options, workspace):
                samples[size, load].append(sample)
            server.require_all_stored()
            if size.events >= KEPT_FROM_EVENTS:
                kept[size] = server
    return samples


def make_filled(database: Database, size: Size, options: argparse.Namespace, workspace: Path) -> Server:
    """Return a server whose database has events, spread evenly over the learners.

    They are sent by HTTP up to a whole course for each learner; more are repetitions of that course, weeks before.
    """
    per_learner = size.events // size.learners
    sent = min(per_learner, EVENTS_PER_COURSE)
    measured = options.rounds * (2 + math.ceil(11 * options.measured / size.learners))
    server = make_headway(database, learners=size.learners, courses=2 + math.ceil(measured / EVENTS_PER_COURSE))
    with run_server(server, workspace) as running:
        send(server, running, Run(batches(sent), FILL_CONNECTIONS, 0, operations=sent * size.learners))
    if per_learner > sent:
        history.repeat(database, per_learner // sent)
        server.acknowledged *= per_learner // sent
    server.workload.scatter()
    if options.verify:
        verify(server)
    report_progress(f"{database.kind}: {size.learners:,} learners, {server.require_all_stored():,} events stored")
    database.settle()
    # Now: after a checkpoint PostgreSQL logs full pages at their first change, which costs more in short rounds, and more in
    # a large database, than in hours of use.
    database.checkpoint()
    return server


def verify(server: Server) -> None:
    command = (sys.executable, "-m", "headway", "verify", "--database", server.database.url)
    subprocess.run(command, env=clean_environment() | server.environment, stdout=sys.stderr, check=True)


def measure_both(server: Server, size: Size, options: argparse.Namespace, workspace: Path) -> Iterator[tuple[Load, Sample]]:
    """Measure single events, after a warm-up in which every learner sends one, and then batches."""
    runs = (
        Run(SINGLE, CONNECTIONS, warmup_requests=size.learners, operations=options.measured),
        Run(BATCHES, CONNECTIONS, warmup_requests=CONNECTIONS, operations=options.measured * 10),
    )
    with run_server(server, workspace) as running:
        for run in runs:
            yield run.load, measure(server, running, run)
    server.database.settle()


def list_targets(samples: dict[str, Samples], options: argparse.Namespace) -> Iterator[list[str]]:
    for kind, found in samples.items():
        for what, line in options.growth[kind]._asdict().items():
            first, last = line[0], line[-1]
            if first == last:
                continue
            ends = f"{getattr(last, what):,} / {getattr(first, what):,} {what}"
            for load in (SINGLE, BATCHES):
                ratios = pair_ratios(found[last, load], found[first, load], lambda sample: sample.cpu_ms)
                yield format_target(f"{kind}, {load.name}: CPU of an event, {ends}", ratios, CPU_TARGET)


def format_results(samples: dict[str, Samples]) -> str:
    rows = [
        [kind, load.name, f"{size.learners:,}", f"{size.events:,}", *format_samples(found)]
        for kind, by_size in samples.items()
        for (size, load), found in by_size.items()
    ]
    return format_table(["database", "load", "learners", "events stored", *SAMPLE_HEADINGS], rows)


def draw(samples: dict[str, Samples], options: argparse.Namespace) -> Iterator[plots.Plot]:
    for what, axis in (("events", "events stored"), ("learners", "active learners")):
        for load in (SINGLE, BATCHES):
            lines: dict[str, Sequence[tuple[float, float]]] = {
                kind: [
                    (getattr(size, what), median(sample.cpu_ms * 1000 for sample in found[size, load]))
                    for size in getattr(options.growth[kind], what)
                ]
                for kind, found in samples.items()
            }
            title = f"CPU of an event by {axis}, {load.name}"
            name = f"growth-{what}-{load.name.split()[0]}"
            yield plots.draw_lines(name, title, (axis, "µs of server and database"), lines)


if __name__ == "__main__":
    main()
