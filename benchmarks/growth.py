"""Measures the cost of an event with few and with many stored events, on PostgreSQL and on SQLite.

Events are sent by HTTP and counted afterwards. The exit code reports whether every response was as expected and every
acknowledged event is stored, not whether targets were met.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from databases import Database, SqliteDatabase, run_postgres
from measure import Load, Sample, measure, open_workspace, report_progress, send
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
from servers import Server, make_headway, run_server

BATCH_SIZE = 50
FILL_BATCH_SIZE = 500
# Few enough that requests in flight stay below the capacity of Headway's queue, beyond which it returns 503.
FILL_CONNECTIONS = 8
# Few units and short visits, so that each learner visits each unit before the first measurement, which then inserts no
# progress in either database. In the small one, only the unit with a time rule is not complete.
UNITS = 5
EVENTS_PER_VISIT = 2
CPU_TARGET = Target(at_most=1.15)
RATE_TARGET = Target(at_least=0.85)

# By the number of events stored before the first measurement, and the load; in the order of the rounds.
Samples = dict[tuple[int, Load], list[Sample]]


def main() -> None:
    options = parse_options()
    loads = make_loads(options)
    with open_workspace(options.directory) as workspace:
        with run_postgres(workspace / "postgres") as postgres:
            facts = describe_machine(workspace, postgres.version)
            on_postgres = measure_growth(postgres.create_database, loads, options, workspace)
        on_sqlite = measure_growth(lambda name: SqliteDatabase(workspace / f"{name}.db"), loads, options, workspace)
    by_database = {"PostgreSQL": on_postgres, "SQLite": on_sqlite}
    setting = f"{options.connections} connections, {options.learners} learners, event ids of UUID version {options.event_ids}"
    print(f"{facts}\n- load: {setting}, {options.rounds} rounds of {options.events:,} events\n")
    print(format_results(by_database))
    print(f"\n{format_targets(by_database, loads, options)}")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure whether the cost of an event grows with the number of stored events.")
    parser.add_argument("--few", type=int, default=10_000, help="events stored in the small database")
    parser.add_argument("--many", type=int, default=1_000_000, help="events stored in the large database")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--events", type=int, default=20_000, help="events of each measurement")
    parser.add_argument("--event-ids", type=int, choices=(4, 7), default=7, help="UUID version of the events' ids")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--learners", type=int, default=1000)
    parser.add_argument("--directory", type=Path, help="the directory for databases and logs during the run")
    return parser.parse_args()


def make_loads(options: argparse.Namespace) -> list[Load]:
    """Return the loads: single events first, whose warm-up includes every learner."""
    return [
        Load(1, options.connections, warmup_requests=options.learners, events=options.events),
        Load(BATCH_SIZE, options.connections, warmup_requests=options.connections, events=options.events),
    ]


def measure_growth(
    make_database: Callable[[str], Database], loads: Sequence[Load], options: argparse.Namespace, workspace: Path
) -> Samples:
    """Measure on one large database and, because measuring adds events, on a new small one in each round."""
    log_path = workspace / "headway.log"
    samples: Samples = {(stored, load): [] for load in loads for stored in (options.few, options.many)}
    large = make_filled(make_database("large"), options.many, options, log_path)
    # Once only: after a checkpoint PostgreSQL logs full pages at their first change, which costs more in short rounds, and
    # more in the large database, than in hours of use.
    large.database.checkpoint()
    for number in range(1, options.rounds + 1):
        report_progress(f"round {number} of {options.rounds}")
        small = make_filled(make_database(f"small_{number}"), options.few, options, log_path)
        pair = [(options.few, small), (options.many, large)]
        for stored, server in pair if number % 2 else reversed(pair):
            for load, sample in zip(loads, measure_loads(server, loads, log_path), strict=True):
                samples[stored, load].append(sample)
        small.require_all_stored()
    report_progress(f"all {large.require_all_stored():,} acknowledged events are stored")
    return samples


def make_filled(database: Database, events: int, options: argparse.Namespace, log_path: Path) -> Server:
    """Return a server whose database has `events` events, spread evenly over the learners."""
    server = make_headway(
        database, learners=options.learners, units=UNITS, events_per_visit=EVENTS_PER_VISIT, event_id_version=options.event_ids
    )
    batch_size = min(FILL_BATCH_SIZE, max(1, events // options.learners))
    with run_server(server, log_path) as running:
        filled = send(server, running, Load(batch_size, FILL_CONNECTIONS, events=events))
    report_progress(f"{server.require_all_stored():,} events stored in {filled.seconds:.1f} s")
    database.settle()
    return server


def measure_loads(server: Server, loads: Sequence[Load], log_path: Path) -> list[Sample]:
    with run_server(server, log_path) as running:
        samples = [measure(server, running, load) for load in loads]
    server.database.settle()
    return samples


def format_results(by_database: dict[str, Samples]) -> str:
    rows = [
        [database, load.name, f"{stored:,}", *format_samples(rounds)]
        for database, samples in by_database.items()
        for (stored, load), rounds in samples.items()
    ]
    return format_table(["database", "load", "stored at first", *SAMPLE_HEADINGS], rows)


def format_targets(by_database: dict[str, Samples], loads: Sequence[Load], options: argparse.Namespace) -> str:
    rows = []
    for database, samples in by_database.items():
        for load in loads:
            pair = samples[options.many, load], samples[options.few, load]
            figure = f"{database}, {load.name}: {{}}, many stored / few stored"
            costs, rates = pair_ratios(*pair, lambda it: it.cpu_ms), pair_ratios(*pair, lambda it: it.rate)
            rows.append(format_target(figure.format("CPU/event"), costs, CPU_TARGET))
            rows.append(format_target(figure.format("events/s"), rates, RATE_TARGET))
    return format_table(TARGET_HEADINGS, rows)


if __name__ == "__main__":
    main()
