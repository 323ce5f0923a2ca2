"""Measures learners who read and update their progress, on PostgreSQL and on SQLite, compared to the baseline's reads.

Each round measures every server in turn, so that each ratio compares readings of about the same time. Unexpected responses
are counted. The exit code reports whether everything was measured, not whether targets were met.
"""

import argparse
import itertools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import NamedTuple

import jwt
import uvloop

from databases import PostgresServer, SqliteDatabase, run_postgres
from load import Acknowledgement, run_load
from measure import Sample, garbage_collection_off, open_workspace, report_progress
from meter import watch_memory
from report import TARGET_HEADINGS, Target, describe_machine, format_table, format_target, pair_ratios
from servers import RunningServer, Server, ServerError, count_cache_hits, make_baseline, make_headway, read_answer, run_server
from workload import REQUEST

# The number of units that the baseline creates, so that responses have the same number of units.
LEARNERS = 1000
UNITS = 20
# Few enough that requests in flight stay below the capacity of Headway's queue, beyond which it returns 503.
FILL_CONNECTIONS = 8
STEP_SECONDS = 30
# Too small for all responses: as learners take turns, each is evicted before it is requested again.
SMALL_CACHE = {"HEADWAY_CACHE_MEGABYTES": "1"}

OK = Acknowledgement(200, 1)
READ = b"GET %b HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer %b\r\n\r\n"
READ_PATHS = {"Baseline": "/progress", "Headway": "/user-progress"}
UPDATE_PATH = b"/user-progress/update"
UPDATE = b'{"courseId":%d,"courseContentId":%d,"progressStatus":"%b","progressPercent":%d,"activityDuration":%d}'

HEADINGS = (
    *("database", "load", "server", "requests/s", "mean ms", "p50 ms", "p95 ms", "p99 ms", "errors"),
    *("CPU ms/request: application", "database", "sum", "from cache %", "peak RSS MB"),
)
# Of errors, mean, p95, rate and CPU. Without a cache there are no targets.
TARGETS = (Target(at_most=0), Target(at_most=200), Target(at_most=500), Target(at_least=4), Target())


@dataclass(frozen=True, slots=True)
class ClassSample(Sample):
    """The results of one measurement; CPU is in milliseconds a request."""

    mean_ms: float
    errors: int
    from_cache: float
    """The share of requests served from the cache."""


class Load(NamedTuple):
    """A load: the share of updates among its requests, and whether the server's cache can hold all responses."""

    name: str
    updates: float = 0.0
    is_cached: bool = True


class Learner:
    """The requests of a learner: reads of the own progress, and updates that increase it."""

    def __init__(self, server: Server, token: bytes) -> None:
        self.token = token
        self._course = server.workload.course
        self._updates = 0
        # The token was issued for this run and needs no verification.
        user_id = int(jwt.decode(token, options={"verify_signature": False})["sub"])
        self.path = f"{READ_PATHS[server.name]}/{self._course.id}/{user_id}"
        self.read = READ % (self.path.encode(), token)

    def update(self) -> bytes:
        """Return an update of the next unit: the first turn completes every other unit, later turns update the rest."""
        turn, unit = divmod(self._updates, len(self._course.units))
        self._updates += 1
        is_complete = turn == 0 and unit % 2 == 0
        status, percent = (b"COMPLETED", 100) if is_complete else (b"IN_PROGRESS", min(40 + turn, 99))
        body = UPDATE % (self._course.id, self._course.units[unit].id, status, percent, STEP_SECONDS * (turn + 1))
        return REQUEST % (UPDATE_PATH, self.token, len(body), body)


