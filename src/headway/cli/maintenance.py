"""Commands that keep a database in order."""

from typing import Any

import click

from headway.cli.session import command, database_option, load_settings, print_json
from headway.storage import schema


@click.command()
@click.option("--to", "revision", default="head", show_default=True, help="Schema version to move to, also an earlier one.")
@database_option
@command
async def migrate(revision: str, **flags: Any) -> None:
    """Bring the database to this version's schema; `serve` does it by itself."""
    await schema.migrate(load_settings(**flags), revision)
    print_json({"schema": schema.head() if revision == "head" else revision})
