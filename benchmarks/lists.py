"""Measures the lists of the learner contract with few and with many rows, on PostgreSQL and on SQLite, in one process.

The first and the last page of each list are read through its service. A page with an unexpected number of rows ends the run
with an error.
"""

import argparse
import asyncio
import itertools
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import text

from databases import run_postgres
from headway import schema
from headway.accounts.tables import users
from headway.assessments.tables import submissions
from headway.courses.model import CourseSearch, NewCourse
from headway.courses.tables import assessments, course_staff, course_terms, courses
from headway.db.database import Database
from headway.db.dialects import WriteRows
from headway.db.keyring import Keyring
from headway.enrollments.status import EnrollmentStatus
from headway.enrollments.tables import enrollments
from headway.identity import Caller, Role
from headway.instants import Instant, system_clock
from headway.messaging.tables import conversations, messages
from headway.paging.service import Walk
from headway.services import Services
from headway.settings import Settings
from measure import open_workspace, report_progress
from report import add_options, describe_run, format_table, publish

PAGE = 100
TUTOR, LEARNER = 1, 2
COURSE, ASSESSMENT = 1, 1
AT_ONCE = 5_000


class Listing(NamedTuple):
    """A list to measure."""

    name: str
    read: Callable[[int], Awaitable[tuple[int, int]]]
    """Reads a page. Returns the number of its rows and of all rows."""


def main() -> None:
    options = parse_options()
    rows: list[list[str]] = []
    with open_workspace(options.directory) as workspace, run_postgres(workspace / "postgres") as postgres:
        run = describe_run(workspace, postgres.version)
        for size in (options.few, options.many):
            urls = {
                "PostgreSQL": postgres.create_database(f"lists_{size}").url,
                "SQLite": f"sqlite:///{workspace}/lists_{size}.db",
            }
            for name, url in urls.items():
                report_progress(f"{name}, {size:,} rows")
                rows += asyncio.run(measure(name, url, size, options.times))
    rows.sort(key=lambda row: (row[0], row[1], int(row[2].replace(",", ""))))
    table = format_table(["database", "list", "rows", "first page ms", "last page ms"], rows)
    publish(options, [f"{run} Pages of {PAGE} rows, median of {options.times} readings.", table])


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the time to read lists with few and with many rows.")
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=15)
    add_options(parser)
    options = parser.parse_args()
    if options.quick:
        options.many, options.times = 2_000, 2
    return options


