"""Shared by commands: settings from flags and environment, an open database, errors in one line.

Modules of commands import what a command needs when it runs: its help and shell completion answer at once.
"""

import functools
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ParamSpec

import click

from headway.errors import HeadwayError, Invalid, OperatorError
from headway.settings import Settings

if TYPE_CHECKING:
    from headway.db.database import Database, ReadTransaction
    from headway.reports.exports import Read
    from headway.services import Services

Parameters = ParamSpec("Parameters")

database_option = click.option(
    "--database", "database_url", metavar="URL", help="sqlite:///FILE or postgresql://… [HEADWAY_DATABASE_URL]"
)
user_option = click.option("--user", "user_id", metavar="ID", type=int, required=True)


def command(function: Callable[Parameters, Coroutine[Any, Any, None]]) -> Callable[Parameters, None]:
    """Turn a coroutine function into a command that prints expected errors in one line and exits with status 1."""

    @functools.wraps(function)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        import asyncio

        with errors_in_one_line():
            asyncio.run(function(*args, **kwargs))

    return run


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Turn errors that an operator can fix into one line on standard error and exit status 1."""
    try:
        yield
    except Invalid as error:
        raise click.ClickException("; ".join(f"{each.field} {each.message}" for each in error.fields)) from error
    except (HeadwayError, OperatorError) as error:
        # Drivers explain some errors in several lines.
        raise click.ClickException(" ".join(str(error).split())) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from error


def load_settings(**flags: Any) -> Settings:
    """Load settings and configure logging: commands log warnings and errors only."""
    from headway.telemetry import configure_logging

    settings = Settings.load(**flags)
    configure_logging("warning" if settings.log_level == "info" else settings.log_level)
    return settings


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator["Services"]:
    """Open a migrated database and yield the services on it."""
    from headway.services import Services

    async with open_database(settings) as database:
        services = Services(settings, database)
        try:
            yield services
        finally:
            await services.close()


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator["Database"]:
    """Migrate and open the database, and close it afterwards."""
    from headway import schema

    await schema.migrate(settings)
    database = schema.database(settings, for_commands=True)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@contextmanager
def new_file(file: Path) -> Iterator[IO[bytes]]:
    """Open a draft for its owner only, which gets the name of the file when it is complete; `-` is standard output."""
    if str(file) == "-":
        try:
            yield sys.stdout.buffer
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever reads it has seen enough, as `head` does. What Python flushes at its end has to go somewhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(128 + signal.SIGPIPE) from None
        return
    draft = file.with_name(f"{file.name}.partial")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
            yield opened
        draft.rename(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def reader(services: "Services") -> "Read":
    """Return what runs a function in a snapshot."""

    async def read(act: "Callable[[ReadTransaction], Awaitable[Any]]", /) -> Any:
        async with services.database.read() as tx:
            return await act(tx)

    return read


def print_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    import msgspec

    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a progress bar on standard error; yield the function that sets the number of finished items and of all, if known."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=None)
        yield lambda completed, total: progress.update(task, completed=completed, total=total)
