"""Commands that keep a database in order."""

from typing import Any

import click

from headway import schema
from headway.cli.session import command, database_option, load_settings, open_database, print_json, progress_of
from headway.learning.verify import Verification


@click.command()
@click.option("--to", "revision", default="head", show_default=True, help="Schema version to move to, also an earlier one.")
@database_option
@command
async def migrate(revision: str, **flags: Any) -> None:
    """Bring the database to this version's schema.

    `serve` does it by itself.
    """
    await schema.migrate(load_settings(**flags), revision)
    print_json({"schema": schema.head() if revision == "head" else revision})


@click.command()
@database_option
@command
async def verify(**flags: Any) -> None:
    """Compare what is derived with what it follows from.

    Computes everything anew from the stored rows.

    Prints how many rows were checked and every difference; the exit status is 1 if there is any. It changes nothing and may
    run beside a server: it sees one moment of the database.
    """
    async with open_database(load_settings(**flags)) as database:
        with progress_of("Events") as progress:
            task = progress.add_task("events", total=None)
            found = await Verification(database).run(
                lambda checked, of_all: progress.update(task, completed=checked, total=of_all)
            )
            progress.update(task, total=found.checked.learner_activity_logs)
    print_json(found)
    if found.differences:
        raise click.exceptions.Exit(1)
