"""`headway import`."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from headway.app import Services, system_clock
from headway.cli.session import command, database_option, load_settings, open_services, print_json
from headway.importers import oulad


@click.group("import")
def import_() -> None:
    """Bring in data from elsewhere."""


@import_.command("oulad")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@database_option
@command
async def import_oulad(folder: Path, **flags: Any) -> None:
    """Bring in course runs of the Open University.

    Reads the CSV files of the Open University Learning Analytics Dataset in DIR.

    Safe to repeat: what is there already stays as it is. Prints how much there is and how much of it is new.
    """
    async with open_services(load_settings(**flags)) as services:
        print_json(await load_oulad(folder, services))


async def load_oulad(folder: Path, services: Services) -> oulad.Summary:
    """Import a folder with a progress bar on standard error."""
    ways = oulad.Services(
        services.accounts,
        services.courses,
        services.course_editing,
        services.enrollments,
        services.tracking,
        services.assessments,
    )
    task = oulad.OuladImport(folder, ways, system_clock)
    columns = (TextColumn("Importing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("Importing", total=task.rows)
        return await task.run(lambda rows: progress.advance(bar, rows))
