"""Measures a course's analytics and the list of its learners, with few and with many learners, on PostgreSQL and SQLite.

One client sends requests to a server with a small course and to one with a large course in turn, so that each ratio compares
readings of about the same time. An unexpected response ends the run with an error; missed targets do not.
"""

import argparse
import asyncio
import contextlib
import http.client
import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from sqlalchemy import text

from databases import Database, SqliteDatabase, run_postgres
from headway import schema
from headway.accounts import store as users
from headway.accounts.tables import users as user_table
from headway.courses.completion import COMPLETE
from headway.db.database import Database as Storage
from headway.db.database import WriteTransaction
from headway.db.dialects import WriteRows
from headway.enrollments import statistics_store
from headway.enrollments.statistics import BAND_WIDTH, Statistic, StatisticsDelta, enrollment_statistics
from headway.enrollments.status import EnrollmentStatus
from headway.enrollments.tables import enrollments
from headway.enrollments.traces import add_weeks, state_bits, week_of, write_states
from headway.http.authentication import Tokens
from headway.instants import DAY, Instant, system_clock
from headway.learning.tables import unit_progress
from headway.settings import Settings
from measure import open_workspace, report_progress
from report import TARGET_HEADINGS, Target, add_options, describe_run, format_table, format_target, publish
from servers import CACHE_HITS, RunningServer, Server, ServerError, make_headway, read_metric, run_server

PAGE = 20
AT_ONCE = 5_000
# The users that preparing a server creates: the owner of the course, then the only learner enrolled at first.
OWNER, UPDATING_LEARNER = 1, 2
UNIT_SECONDS = 600
ANALYTICS_TARGET, LIST_TARGET, PROGRESS_TARGET = Target(at_most=100), Target(at_most=1.3), Target(at_most=1.5)

_write_users = WriteRows(user_table, ["id", "role", "name", "token_version", "is_disabled", "created_at", "updated_at"])
_write_enrollments = WriteRows(
    enrollments,
    [
        *("user_id", "course_id", "id", "status", "percent", "study_ms", "metadata", "certificate_url"),
        *("enrolled_at", "last_activity_at", "completed_at", "created_at", "updated_at", "active_weeks", "unit_states"),
    ],
)
# Learners complete units in order, so that the mean over units is the percent of the course. ENROLLED learners have rows of
# NOT_STARTED.
_insert_units = text("""
INSERT INTO unit_progress (user_id, course_id, unit_id, id, status, percent, study_ms, metadata,
    last_activity_at, completed_at, created_at, updated_at)
SELECT user_id, course_id, unit_id, :first_id + row_number() OVER () - 1,
    CASE WHEN reached >= 10000 THEN 'COMPLETED' WHEN status = 'ENROLLED' THEN 'NOT_STARTED' ELSE 'IN_PROGRESS' END,
    CASE WHEN reached >= 10000 THEN 10000 WHEN reached > 0 THEN reached ELSE 0 END,
    CASE WHEN reached >= 10000 THEN :unit_ms ELSE 0 END, '{}',
    updated_at, CASE WHEN reached >= 10000 THEN updated_at END, created_at, updated_at
FROM (
    SELECT e.user_id, e.course_id, e.status, e.created_at, e.updated_at, u.id AS unit_id,
        e.percent * :units - (u.id - :first_unit) * 10000 AS reached
    FROM enrollments AS e JOIN units AS u ON u.course_id = e.course_id
    WHERE e.user_id BETWEEN :first_user AND :last_user
) AS parts
""")
# The course statistics of the inserted rows.
_count_units = [
    text(
        "INSERT INTO course_statistics (course_id, name, shard, value) "
        f"SELECT course_id, 'unit:' || unit_id || '\\:{name}', 0, {value} FROM unit_progress WHERE {condition} GROUP BY 1, 2"
    )
    for name, value, condition in (
        ("rows", "count(*)", "TRUE"),
        ("completed", "count(*)", "status = 'COMPLETED'"),
        ("seconds", "sum(study_ms / 1000)", "study_ms >= 1000"),
    )
]


class NewEnrollment(NamedTuple):
    """An enrollment to insert."""

    status: EnrollmentStatus
    percent: int
    enrolled_at: Instant
    last_activity_at: Instant | None
    completed_at: Instant | None

    @property
    def counted_as(self) -> tuple[object, ...]:
        return self

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        dates = self.enrolled_at, self.completed_at, self.last_activity_at
        return enrollment_statistics(self.status, self.percent, *dates)


