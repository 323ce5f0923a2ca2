"""`headway migrate`, `headway ready` and `headway verify`."""

from pathlib import Path
from typing import Any

import click

from headway.cli.serve import host_option, port_option
from headway.cli.session import command, database_option, load_settings, open_database, print_json, progress_bar


@click.command()
@click.option("--to", "revision", default="head", show_default=True, help="Schema version to move to, also an earlier one.")
@database_option
@command
async def migrate(revision: str, **flags: Any) -> None:
    """Migrate the database to this version's schema.

    `serve` migrates by itself.
    """
    from headway import schema

    await schema.migrate(load_settings(**flags), revision)
    print_json({"schema": schema.head() if revision == "head" else revision})


@click.command()
@host_option
@port_option
@command
async def ready(**flags: Any) -> None:
    """Ask a server on this machine whether it is ready.

    For the health checks of containers: exits with 1, and says why, while it is not. The settings are those of the server.
    """
    from headway.http.probe import find_fault

    fault = await find_fault(load_settings(**flags))
    if fault is not None:
        raise click.ClickException(fault)
    print_json({"status": "ok"})


@click.command()
@click.option("--explain", type=int, nargs=2, metavar="USER COURSE", help="Explain a learner's progress instead, by ids.")
@click.option(
    "--archives",
    "archives_folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where the files of archived events are, if not where they were written.",
)
@database_option
@command
async def verify(explain: tuple[int, int] | None, archives_folder: Path | None, **flags: Any) -> None:
    """Compare derived data with the events it follows from.

    Recomputes progress, study time, statistics, seats, unread counts and feed numbers from the stored rows.

    Prints the number of checked rows and every difference; the exit status is 1 if there is one. The command changes nothing
    and can run beside a server: it reads one snapshot of the database.
    """
    from headway.contracts.course_room.mapping import why
    from headway.instants import system_clock
    from headway.learning.reads import explain_progress
    from headway.services import make_checks
    from headway.verify import Verify

    async with open_database(load_settings(**flags)) as database:
        if explain is not None:
            async with database.read() as tx:
                print_json(why(await explain_progress(tx, *explain, now=system_clock())))
            return
        with progress_bar("Events") as advance:
            found = await Verify(database, make_checks(advance, archives_folder=archives_folder)).run()
            events = found.checked["learner_activity_logs"] + found.checked["archived_ids"]
            advance(events, events)
    print_json(found)
    if found.differences:
        raise click.exceptions.Exit(1)