class Classroom:
    """A server with learners who take turns, each with progress in each unit."""

    def __init__(self, database: str, server: Server) -> None:
        self.database = database
        self.server = server
        self._learners = [Learner(server, token) for token in server.workload.tokens]
        self._turns = itertools.cycle(self._learners)
        self._chance = random.Random(1)

    def requests(self, updates: float) -> Iterator[bytes]:
        """Yield requests without end; `updates` is the share of updates."""
        for learner in self._turns:
            yield learner.update() if self._chance.random() < updates else learner.read

    def first_updates(self) -> Iterator[bytes]:
        """Return an update of each unit by each learner."""
        return (learner.update() for _ in range(UNITS) for learner in self._learners)

    def require_all_units(self, running: RunningServer) -> int:
        """Return the size of a learner's progress in bytes. Raises ServerError if units are missing."""
        learner = self._learners[0]
        progress = json.loads(body := read_answer(running.port, learner.path, learner.token))
        units = progress["items"] if "items" in progress else progress["results"]["activityLogs"]
        if len(units) != UNITS:
            raise ServerError(f"{self.server.name}: {learner.path} has {len(units)} units, not {UNITS}: {body[:500]!r}")
        return len(body)


# By classroom and load, in the order of the rounds.
Samples = dict[tuple[Classroom, Load], list[ClassSample]]


def main() -> None:
    options = parse_options()
    with open_workspace(options.directory) as workspace, run_postgres(workspace / "postgres") as postgres:
        facts = describe_machine(workspace, postgres.version)
        baseline, rooms, sizes = open_classrooms(postgres, workspace)
        samples = measure_rounds(baseline, rooms, options, workspace / "server.log")
    setting = f"{options.connections} connections, {LEARNERS} learners, {options.rounds} rounds of {options.seconds:g} s"
    print(f"{facts}\n- load: {setting}\n- responses of {UNITS} units: {sizes}\n")
    print(format_results(samples))
    print(f"\n{format_targets(samples, baseline)}")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure learners who read and update their progress in a course.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each measurement")
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--updates", type=float, default=0.25, help="share of the requests that are updates")
    parser.add_argument("--directory", type=Path, help="the directory for databases and logs during the run")
    return parser.parse_args()


def open_classrooms(postgres: PostgresServer, workspace: Path) -> tuple[Classroom, list[Classroom], str]:
    """Prepare the baseline and Headway on both databases. Return them and the sizes of their responses as text."""
    baseline = Classroom("PostgreSQL", make_baseline(postgres.create_database("baseline"), learners=LEARNERS, units=UNITS))
    on_postgres = make_headway(postgres.create_database("headway"), learners=LEARNERS, units=UNITS)
    on_sqlite = make_headway(SqliteDatabase(workspace / "headway.db"), learners=LEARNERS, units=UNITS)
    rooms = [Classroom("PostgreSQL", on_postgres), Classroom("SQLite", on_sqlite)]
    sizes = {}
    for room in (baseline, *rooms):
        with run_server(room.server, workspace / "server.log") as running:
            if room is not baseline:
                report_progress(f"{room.server.name} on {room.database}: {LEARNERS * UNITS:,} first updates")
                uvloop.run(run_load(running.port, room.first_updates(), OK, connections=FILL_CONNECTIONS))
            sizes[room.server.name] = room.require_all_units(running)
        room.server.database.settle()
        room.server.database.checkpoint()
    return baseline, rooms, ", ".join(f"{name} {size:,} bytes" for name, size in sizes.items())


def measure_rounds(baseline: Classroom, rooms: list[Classroom], options: argparse.Namespace, log_path: Path) -> Samples:
    reads = Load("reads")
    loads = [
        Load(f"reads and {options.updates:.0%} updates", options.updates),
        reads,
        Load("reads, none cached", is_cached=False),
    ]
    measured = [(baseline, reads), *((room, load) for room in rooms for load in loads)]
    samples: Samples = {each: [] for each in measured}
    for number in range(1, options.rounds + 1):
        report_progress(f"round {number} of {options.rounds}")
        for room, load in measured:
            samples[room, load].append(measure_alone(room, load, options, log_path))
    return samples


def measure_alone(room: Classroom, load: Load, options: argparse.Namespace, log_path: Path) -> ClassSample:
    """Measure a server that runs for this measurement only, then settle and checkpoint its database."""
    settings = {} if load.is_cached else SMALL_CACHE
    with run_server(replace(room.server, environment=room.server.environment | settings), log_path) as running:
        sample = uvloop.run(measure(room, running, load, options))
    room.server.database.settle()
    room.server.database.checkpoint()
    report_progress(
        f"{room.server.name} on {room.database}, {load.name}: {sample.rate:,.0f} requests/s, {sample.cpu_ms:.3f} ms CPU each, "
        f"{sample.errors} errors"
    )
    return sample


