"""`headway events`: archiving old events."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from headway.cli.session import command, database_option, load_settings, open_database, print_json, progress_bar


@click.group()
def events() -> None:
    """Archive old events."""


@events.command()
@click.option(
    "--before",
    required=True,
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="Archive what was received before this day (UTC), such as 2026-01-31.",
)
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder of the files.",
)
@click.option("--dry-run", is_flag=True, help="Only count the events.")
@database_option
@command
async def archive(before: datetime, folder: Path, dry_run: bool, **flags: Any) -> None:
    """Move old events from the database to Parquet files.

    Removes events only after their file was read back and compared with the database. What is kept of their ids still tells
    repetitions. Prints the archives; repeat the command to finish an interrupted run. It can run beside a server.
    """
    from headway.audit.service import AuditRecorder
    from headway.ids import uuid7
    from headway.instants import from_datetime, system_clock
    from headway.learning.archive import EventArchive
    from headway.learning.archive_files import manifest

    start = from_datetime(before.replace(tzinfo=UTC))
    async with open_database(load_settings(**flags)) as database:
        with progress_bar("Events") as advance:
            archiving = EventArchive(database, system_clock, uuid7, AuditRecorder(system_clock, uuid7), advance=advance)
            if dry_run:
                found = await archiving.count(start)
            else:
                completed = await archiving.run(start, folder)
    if dry_run:
        print_json({"events": found.events})
    else:
        print_json({"events": sum(each.events for each in completed), "archives": [manifest(each) for each in completed]})