class CourseClient:
    """A client of a server with one course, and the times of its responses by name."""

    def __init__(self, server: Server, running: RunningServer, owner_token: str, learners: int) -> None:
        self.port = running.port
        self.learners = learners
        self.times_ms: dict[str, list[float]] = {}
        self._course = server.workload.courses[0]
        self._connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)
        self._owner_token = owner_token
        self._learner_token = server.workload.learners[0].token.decode()
        self._updates = 0

    def update(self) -> None:
        """Change the statistics of the course."""
        self._updates += 1
        seconds = UNIT_SECONDS * self._updates
        declared = {"courseId": self._course.id, "courseContentId": self._course.units[0].id, "activityDuration": seconds}
        self._request("POST", "/user-progress/update", self._learner_token, json.dumps(declared))

    def read_analytics(self, name: str) -> None:
        analytics = self._read(name, "analytics")["results"]
        rows = (self.learners - 1) * len(self._course.units) + 1
        if (analytics["totalEnrollments"], analytics["totalActivities"]) != (self.learners, rows):
            raise ServerError(f"{name}: expected {self.learners:,} enrollments and {rows:,} rows of progress: {analytics}")

    def read_page(self, name: str, query: str, page: int) -> int:
        """Read a page of the course's learners. Return the number of pages."""
        learners = self._read(name, f"all?{query}&limit={PAGE}&page={page}")
        total, pages = learners["pagination"]["total"], learners["pagination"]["totalPages"]
        if len(learners["results"]) != min(PAGE, total - (page - 1) * PAGE):
            raise ServerError(f"{name}: page {page} has {len(learners['results'])} of {total:,} learners")
        return int(pages)

    def _read(self, name: str, path: str) -> Any:
        elapsed_ms, body = self._request("GET", f"/user-progress/course/{self._course.id}/{path}", self._owner_token)
        self.times_ms.setdefault(name, []).append(elapsed_ms)
        return json.loads(body)

    def _request(self, method: str, path: str, token: str, body: str | None = None) -> tuple[float, bytes]:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        started = time.perf_counter()
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        content = response.read()
        elapsed_ms = (time.perf_counter() - started) * 1000
        if response.status != 200:
            raise ServerError(f"status {response.status} for {path}: {content[:500]!r}")
        return elapsed_ms, content


class Listing(NamedTuple):
    """A list of the course's learners in one order."""

    sort_by: str
    order: str
    status: str | None

    @property
    def name(self) -> str:
        return f"{self.sort_by} {self.order}, {self.status or 'all'}"

    @property
    def query(self) -> str:
        return f"sortBy={self.sort_by}&order={self.order}" + (f"&status={self.status}" if self.status else "")

    @property
    def pages(self) -> list[str]:
        """The names of the pages that are read."""
        return [f"{self.name}: {page} page" for page in PAGES]


UNCACHED, CACHED = "not cached", "cached"
PAGES = ["first", "middle", "last"]
LISTINGS = [
    Listing(*each)
    for each in [
        *itertools.product(("progress", "enrollmentDate", "completionDate"), ("asc", "desc"), (None, "COMPLETED")),
        # None of these is at 0 or at 100 percent: their percents have to be compared.
        *itertools.product(["progress"], ("asc", "desc"), ["IN_PROGRESS"]),
    ]
]


