"""Measures events that a service reports for many learners with one request, beside the batches that the learners send.

Both ways take turns in each round on the same server, with the same number of events of the same kind for the same learners, so
that ratios hold on a busy machine too. An event that is not accepted ends the run with an error.
"""

import argparse
import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from databases import Database, SqliteDatabase, run_postgres
from headway.accounts.model import User
from headway.http.authentication import Tokens
from headway.identity import Role
from headway.instants import iso, system_clock
from measure import open_workspace, report_progress
from report import TARGET_HEADINGS, Target, add_options, describe_run, format_table, format_target, publish
from servers import RunningServer, Server, ServerError, make_headway, run_server

LEARNERS, EVENTS_EACH = 50, 10
COST = Target(at_most=1.0)
"""CPU of an event that a service reports, by that of one in a batch of the learner."""
_WAYS = ("for learners", "by learners")


class Reading(NamedTuple):
    """CPU of the server and the database for an event, and how many were stored in a second."""

    cpu_us: float
    per_second: float


class Client:
    """All who send events to a server; each thread has a connection of its own."""

    def __init__(self, server: Server, running: RunningServer) -> None:
        self._server, self._running = server, running
        self._local = threading.local()
        self._numbers = itertools.count()
        self._relay = self._token_of_a_service()

    def cpu_seconds(self) -> float:
        return self._running.processes.cpu_seconds() + self._server.database.cpu_seconds()

    def for_learners(self) -> None:
        """Report the events of all learners as a service: with one request."""
        learners = self._server.workload.learners[:LEARNERS]
        events = [{"user": f"id:{each.user_id}", **event} for each in learners for event in self._events()]
        self._send("/api/v1/events", self._relay, events, "accepted")

    def by_learners(self) -> None:
        """Let each learner send a batch, all at the same time."""
        path = "/api/courses/activity/batch"
        with ThreadPoolExecutor(LEARNERS) as senders:
            tokens = [each.token.decode() for each in self._server.workload.learners[:LEARNERS]]
            list(senders.map(lambda token: self._send(path, token, self._events(), "accepted"), tokens))

    def _events(self) -> list[dict[str, Any]]:
        """Return views one after the other, as a tracker sends them: half a minute in one unit after the other."""
        course, begun = self._server.workload.courses[0], next(self._numbers)
        found = []
        for number in range(EVENTS_EACH):
            end = system_clock() - (EVENTS_EACH - number) * 30_000
            unit = course.units[(begun + number) % len(course.units)]
            found.append(
                {
                    "event_id": f"{begun}-{number}",
                    "activity_type": "unit_view",
                    "session_id": f"s-{begun}",
                    "course_id": course.id,
                    "module_id": unit.module_id,
                    "unit_id": unit.id,
                    "duration_seconds": 30,
                    "end_time": iso(end),
                    "engagement_metrics": {"scroll_depth": 50.0, "interaction_count": 3},
                }
            )
        return found

    def _send(self, path: str, token: str, events: list[dict[str, Any]], name: str) -> None:
        if not hasattr(self._local, "connection"):
            self._local.connection = http.client.HTTPConnection("127.0.0.1", self._running.port, timeout=120)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._local.connection.request("POST", path, json.dumps({"events": events}), headers)
        response = self._local.connection.getresponse()
        content = response.read()
        if response.status != 200 or json.loads(content)["data"][name] != len(events):
            raise ServerError(f"status {response.status} for {path}: {content[:500]!r}")

    def _token_of_a_service(self) -> str:
        """Make an account of a service, which is not among the learners."""
        number, now = 1_000_000, system_clock()
        at = f"to_timestamp({now // 1000})" if self._server.database.kind == "PostgreSQL" else str(now)
        self._server.database.execute(
            "INSERT INTO users (id, role, name, token_version, is_disabled, created_at, updated_at) "
            f"VALUES ({number}, 'SYSTEM', 'Relay', 1, FALSE, {at}, {at})"
        )
        tokens = Tokens(self._server.environment["HEADWAY_SECRET_KEY"], system_clock, lifetime_seconds=86_400)
        return tokens.issue(User(number, Role.SYSTEM, "Relay", None, None, 1, is_disabled=False))


def main() -> None:
    options = parse_options()
    read: dict[str, dict[str, list[Reading]]] = {}
    with open_workspace(options.directory) as workspace:
        with run_postgres(workspace / "postgres") as postgres:
            run = describe_run(workspace, postgres.version)
            read["PostgreSQL"] = measure(postgres.create_database("on_behalf"), options, workspace)
        read["SQLite"] = measure(SqliteDatabase(workspace / "on_behalf.db"), options, workspace)
    run += (
        f" {LEARNERS} learners with {EVENTS_EACH} events each: one request of a service, or a batch of each learner at the same"
        f" time; {options.rounds} rounds of {options.repeats}, in turns."
    )
    publish(options, [run, format_readings(read), format_targets(read)])


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure events that a service reports for learners.")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--repeats", type=int, default=20, help="how often each way is taken in a round")
    add_options(parser)
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.repeats = 2, 3
    return options


def measure(database: Database, options: argparse.Namespace, workspace: Path) -> dict[str, list[Reading]]:
    report_progress(f"{database.kind}: {options.rounds} rounds")
    server = make_headway(database, learners=LEARNERS)
    found: dict[str, list[Reading]] = {way: [] for way in _WAYS}
    with run_server(server, workspace, {"HEADWAY_INGEST_QUEUE_EVENTS": "100000"}) as running:
        client = Client(server, running)
        ways = dict(zip(_WAYS, (client.for_learners, client.by_learners), strict=True))
        for act in ways.values():
            act()
        for number in range(options.rounds):
            # Neither way is always the first.
            for way in list(ways)[:: 1 if number % 2 else -1]:
                found[way].append(read_once(client, ways[way], options.repeats))
    return found


def read_once(client: Client, act: Callable[[], None], repeats: int) -> Reading:
    before, started = client.cpu_seconds(), time.perf_counter()
    for _ in range(repeats):
        act()
    elapsed, events = time.perf_counter() - started, repeats * LEARNERS * EVENTS_EACH
    return Reading((client.cpu_seconds() - before) * 1e6 / events, events / elapsed)


def format_readings(read: dict[str, dict[str, list[Reading]]]) -> str:
    rows = []
    for kind, of in read.items():
        for way, readings in of.items():
            cpu, per_second = (median(values) for values in zip(*readings, strict=True))
            rows.append([kind, way, f"{cpu:.0f}", f"{per_second:,.0f}"])
    return format_table(["database", "events reported", "CPU µs each", "per second"], rows)


def format_targets(read: dict[str, dict[str, list[Reading]]]) -> str:
    lines = []
    for kind, of in read.items():
        pairs = zip(*(of[way] for way in _WAYS), strict=True)
        ratios = [for_them.cpu_us / by_them.cpu_us for for_them, by_them in pairs]
        lines.append(format_target(f"{kind}: CPU of an event for learners / by learners", ratios, COST))
    return format_table(TARGET_HEADINGS, lines)


if __name__ == "__main__":
    main()
