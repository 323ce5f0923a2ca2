"""Measures how long each request holds the event loop, with the largest data that Headway admits, on both databases.

The requests are made within the process of the server, one after the other, while a task that wants to run every millisecond
measures how late it runs. A response with an unexpected status ends the run with an error.
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from litestar import Litestar

from databases import run_postgres
from headway import schema
from headway.accounts.model import User
from headway.app import create_app
from headway.courses.tables import course_staff, course_statistics, courses, modules, units
from headway.db.database import Database
from headway.db.dialects import WriteRows
from headway.db.keyring import Keyring
from headway.enrollments.statistics import band_statistic, percent_band
from headway.enrollments.status import EnrollmentStatus
from headway.enrollments.tables import enrollments
from headway.http.authentication import Tokens
from headway.identity import Role
from headway.instants import Instant, system_clock
from headway.learning.tables import unit_progress
from headway.settings import Settings
from lists import ASSESSMENT, COURSE, LEARNER, TUTOR, analyze, fill, write
from measure import open_workspace, report_progress
from report import add_options, describe_run, format_table, publish

SECRET_KEY = "x" * 32
DEEP, WIDE = 1_000_001, 1_000_002
"""A course with many units, and one with many learners."""
MODULES = 200
EVIDENCE = '{"engagement_metrics":{"scroll_depth":85.5,"video_watch_percentage":95.0,"interaction_count":12}}'


class Call(NamedTuple):
    """A request to measure."""

    name: str
    path: str
    user_id: int = TUTOR
    method: str = "GET"
    body: dict[str, Any] | None = None
    first: str | None = None
    """The path to warm up with, where a second response would come from the cache."""


def calls() -> list[Call]:
    some = list(range(LEARNER, LEARNER + 25))
    room = "/user-progress"
    return [
        Call("all learners, many units", f"{room}/course/{DEEP}/all?limit=25"),
        Call("all learners, 50 units", f"{room}/course/{WIDE}/all?limit=500"),
        Call("all learners by progress", f"{room}/course/{WIDE}/all?limit=500&sortBy=progress&order=desc"),
        Call("some learners, many units", f"{room}/bulk", method="POST", body={"courseId": DEEP, "userIds": some}),
        Call("some learners, 50 units", f"{room}/bulk", method="POST", body={"courseId": WIDE, "userIds": some * 8}),
        Call("one learner", f"{room}/{DEEP}/{LEARNER}", first=f"{room}/{WIDE}/{LEARNER}"),
        Call(
            "one learner, include=all",
            f"{room}/{DEEP}/{LEARNER + 600}?include=all",
            first=f"{room}/{WIDE}/{LEARNER + 600}?include=all",
        ),
        Call(
            "one learner, include=why",
            f"{room}/{DEEP}/{LEARNER}?include=why",
            first=f"{room}/{WIDE}/{LEARNER}?include=why",
        ),
        Call("activities", f"{room}/{DEEP}/{LEARNER}/activities", LEARNER),
        Call("analytics", f"{room}/course/{DEEP}/analytics", first=f"{room}/course/{WIDE}/analytics"),
        Call("courses", "/api/v1/courses?limit=500"),
        Call("courses by text", "/api/v1/courses?limit=500&q=course"),
        Call("a course", f"/api/v1/courses/{DEEP}"),
        Call("a course with 200 kB of change", f"/api/v1/courses/{DEEP}", method="PATCH", body={"title": "Other"}),
        Call("regrade: sequential", f"/api/v1/courses/{WIDE}", method="PATCH", body={"sequential": True}),
        Call("learners of a course", f"/api/v1/courses/{COURSE}/enrollments?limit=500"),
        Call("own progress", "/api/v1/learner/me/progress?limit=500", LEARNER),
        Call("peers", "/api/v1/learner/peers?limit=500", LEARNER + 1),
        Call("messages", "/api/v1/learner/messages?limit=500", LEARNER),
        Call("conversations", "/api/v1/learner/conversations?limit=500"),
        Call("submissions", f"/api/v1/assessments/{ASSESSMENT}/submissions?limit=500"),
        Call("profile", "/api/v1/learner/me", LEARNER),
        Call("feed", "/api/v1/learner/feed?limit=500", LEARNER),
        Call("activity log", "/api/v1/activities?limit=500", LEARNER),
        Call("OpenAPI document", "/openapi.json"),
        Call("metrics", "/metrics"),
    ]


def main() -> None:
    options = parse_options()
    rows: list[list[str]] = []
    with open_workspace(options.directory) as workspace, run_postgres(workspace / "postgres") as postgres:
        run = describe_run(workspace, postgres.version)
        urls = {"SQLite": f"sqlite:///{workspace}/stalls.db", "PostgreSQL": postgres.create_database("stalls").url}
        for name, url in urls.items():
            report_progress(name)
            rows += asyncio.run(measure(name, url, options))
    publish(options, [run, format_table(["database", "request", "kB", "longest stall ms", "response ms"], rows)])


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure how long requests hold the event loop.")
    parser.add_argument("--units", type=int, default=2_000, help="of the course with many units")
    parser.add_argument("--rows", type=int, default=20_000, help="of each list")
    add_options(parser)
    options = parser.parse_args()
    if options.quick:
        options.units, options.rows = 100, 1_000
    return options


async def measure(name: str, url: str, options: argparse.Namespace) -> list[list[str]]:
    settings = Settings(database_url=url, secret_key=SECRET_KEY, log_level="warning")
    await schema.migrate(settings, is_owner=True)
    database = schema.database(settings)
    await database.open()
    now = system_clock()
    await fill(database, options.rows, message=Keyring.from_settings(settings).encrypt("Some text"))
    await fill_course(database, DEEP, options.units, learners=50, now=now)
    await fill_course(database, WIDE, 50, learners=500, now=now)
    await analyze(database)
    await database.close()
    app: Any = create_app(settings)
    litestar = app
    while not isinstance(litestar, Litestar):
        litestar = litestar.app
    async with litestar.lifespan():
        stalls: list[float] = []
        watch = asyncio.create_task(watch_loop(stalls))
        await asyncio.sleep(2)
        watch.cancel()
        report_progress(f"without requests: {max(stalls) * 1000:.0f} ms")
        return [await row(name, app, call) for call in calls()]


async def row(name: str, app: Any, call: Call) -> list[str]:
    # The first request of its kind compiles statements and fills caches.
    await request(app, call if call.first is None else call._replace(path=call.first))
    stalls: list[float] = []
    watch = asyncio.create_task(watch_loop(stalls))
    await asyncio.sleep(0.01)
    started = time.perf_counter()
    size = await request(app, call)
    took = time.perf_counter() - started
    await asyncio.sleep(0.01)
    watch.cancel()
    return [name, call.name, f"{size / 1000:,.0f}", f"{max(stalls) * 1000:.0f}", f"{took * 1000:.0f}"]


async def watch_loop(stalls: list[float]) -> None:
    while True:
        asked = time.perf_counter()
        await asyncio.sleep(0.001)
        stalls.append(time.perf_counter() - asked - 0.001)


async def request(app: Any, call: Call) -> int:
    """Make a request, and return the size of the response."""
    path, _, query = call.path.partition("?")
    role = Role.INSTRUCTOR if call.user_id == TUTOR else Role.PARTICIPANT
    caller = User(call.user_id, role, "Caller", None, None, token_version=1, is_disabled=False)
    token = Tokens(SECRET_KEY, system_clock, lifetime_seconds=3600).issue(caller)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": call.method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }
    body = b"" if call.body is None else json.dumps(call.body).encode()
    status, size = 0, 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status, size
        status = message.get("status", status)
        size += len(message.get("body", b""))

    await app(scope, receive, send)
    if status != 200:
        raise SystemExit(f"{call.name}: {status}")
    return size


async def fill_course(database: Database, course_id: int, unit_count: int, *, learners: int, now: Instant) -> None:
    """Insert a course, and learners who have progress in each of its units."""
    first = course_id * 10_000
    fields = ["id", "title", "kind", "seats_taken", "is_sequential", "is_published", "revision", "created_at", "updated_at"]
    course = (course_id, "Course", "course", learners, False, True, 1, now, now)
    await write(database, WriteRows(courses, fields), iter([course]))
    await write(database, WriteRows(course_staff, ["user_id", "course_id", "role"]), iter([(TUTOR, course_id, "owner")]))
    await write(
        database,
        WriteRows(modules, ["id", "course_id", "title", "position"]),
        ((first + i, course_id, f"Module {i}", i) for i in range(MODULES)),
    )
    await write(
        database,
        WriteRows(units, ["id", "course_id", "module_id", "title", "position", "is_required", "rule", "threshold"]),
        ((first + i, course_id, first + i % MODULES, f"Unit {i}", i, True, "scroll", 90.0) for i in range(unit_count)),
    )
    fields = ["user_id", "course_id", "id", "status", "percent", "study_ms", "metadata"]
    fields += ["enrolled_at", "last_activity_at", "created_at", "updated_at"]
    people = range(LEARNER, LEARNER + learners)
    status = EnrollmentStatus.IN_PROGRESS.value
    # One more, who has begun nothing.
    enrolled = [*people, LEARNER + 600]
    values = ((i, course_id, first + i, status, 5000 + i, 60_000, "{}", *[now] * 4) for i in enrolled)
    await write(database, WriteRows(enrollments, fields), values)
    bands = Counter(band_statistic(EnrollmentStatus.IN_PROGRESS, percent_band(5000 + i)) for i in enrolled)
    counts = {f"status:{status}": len(enrolled), **bands}
    await write(
        database,
        WriteRows(course_statistics, ["course_id", "name", "shard", "value"]),
        ((course_id, name, 0, count) for name, count in counts.items()),
    )
    await fill_progress(database, course_id, people, range(first, first + unit_count), now)


async def fill_progress(database: Database, course_id: int, people: range, unit_ids: range, now: Instant) -> None:
    fields = ["user_id", "course_id", "unit_id", "id", "status", "percent", "study_ms", "metadata"]
    fields += ["last_activity_at", "created_at", "updated_at"]

    def values() -> Iterator[tuple[Any, ...]]:
        number = course_id * 1_000_000
        for user_id in people:
            for unit_id in unit_ids:
                number += 1
                at = now + number % 997
                yield user_id, course_id, unit_id, number, "IN_PROGRESS", 9444, 60_000, EVIDENCE, at, at, at

    await write(database, WriteRows(unit_progress, fields), values())


if __name__ == "__main__":
    main()
