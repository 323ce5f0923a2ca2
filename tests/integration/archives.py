"""Quick ways to archive what a test has recorded, in pieces so small that there are many steps."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pyarrow.parquet
from sqlalchemy import select

from headway import schema
from headway.audit.service import AuditRecorder
from headway.ids import uuid7
from headway.instants import DAY
from headway.learning.archive import Advance, ArchiveSettings, EventArchive
from headway.learning.archive_store import Archive
from headway.learning.model import Event, Outcome, Report
from headway.learning.tables import learner_activity_logs
from headway.services import make_checks
from headway.settings import Settings
from headway.verify import Findings, Verify
from tests.processes import FORKS
from tests.world import NOON, FakeClock, World

LATER = NOON + 40 * DAY
SMALL = ArchiveSettings(events_at_once=3, events_per_file=5, events_per_transaction=2)
EVENTS = select(learner_activity_logs).order_by(learner_activity_logs.c.user_id, learner_activity_logs.c.event_id)


def archiving(world: World, advance: Advance = lambda _moved, _written: None) -> EventArchive:
    recorder = AuditRecorder(world.clock, uuid7)
    return EventArchive(world.database, world.clock, uuid7, recorder, settings=SMALL, advance=advance)


async def archive(world: World, folder: Path, *, before: int = LATER - DAY) -> list[Archive]:
    """Archive what was received before an instant, as of forty days later."""
    world.clock.now = LATER
    return await archiving(world).run(before, folder)


async def record(world: World, learner: int, *events: Event) -> list[Outcome]:
    report = Report(learner, world.clock(), events)
    (verdicts,) = await world.write(world.services.tracking.record, [report], world.clock())
    return [verdict.outcome for verdict in verdicts]


async def verify(world: World, folder: Path | None = None) -> Findings:
    return await Verify(world.database, make_checks(archives_folder=folder)).run()


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


def archived(folder: Path) -> list[tuple[Any, ...]]:
    """Read all files as another tool does, in the order of `EVENTS`."""
    found: list[tuple[Any, ...]] = []
    for file in files(folder):
        table = pyarrow.parquet.read_table(file)
        columns = [table.column(column.name) for column in learner_activity_logs.c]
        plain = [column.cast("int64") if str(column.type).startswith("timestamp") else column for column in columns]
        found += zip(*(column.to_pylist() for column in plain), strict=True)
    return sorted(found, key=lambda row: (row[0], row[1]))


def archive_until_killed(settings: Settings, folder: Path, step: int) -> bool:
    """Archive in another process, which kills itself after so many steps; return whether it came that far."""
    process = FORKS.Process(target=_archive_and_die, args=(settings, folder, step))
    process.start()
    process.join(30)
    assert process.exitcode in {0, -signal.SIGKILL}
    return process.exitcode != 0


def _archive_and_die(settings: Settings, folder: Path, step: int) -> None:
    steps = iter(range(step))

    def advance(_moved: int, _written: int) -> None:
        if next(steps, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    async def run() -> None:
        database, clock = schema.database(settings), FakeClock()
        clock.now = LATER
        await database.open()
        try:
            await archiving(World(database, settings, clock), advance).run(LATER - DAY, folder)
        finally:
            await database.close()

    asyncio.run(run())
