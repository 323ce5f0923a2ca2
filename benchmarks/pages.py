"""Measures the pages of staff and learners: first byte and size over HTTP, and paint and layout shifts in a Chromium.

A course has few learners or many, each with progress in each unit and study on days of the last weeks.
"""

import argparse
import asyncio
import functools
import gzip
import http.client
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from playwright.async_api import Response, async_playwright

import analytics
from databases import Database, SqliteDatabase, run_postgres
from headway.accounts.model import User
from headway.http.authentication import Tokens
from headway.identity import Role
from headway.instants import system_clock
from measure import open_workspace, report_progress
from report import TARGET_HEADINGS, Target, add_options, describe_run, format_table, format_target, publish
from servers import Server, ServerError, make_headway, run_server

# The browser is that of the tests.
sys.path.append(str(Path(__file__).parent.parent))
from tests.browser.chromium import find_chromium, start_chromium

LEARNER = analytics.UPDATING_LEARNER + 1
DAYS = 20
CHARTS = "/app/static/charts"
PAGES = {
    "overview": "/app/courses/{course}",
    "needs attention": "/app/courses/{course}/attention",
    "learners": "/app/courses/{course}/learners",
    "learners by name": "/app/courses/{course}/learners?sort=name",
    "learners found by name": "/app/courses/{course}/learners?q=999",
    "a step of the funnel": "/app/courses/{course}/funnel/1",
    "grid": "/app/courses/{course}/grid",
    "grid of 1,000 rows": "/app/courses/{course}/grid?rows=1000",
    "units": "/app/courses/{course}/units",
    "a unit": "/app/courses/{course}/units/{unit}",
    "assessments": "/app/courses/{course}/assessments",
    "live": "/app/courses/{course}/live",
    "course": "/app/courses/{course}/settings",
    "one learner": "/app/courses/{course}/learners/{learner}",
}
"""By name: the pages of a course for its staff, in which a page grows with the course or it does not."""
OWN_PAGES = {
    "my courses": "/app/learning",
    "my course": "/app/learning/{course}",
    "my unit": "/app/learning/{course}/units/{unit}",
    "my messages": "/app/messages",
    "my peers by name": "/app/messages?q=999",
    "my certificates": "/app/certificates",
    "catalogue": "/app/catalogue",
}
"""By name: the pages of one of the course's learners."""
FIRST_BYTE_OF_FEW = Target(at_most=200)
FIRST_BYTE_OF_MANY = Target(at_most=1_000)
PAINT, SHIFT, SIZE = Target(at_most=1_000), Target(at_most=0.02), Target(at_most=150)
_SEEN = """
new Promise((resolve) => {
  const seen = { paint: 0, shift: 0 };
  new PerformanceObserver((list) => list.getEntries().forEach((each) => { seen.paint = each.startTime; }))
    .observe({ type: "largest-contentful-paint", buffered: true });
  new PerformanceObserver((list) => list.getEntries().forEach((each) => { seen.shift += each.value; }))
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => resolve(seen), 300);
})
"""


class Reading(NamedTuple):
    """A page over HTTP: the time to its first byte, and the size as it is sent."""

    first_byte_ms: float
    page_bytes: int


class Sight(NamedTuple):
    """A page in a browser; `total_bytes` are those of all its files but the library for charts, compressed."""

    paint_ms: float
    shift: float
    total_bytes: int


def main() -> None:
    options = parse_options()
    read: dict[str, dict[str, list[Reading]]] = {}
    with open_workspace(options.directory) as workspace:
        with run_postgres(workspace / "postgres") as postgres:
            run = describe_run(workspace, postgres.version)
            for learners in (options.few, options.learners):
                name = f"PostgreSQL, {learners:,} learners"
                read[name], _ = measure(name, postgres.create_database(f"of_{learners}"), learners, options, workspace)
        for learners in (options.few, options.learners):
            name = f"SQLite, {learners:,} learners"
            database = SqliteDatabase(workspace / f"of_{learners}.db")
            read[name], sights = measure(name, database, learners, options, workspace)
            if learners == options.few:
                seen = sights
    run += (
        f" {options.units} units, each learner in each; medians of {options.repeats} readings, after one that is not counted."
    )
    publish(options, [run, format_readings(read), format_sights(seen), format_targets(read, seen, options)])


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the pages for the staff and the learners of a course.")
    parser.add_argument("--few", type=int, default=1_000, help="learners of the small course")
    parser.add_argument("--learners", type=int, default=100_000, help="learners of the large course")
    parser.add_argument("--units", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=7)
    add_options(parser)
    options = parser.parse_args()
    if options.quick:
        options.few, options.learners, options.repeats = 100, 2_000, 2
    return options


