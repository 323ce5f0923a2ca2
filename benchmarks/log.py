"""Measures the audit log: appending from one and from several processes, verifying the hash chain, and reading pages.

The run ends with an error if an acknowledged entry is missing or changed.
"""

import argparse
import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable

from databases import run_postgres
from headway import schema
from headway.accounts.naming import find_user
from headway.audit.model import Context, EntryDraft, EntryFilter, Target, TargetType
from headway.audit.service import AuditLog
from headway.audit.verify import LogVerified, verify_log
from headway.db.database import Database
from headway.identity import Caller, Client, Role
from headway.ids import uuid7
from headway.instants import system_clock
from headway.paging.model import After
from headway.paging.service import Walk
from headway.services import Services
from headway.settings import Settings
from headway.telemetry import Metrics
from measure import open_workspace, report_progress
from report import add_options, describe_run, format_table, publish

CLIENT = Client(
    "192.0.2.1", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36"
)
ENTRY = EntryDraft(
    "DOWNLOAD_FILE",
    None,
    Target(TargetType.FILE, "68ba5cdc809c41ef914ad23d", "File", "Course Material.pdf"),
    Context("Downloaded course material", "WEB_APP"),
    {"fileSize": "2.5MB", "downloadTime": "3.2s"},
)


def main() -> None:
    options = parse_options()
    appends: list[list[str]] = []
    reads: list[list[str]] = []
    with open_workspace(options.directory) as workspace, run_postgres(workspace / "postgres") as postgres:
        run = describe_run(workspace, postgres.version)
        urls = {"SQLite": f"sqlite:///{workspace}/log.db", "PostgreSQL": postgres.create_database("log").url}
        for name, url in urls.items():
            asyncio.run(schema.migrate(settings_of(url), is_owner=True))
            asyncio.run(make_caller(url))
            for processes in (1,) if name == "SQLite" else (1, 2, 4):
                for clients in (1, 64):
                    report_progress(f"{name}: {processes} processes, {clients} clients each")
                    rate, cpu_ms = append(url, processes, clients, options.seconds)
                    appends.append([name, str(processes), str(clients), f"{rate:,.0f}", f"{cpu_ms:.2f}"])
            report_progress(f"{name}: {options.entries:,} entries")
            reads.append([name, *asyncio.run(read(url, options.entries))])
    rates = format_table(["database", "processes", "clients each", "entries/s", "CPU of the processes per entry, ms"], appends)
    pages = ["database", "entries", "verify s", "newest page ms", "one's own page ms", "page by action ms"]
    publish(options, [f"{run} {options.seconds:g} seconds each.", rates, format_table(pages, reads)])


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure appending to the audit log, verifying and reading it.")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--entries", type=int, default=100_000)
    add_options(parser)
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.entries = 0.5, 1_000
    return options


def settings_of(url: str) -> Settings:
    return Settings(database_url=url, secret_key="x" * 32)


def open_log(url: str) -> tuple[Database, AuditLog]:
    database = schema.database(settings_of(url))
    return database, AuditLog(database, system_clock, uuid7, Metrics(), find_user=find_user)


async def make_caller(url: str) -> None:
    database = schema.database(settings_of(url))
    await database.open()
    accounts = Services(settings_of(url), database, system_clock).accounts
    async with database.write() as tx:
        await accounts.create(tx, role=Role.PARTICIPANT, name="Ada Lovelace", email="ada@example.org")
    await database.close()


def append(url: str, processes: int, clients: int, seconds: float) -> tuple[float, float]:
    """Append without pauses. Return the entries a second of all processes, and their CPU time an entry in milliseconds."""
    before = asyncio.run(count(url))
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        results = pool.starmap(append_in_process, [(url, clients, seconds)] * processes)
    entries = sum(appended for appended, _ in results)
    stored = asyncio.run(count(url)) - before
    if stored != entries:
        raise SystemExit(f"{entries} entries were acknowledged, {stored} are stored.")
    return entries / seconds, 1000 * sum(cpu for _, cpu in results) / entries


def append_in_process(url: str, clients: int, seconds: float) -> tuple[int, float]:
    return asyncio.run(append_for(url, clients, seconds))


async def append_for(url: str, clients: int, seconds: float) -> tuple[int, float]:
    database, log = open_log(url)
    await database.open()
    caller = Caller(1, Role.PARTICIPANT)
    await log.record(caller, ENTRY, CLIENT)
    appended, cpu, deadline = 1, time.process_time(), time.monotonic() + seconds

    async def client() -> int:
        count = 0
        while time.monotonic() < deadline:
            await log.record(caller, ENTRY, CLIENT)
            count += 1
        return count

    appended += sum(await asyncio.gather(*(client() for _ in range(clients))))
    cpu = time.process_time() - cpu
    await log.close()
    await database.close()
    return appended, cpu


async def verify(database: Database) -> LogVerified:
    async with database.read() as tx:
        return await verify_log(tx, kept_head=None)


async def count(url: str) -> int:
    database = schema.database(settings_of(url))
    await database.open()
    result = await verify(database)
    await database.close()
    if result.faults:
        raise SystemExit(f"The log was changed: {result.faults[0]}")
    return result.checked


async def read(url: str, entries: int) -> list[str]:
    """Fill the log up to a number of entries. Return the cells of their number and of the times to verify and to read."""
    database, log = open_log(url)
    await database.open()
    caller, admin = Caller(1, Role.PARTICIPANT), Caller(1, Role.ADMIN)
    missing = entries - (await verify(database)).checked
    for _ in range(max(0, -(-missing // 500))):
        await asyncio.gather(*(log.record(caller, ENTRY, CLIENT) for _ in range(500)))
    started = time.perf_counter()
    result = await verify(database)
    seconds = time.perf_counter() - started
    if result.faults or result.checked < entries:
        raise SystemExit(f"{result.checked} entries, with faults: {result.faults[:1]}")

    async def page(reader: Caller, entry_filter: EntryFilter, before: int | None) -> None:
        async with database.read() as tx:
            place = None if before is None else After(2, before)
            await log.read(tx, reader, entry_filter, Walk(100, 1, place))

    pages = [
        await median_ms(lambda: page(admin, EntryFilter(), None)),
        await median_ms(lambda: page(caller, EntryFilter(), entries // 2)),
        await median_ms(lambda: page(admin, EntryFilter(action="DOWNLOAD_FILE"), entries // 2)),
    ]
    await log.close()
    await database.close()
    return [f"{result.checked:,}", f"{seconds:.1f}", *(f"{each:.1f}" for each in pages)]


async def median_ms(action: Callable[[], Awaitable[object]]) -> float:
    times = []
    for _ in range(15):
        started = time.perf_counter()
        await action()
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times)


if __name__ == "__main__":
    main()