async def measure(room: Classroom, running: RunningServer, load: Load, options: argparse.Namespace) -> ClassSample:
    requests, connections, database = room.requests(load.updates), options.connections, room.server.database
    await run_load(running.port, itertools.islice(requests, LEARNERS), OK, connections=connections)
    hits_before = hits_so_far(room, running)
    async with watch_memory(running.processes) as peak_memory:
        with garbage_collection_off():
            application_before, database_before = running.processes.cpu_seconds(), database.cpu_seconds()
            result = await run_load(
                running.port, requests, OK, connections=connections, seconds=options.seconds, is_strict=False
            )
            application_after, database_after = running.processes.cpu_seconds(), database.cpu_seconds()
    if result.errors:
        report_progress(f"  {dict(result.errors)}: {result.error_example}")
    return ClassSample(
        rate=result.rate,
        application_cpu_ms=(application_after - application_before) * 1000 / result.events,
        database_cpu_ms=(database_after - database_before) * 1000 / result.events,
        p50_ms=result.percentile_ms(50),
        p95_ms=result.percentile_ms(95),
        p99_ms=result.percentile_ms(99),
        peak_memory_mb=peak_memory.bytes / 1e6,
        mean_ms=result.mean_ms,
        errors=result.errors.total(),
        from_cache=(hits_so_far(room, running) - hits_before) / result.events,
    )


def hits_so_far(room: Classroom, running: RunningServer) -> float:
    return 0.0 if room.server.name == "Baseline" else count_cache_hits(running.port)


def format_results(samples: Samples) -> str:
    rows = [[room.database, load.name, room.server.name, *format_sample(rounds)] for (room, load), rounds in samples.items()]
    return format_table(HEADINGS, rows)


def format_sample(rounds: list[ClassSample]) -> list[str]:
    """Return the cells for HEADINGS: medians over the rounds, the sum of errors and the largest memory."""

    def middle(read: Callable[[ClassSample], float]) -> float:
        return median(read(sample) for sample in rounds)

    return [
        f"{middle(lambda sample: sample.rate):,.0f}",
        f"{middle(lambda sample: sample.mean_ms):.1f}",
        f"{middle(lambda sample: sample.p50_ms):.1f}",
        f"{middle(lambda sample: sample.p95_ms):.1f}",
        f"{middle(lambda sample: sample.p99_ms):.1f}",
        f"{sum(sample.errors for sample in rounds):,}",
        f"{middle(lambda sample: sample.application_cpu_ms):.3f}",
        f"{middle(lambda sample: sample.database_cpu_ms):.3f}",
        f"{middle(lambda sample: sample.cpu_ms):.3f}",
        f"{middle(lambda sample: sample.from_cache) * 100:.0f}",
        f"{max(sample.peak_memory_mb for sample in rounds):.0f}",
    ]


def format_targets(samples: Samples, baseline: Classroom) -> str:
    (yardstick,) = (rounds for (room, _), rounds in samples.items() if room is baseline)
    rows = []
    for (room, load), rounds in samples.items():
        if room is baseline:
            continue
        targets = TARGETS if load.is_cached else (Target(),) * len(TARGETS)
        summarize: dict[str, Sequence[float]] = {
            "errors": [sum(sample.errors for sample in rounds)],
            "mean ms": [sample.mean_ms for sample in rounds],
            "p95 ms": [sample.p95_ms for sample in rounds],
            "requests/s, Headway / Baseline": pair_ratios(rounds, yardstick, lambda it: it.rate),
            "CPU/request, Headway / Baseline": pair_ratios(rounds, yardstick, lambda it: it.cpu_ms),
        }
        rows += [
            format_target(f"{room.database}, {load.name}: {figure}", values, target)
            for (figure, values), target in zip(summarize.items(), targets, strict=True)
        ]
    return format_table(TARGET_HEADINGS, rows)


if __name__ == "__main__":
    main()