def measure(
    name: str, database: Database, learners: int, options: argparse.Namespace, workspace: Path
) -> tuple[dict[str, list[Reading]], dict[str, Sight]]:
    """Fill a course, and read its pages over HTTP; those of the small one in a browser too."""
    report_progress(f"{name}: filling")
    server = make_headway(database, learners=1, units=options.units)
    token = asyncio.run(analytics.prepare(server, learners))
    database.execute(*study())
    database.settle()
    database.checkpoint()
    readings: dict[str, list[Reading]] = {}
    sights: dict[str, Sight] = {}
    with run_server(server, workspace) as running:
        report_progress(f"{name}: reading")
        for paths, whose in ((PAGES, token), (OWN_PAGES, token_of_learner(server))):
            pages = {page: path.format(**ids(server)) for page, path in paths.items()}
            readings |= {page: list(read(running.port, path, whose, options.repeats)) for page, path in pages.items()}
            sights |= asyncio.run(see(running.port, pages, whose)) if learners == options.few else {}
    return readings, sights


def token_of_learner(server: Server) -> str:
    tokens = Tokens(server.environment["HEADWAY_SECRET_KEY"], system_clock, lifetime_seconds=86_400)
    return tokens.issue(User(LEARNER, Role.PARTICIPANT, f"Learner {LEARNER}", None, None, 1, is_disabled=False))


def ids(server: Server) -> dict[str, int]:
    course = server.workload.courses[0]
    return {"course": course.id, "unit": course.units[0].id, "learner": LEARNER}


def study() -> Iterator[str]:
    """Return the statements that give each learner half an hour of study on every third day of the last weeks."""
    today = int(time.time() // 86_400)
    spans = '{"0":[[32400000,34200000]]}'
    for number in range(DAYS):
        yield (
            "INSERT INTO study_days (user_id, course_id, day, spans) "
            f"SELECT user_id, course_id, {today} - 3 * {number} - user_id % 3, '{spans}' FROM enrollments"
        )


def read(port: int, path: str, token: str, repeats: int) -> Iterator[Reading]:
    """Read a page, once in advance. Raises ServerError if it is not shown."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for number in range(repeats + 1):
        begin = time.perf_counter()
        connection.request("GET", path, headers={"Cookie": f"headway-access={token}", "Accept-Encoding": "gzip"})
        response = connection.getresponse()
        first_byte_ms = (time.perf_counter() - begin) * 1000
        content = response.read()
        if response.status != 200:
            raise ServerError(f"status {response.status} for {path}: {content[:500]!r}")
        if number > 0:
            yield Reading(first_byte_ms, len(content))


async def see(port: int, pages: dict[str, str], token: str) -> dict[str, Sight]:
    """Open each page in a browser that has its files in the cache, as at a second visit."""
    url = f"http://127.0.0.1:{port}"
    seen = {}
    async with async_playwright() as playwright, start_chromium(playwright, find_chromium()) as browser:
        context = await browser.new_context(viewport={"width": 1280, "height": 800})
        await context.add_cookies([{"name": "headway-access", "value": token, "url": url}])
        page = await context.new_page()
        for name, path in pages.items():
            requested: set[str] = set()
            page.on("response", functools.partial(_note, requested))
            await page.goto(url + path)
            found: dict[str, Any] = await page.evaluate(_SEEN)
            files = [each for each in requested if CHARTS not in each and each.startswith(url)]
            total = sum([len(gzip.compress(await (await context.request.get(each)).body(), 6)) for each in files])
            seen[name] = Sight(found["paint"], found["shift"], total)
    return seen


def _note(requested: set[str], response: Response) -> None:
    requested.add(response.url)


def format_readings(read: dict[str, dict[str, list[Reading]]]) -> str:
    headings = ["first byte in ms (kB, gzip)", *read]
    return format_table(headings, [[name, *(_cell(each[name]) for each in read.values())] for name in {**PAGES, **OWN_PAGES}])


def _cell(readings: list[Reading]) -> str:
    return f"{median(each.first_byte_ms for each in readings):.0f} ({readings[-1].page_bytes / 1000:.0f})"


def format_sights(seen: dict[str, Sight]) -> str:
    headings = ["in Chromium", "largest contentful paint, ms", "layout shift", "kB with all files but charts, gzip"]
    rows = [
        [name, f"{each.paint_ms:.0f}", f"{each.shift:.3f}", f"{each.total_bytes / 1000:.0f}"] for name, each in seen.items()
    ]
    return format_table(headings, rows)


def format_targets(read: dict[str, dict[str, list[Reading]]], seen: dict[str, Sight], options: argparse.Namespace) -> str:
    def slowest(name: str) -> list[float]:
        pages = read[name].values()
        return max(([each.first_byte_ms for each in readings] for readings in pages), key=median)

    lines = []
    for name in read:
        target = FIRST_BYTE_OF_FEW if f" {options.few:,} " in name else FIRST_BYTE_OF_MANY
        lines.append(format_target(f"{name}: first byte of the slowest page, ms", slowest(name), target))
    figures: list[tuple[str, Callable[[Sight], float], Target]] = [
        ("largest contentful paint of the slowest page, ms", lambda each: each.paint_ms, PAINT),
        ("largest layout shift", lambda each: each.shift, SHIFT),
        ("largest page with its files but charts, kB", lambda each: each.total_bytes / 1000, SIZE),
    ]
    lines += [format_target(figure, [max(map(value, seen.values()))], target) for figure, value, target in figures]
    return format_table(TARGET_HEADINGS, lines)


if __name__ == "__main__":
    main()