def main() -> None:
    options = parse_options()
    with open_workspace(options.directory) as workspace:
        with run_postgres(workspace / "postgres") as postgres:
            run = describe_run(workspace, postgres.version)
            on_postgres = measure("PostgreSQL", postgres.create_database, options, workspace)
        on_sqlite = measure("SQLite", lambda name: SqliteDatabase(workspace / f"{name}.db"), options, workspace)
    clients = {"PostgreSQL": on_postgres, "SQLite": on_sqlite}
    run += f" {options.units} units, each learner in each; pages of {PAGE}; median of {options.repeats} readings."
    publish(options, [run, format_analytics(clients), format_lists(clients), format_targets(clients)])


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure a course's analytics and the list of its learners.")
    parser.add_argument("--few", type=int, default=1_000, help="learners of the small course")
    parser.add_argument("--learners", type=int, default=100_000, help="learners of the large course")
    parser.add_argument("--units", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--one-band", action="store_true", help="put whoever has not completed the course at 40 to 60 percent")
    add_options(parser)
    options = parser.parse_args()
    if options.quick:
        options.learners, options.repeats = 2_000, 3
    return options


def measure(
    name: str, make_database: Callable[[str], Database], options: argparse.Namespace, workspace: Path
) -> tuple[CourseClient, CourseClient]:
    """Fill a small and a large course, and read from both in turn."""
    with contextlib.ExitStack() as running:
        pair = []
        for size, learners in (("small", options.few), ("large", options.learners)):
            report_progress(f"{name}: {learners:,} learners in {options.units} units")
            server = make_headway(make_database(size), learners=1, units=options.units)
            owner_token = asyncio.run(prepare(server, learners, is_one_band=options.one_band))
            server.database.settle()
            server.database.checkpoint()
            pair.append(CourseClient(server, running.enter_context(run_server(server, workspace)), owner_token, learners))
        small, large = pair
        report_progress(f"{name}: {options.repeats} readings of everything")
        read_analytics(small, large, options.repeats)
        read_lists(small, large, options.repeats)
    return small, large


def read_analytics(small: CourseClient, large: CourseClient, repeats: int) -> None:
    """Read analytics after each change, and again from the cache. Raises ServerError for unexpected cache hits."""
    hits_before = [read_metric(each.port, CACHE_HITS) for each in (small, large)]
    for _, each in itertools.product(range(repeats), (small, large)):
        each.update()
        each.read_analytics(UNCACHED)
        each.read_analytics(CACHED)
    hits = [read_metric(each.port, CACHE_HITS) - before for each, before in zip((small, large), hits_before, strict=True)]
    if hits != [repeats, repeats]:
        raise ServerError(f"of {repeats} analytics after a change and {repeats} without one, {hits} came from the cache")


def read_lists(small: CourseClient, large: CourseClient, repeats: int) -> None:
    for listing, _, each in itertools.product(LISTINGS, range(repeats), (small, large)):
        first, middle, last = listing.pages
        pages = each.read_page(first, listing.query, 1)
        each.read_page(middle, listing.query, (pages + 1) // 2)
        each.read_page(last, listing.query, pages)


async def prepare(server: Server, learners: int, *, is_one_band: bool = False) -> str:
    """Fill the course of a new server with learners. Return the token of its owner."""
    secret_key = server.environment["HEADWAY_SECRET_KEY"]
    settings = Settings(database_url=server.database.url, secret_key=secret_key, database_timeout_seconds=3600)
    storage = schema.database(settings)
    await storage.open()
    try:
        await fill(storage, server, learners, is_one_band=is_one_band)
        async with storage.read() as tx:
            owner = await users.find(tx, OWNER)
    finally:
        await storage.close()
    if owner is None:
        raise ServerError("the course has no owner")
    return Tokens(secret_key, system_clock, lifetime_seconds=DAY).issue(owner)


async def fill(storage: Storage, server: Server, learners: int, *, is_one_band: bool) -> None:
    """Enroll learners up to a number, each with progress in each unit, and update the course statistics."""
    first = UPDATING_LEARNER + 1
    newcomers = iter(range(first, first + learners - 1))
    now = system_clock()
    while part := list(itertools.islice(newcomers, AT_ONCE)):
        async with storage.write() as tx:
            await enroll(tx, server, part, now, is_one_band=is_one_band)
    async with storage.write() as tx:
        for statement in _count_units:
            await tx.run(statement)


async def enroll(tx: WriteTransaction, server: Server, user_ids: list[int], now: Instant, *, is_one_band: bool) -> None:
    course = server.workload.courses[0]
    await tx.write_rows((_write_users, [(i, "PARTICIPANT", f"Learner {i}", 1, False, now, now) for i in user_ids]))
    delta, rows = StatisticsDelta(), []
    for user_id, enrollment_id in zip(user_ids, await tx.new_ids(enrollments, len(user_ids)), strict=True):
        enrollment = make_enrollment(user_id, now, is_one_band=is_one_band)
        delta.replace(course.id, None, enrollment)
        completed_units = enrollment.percent * len(course.units) // COMPLETE
        rows.append(
            (
                *(user_id, course.id, enrollment_id, enrollment.status.value, enrollment.percent),
                *(completed_units * UNIT_SECONDS * 1000, "{}", None),
                *(enrollment.enrolled_at, enrollment.last_activity_at, enrollment.completed_at, enrollment.enrolled_at),
                enrollment.last_activity_at or enrollment.enrolled_at,
                *make_traces(enrollment, completed_units, len(course.units)),
            )
        )
    await tx.write_rows((_write_enrollments, rows))
    await statistics_store.write_statistics(tx, delta)
    progress_ids = await tx.new_ids(unit_progress, len(user_ids) * len(course.units))
    await tx.run(
        _insert_units,
        first_id=progress_ids[0],
        units=len(course.units),
        first_unit=course.units[0].id,
        unit_ms=UNIT_SECONDS * 1000,
        first_user=user_ids[0],
        last_user=user_ids[-1],
    )


def make_traces(enrollment: NewEnrollment, completed_units: int, units: int) -> tuple[str, str]:
    """Return the weeks with activity, from enrolling on, and the states of the units: who began any has begun all."""
    if enrollment.last_activity_at is None:
        return "", ""
    days = range(enrollment.enrolled_at // DAY, enrollment.last_activity_at // DAY + 1, 7)
    weeks = {week_of(day) for day in (*days, enrollment.last_activity_at // DAY)}
    states = sum(state_bits(number, is_complete=number < completed_units) for number in range(units))
    return add_weeks("", weeks), write_states(states)


def make_enrollment(user_id: int, now: Instant, *, is_one_band: bool) -> NewEnrollment:
    """Return the enrollment of a user: a quarter has completed the course, most others are IN_PROGRESS."""
    percent = user_id * 4_999 % COMPLETE
    if is_one_band:
        percent = 2 * BAND_WIDTH + percent % BAND_WIDTH
    kind = user_id * 7 % 20
    enrolled_at = now - (10 + user_id * 31 % 355) * DAY - user_id * 7_919 % DAY
    active_at = now - user_id * 13 % 10 * DAY
    if kind < 5:
        completed_at = enrolled_at + (1 + user_id * 11 % 9) * DAY
        status = EnrollmentStatus.CERTIFIED if kind == 0 else EnrollmentStatus.COMPLETED
        return NewEnrollment(status, COMPLETE, enrolled_at, completed_at, completed_at)
    if kind == 5:
        return NewEnrollment(EnrollmentStatus.ENROLLED, 0, enrolled_at, None, None)
    others = {6: EnrollmentStatus.DROPPED, 7: EnrollmentStatus.EXPIRED}
    return NewEnrollment(others.get(kind, EnrollmentStatus.IN_PROGRESS), percent, enrolled_at, active_at, None)


Clients = dict[str, tuple[CourseClient, CourseClient]]


def format_analytics(clients: Clients) -> str:
    rows = [
        [database, f"{each.learners:,}", *(f"{median(each.times_ms[name]):.1f}" for name in (UNCACHED, CACHED))]
        for database, pair in clients.items()
        for each in pair
    ]
    return format_table(["database", "learners", "analytics ms: not cached", "cached"], rows)


def format_lists(clients: Clients) -> str:
    """Return a table of the median times of some pages, in the small and in the large course."""
    sizes = [f"{each.learners:,}" for each in next(iter(clients.values()))]
    rows = [
        [database, *(listing.name.split(", ")), *(time for page in listing.pages for time in format_times(page, pair))]
        for database, pair in clients.items()
        for listing in LISTINGS
    ]
    headings = [heading for page in PAGES for heading in (f"{page} page ms: {sizes[0]}", sizes[1], "ratio")]
    return format_table(["database", "order", "status", *headings], rows)


def format_times(name: str, pair: tuple[CourseClient, CourseClient]) -> Iterator[str]:
    yield from (f"{median(each.times_ms[name]):.1f}" for each in pair)
    yield f"{median(pair_times(name, pair)):.2f}"


def pair_times(name: str, pair: tuple[CourseClient, CourseClient]) -> list[float]:
    """Return the ratio of each reading of the large course to the reading of the small course before it."""
    small, large = pair
    return [above / below for above, below in zip(large.times_ms[name], small.times_ms[name], strict=True)]


def format_targets(clients: Clients) -> str:
    rows = []
    for database, (small, large) in clients.items():
        figure = f"{database}: analytics of {large.learners:,} learners, not cached, ms"
        rows.append(format_target(figure, large.times_ms[UNCACHED], ANALYTICS_TARGET))
        by_progress = [page for listing in LISTINGS if listing.sort_by == "progress" for page in listing.pages]
        first_pages = [listing.pages[0] for listing in LISTINGS if listing.sort_by != "progress"]
        for about, pages, target in (
            ("first page by date", first_pages, LIST_TARGET),
            ("any page by progress", by_progress, PROGRESS_TARGET),
        ):
            ratios = {page: pair_times(page, (small, large)) for page in pages}
            worst = max(ratios, key=lambda page: median(ratios[page]))
            figure = f"{database}: {about}, {large.learners:,} / {small.learners:,} learners, worst ({worst})"
            rows.append(format_target(figure, ratios[worst], target))
    return format_table(TARGET_HEADINGS, rows)


if __name__ == "__main__":
    main()
