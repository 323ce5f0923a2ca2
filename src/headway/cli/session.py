"""What commands share: settings from flags and environment, an open database, and failures as one line."""

import asyncio
import functools
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, ParamSpec

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from headway import schema
from headway.db.database import Database
from headway.db.keyring import WrongKeyError
from headway.db.sqlite import FileInUseError
from headway.errors import HeadwayError, Invalid
from headway.services import Services, make_services
from headway.settings import Settings, SettingsError
from headway.telemetry import configure_logging

Parameters = ParamSpec("Parameters")

database_option = click.option(
    "--database", "database_url", metavar="URL", help="sqlite:///FILE or postgresql://… [HEADWAY_DATABASE_URL]"
)


def command(function: Callable[Parameters, Coroutine[Any, Any, None]]) -> Callable[Parameters, None]:
    """Make a coroutine a command whose expected failures are told in one line, with exit status 1."""

    @functools.wraps(function)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        with failures_in_one_line():
            asyncio.run(function(*args, **kwargs))

    return run


class failures_in_one_line:  # noqa: N801 - reads as a phrase in a with statement
    """Turn what an operator can mend into one line on standard error and exit status 1."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Invalid):
            told = "; ".join(f"{each.field} {each.message}" for each in error.fields)
            raise click.ClickException(told) from error
        if isinstance(error, HeadwayError | SettingsError | FileInUseError | WrongKeyError | schema.UnknownVersionError):
            raise click.ClickException(str(error)) from error


def load_settings(**flags: Any) -> Settings:
    """Read settings and set up logging; for commands, only what is wrong is logged."""
    settings = Settings.load(**flags)
    configure_logging("warning" if settings.log_level == "info" else settings.log_level)
    return settings


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Give the use cases on a migrated, open database."""
    async with open_database(settings) as database:
        yield make_services(settings, database)


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """Migrate and open the database."""
    await schema.migrate(settings)
    database = schema.database(settings)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def print_json(value: Any) -> None:
    """Print a value on one line for a script to read."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def progress_of(what: str) -> Progress:
    """Make a progress bar on standard error: how many of all are done, and how long it still takes."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))