async def measure(name: str, url: str, size: int, times: int) -> list[list[str]]:
    settings = Settings(database_url=url, secret_key="x" * 32)
    await schema.migrate(settings, is_owner=True)
    database = schema.database(settings)
    await database.open()
    await fill(database, size, message=Keyring.from_settings(settings).encrypt("Some text"))
    services = Services(settings, database, system_clock)
    rows = []
    for listing in listings(services):
        last = -(-size // PAGE)
        first_ms, last_ms = [await median_ms(listing, page, size, times) for page in (1, last)]
        rows.append([name, listing.name, f"{size:,}", f"{first_ms:.1f}", f"{last_ms:.1f}"])
    await database.close()
    return rows


def listings(services: Services) -> list[Listing]:
    tutor = Caller(TUTOR, Role.INSTRUCTOR)

    async def courses_(page: int) -> tuple[int, int]:
        async with services.database.read() as tx:
            found = await services.courses.search(tx, None, CourseSearch(), walk=Walk(PAGE, page))
        return len(found.courses), found.total

    async def courses_of_subject(page: int) -> tuple[int, int]:
        async with services.database.read() as tx:
            found = await services.courses.search(tx, None, CourseSearch(subject="Subject", q="course"), walk=Walk(PAGE, page))
        return len(found.courses), found.total

    async def learners(page: int) -> tuple[int, int]:
        async with services.database.read() as tx:
            found, total = await services.learning.list_enrollments(tx, tutor, COURSE, walk=Walk(PAGE, page))
        return len(found), total

    async def peers(page: int) -> tuple[int, int]:
        async with services.database.read() as tx:
            found, total = await services.messaging.list_peers(tx, LEARNER + 1, walk=Walk(PAGE, page))
        return len(found), total + 1

    async def messages_(page: int) -> tuple[int, int]:
        async with services.database.read() as tx:
            found, total = await services.messaging.list_messages(tx, LEARNER, peer_id=TUTOR, walk=Walk(PAGE, page))
        return len(found), total

    async def conversations_(page: int) -> tuple[int, int]:
        async with services.database.read() as tx:
            found = await services.messaging.list_conversations(tx, TUTOR, walk=Walk(PAGE, page))
        return len(found.conversations), found.total

    async def progress(page: int) -> tuple[int, int]:
        async with services.database.read() as tx:
            found, total = await services.learning.progress(tx, LEARNER, walk=Walk(PAGE, page))
        return len(found), total

    async def submissions_(page: int) -> tuple[int, int]:
        async with services.database.read() as tx:
            found, _ = await services.assessments.list_submissions(tx, tutor, ASSESSMENT, walk=Walk(PAGE, page))
        return len(found.submissions), found.total

    return [
        Listing("courses", courses_),
        Listing("courses by subject and text", courses_of_subject),
        Listing("a learner's courses with progress", progress),
        Listing("learners of a course", learners),
        Listing("peers", peers),
        Listing("messages of a conversation", messages_),
        Listing("conversations", conversations_),
        Listing("submissions of an assessment", submissions_),
    ]


async def median_ms(listing: Listing, page: int, size: int, times: int) -> float:
    times_ms = []
    for _ in range(times):
        started = time.perf_counter()
        rows, total = await listing.read(page)
        times_ms.append((time.perf_counter() - started) * 1000)
        if total != size or rows < PAGE - 1:
            raise SystemExit(f"{listing.name}: page {page} has {rows} of {total} rows")
    return statistics.median(times_ms)


async def fill(database: Database, size: int, *, message: str) -> None:
    """Insert `size` rows for each list: learners of a course, courses of a learner, messages and so on."""
    now = system_clock()
    await fill_courses(database, size, now)
    await fill_enrollments(database, size, now)
    await fill_messages(database, size, now, message)
    await analyze(database)


async def fill_courses(database: Database, size: int, now: Instant) -> None:
    """Insert users and courses, all of one tutor, and an assessment."""
    await write(
        database,
        WriteRows(users, ["id", "role", "name", "token_version", "is_disabled", "created_at", "updated_at"]),
        ((i, "INSTRUCTOR" if i == TUTOR else "PARTICIPANT", f"User {i}", 1, False, now, now) for i in range(1, size + 2)),
    )
    await write(
        database,
        WriteRows(
            courses,
            [
                *("id", "title", "description", "subject", "kind", "seats_taken", "is_sequential", "is_published"),
                *("revision", "created_at", "updated_at"),
            ],
        ),
        ((i, f"Course {i}", "Some text", "Subject", "course", 0, False, True, 1, now, now) for i in range(1, size + 1)),
    )
    await write(
        database,
        WriteRows(course_terms, ["term", "course_id"]),
        (
            (term, i)
            for i in range(1, size + 1)
            for term in NewCourse(f"Course {i}", description="Some text", subject="Subject").terms
        ),
    )
    await write(
        database,
        WriteRows(course_staff, ["user_id", "course_id", "role"]),
        ((TUTOR, i, "owner") for i in range(1, size + 1)),
    )
    await write(
        database,
        WriteRows(assessments, ["id", "course_id", "title", "max_grade", "position"]),
        iter([(ASSESSMENT, COURSE, "Task", 100.0, 0)]),
    )


async def fill_enrollments(database: Database, size: int, now: Instant) -> None:
    """Enroll every learner in one course and one learner in every course, and submit work for all of the one."""
    open_ = EnrollmentStatus.ENROLLED.value
    fields = ["user_id", "course_id", "id", "status", "percent", "study_ms", "metadata"]
    fields += ["enrolled_at", "created_at", "updated_at"]
    await write(
        database,
        WriteRows(enrollments, fields),
        ((i, COURSE, i, open_, 0, 0, "{}", now, now, now) for i in range(LEARNER, size + 2)),
    )
    await write(
        database,
        WriteRows(enrollments, fields),
        ((LEARNER, i, size + i, open_, 0, 0, "{}", now, now, now) for i in range(2, size + 1)),
    )
    await write(
        database,
        WriteRows(submissions, ["user_id", "id", "assessment_id", "submission_url", "submitted_at"]),
        ((i, message_id(i), ASSESSMENT, "https://github.com/a/b", now) for i in range(LEARNER, size + 2)),
    )


async def fill_messages(database: Database, size: int, now: Instant, message: str) -> None:
    """Exchange messages: one learner with the tutor at length, and every learner a word with the tutor."""
    message_columns = ["user_id", "peer_id", "id", "sender_id", "message", "is_read", "created_at"]
    await write(
        database,
        WriteRows(messages, message_columns),
        ((LEARNER, TUTOR, message_id(i), TUTOR, message, False, now) for i in range(size)),
    )
    await write(
        database,
        WriteRows(messages, message_columns),
        ((TUTOR, i, message_id(i), TUTOR, message, False, now) for i in range(LEARNER, size + 2)),
    )
    await write(
        database,
        WriteRows(conversations, ["user_id", "peer_id", "last_message_id", "last_message_at", "unread"]),
        ((TUTOR, i, message_id(i), now, 0) for i in range(LEARNER, size + 2)),
    )


def message_id(number: int) -> str:
    return f"{number:032x}"


async def write(database: Database, statement: WriteRows, rows: Iterator[tuple[Any, ...]]) -> None:
    while part := list(itertools.islice(rows, AT_ONCE)):
        async with database.write() as tx:
            await tx.write_rows((statement, part))


async def analyze(database: Database) -> None:
    """Update the database's statistics, as it does by itself in the background."""
    async with database.write() as tx:
        await tx.all(text("ANALYZE"))


if __name__ == "__main__":
    main()
