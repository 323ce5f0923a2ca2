"""`headway import openedx-tracking` and `headway import moodle-log`: what learners did on other platforms."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headway.cli.session import command, database_option, load_settings, open_services, print_json, progress_bar

if TYPE_CHECKING:
    from headway.importers.log_import import Reader
    from headway.importers.log_site import Site

_files = click.argument(
    "files", metavar="FILE…", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)


def _log_options(function: Callable[..., Any]) -> Callable[..., Any]:
    options = (
        click.option(
            "--source", metavar="TEXT", help="Name or address of the platform: accounts are looked for as TEXT:id first."
        ),
        click.option("--course", metavar="ID", help="External id of the course of all lines, or id:5 for its id here."),
        click.option("--create-users", is_flag=True, help="Make an account for each learner who has none; needs --source."),
        click.option("--enroll", is_flag=True, help="Enroll learners in the courses in which they have events."),
        click.option("--without-units", is_flag=True, help="Store events of content that is no unit here in the course alone."),
        click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing."),
        click.option("--json", "is_json", is_flag=True, help="Print the report as JSON."),
        database_option,
    )
    return functools.reduce(lambda decorated, option: option(decorated), reversed(options), function)


@click.command("openedx-tracking")
@_files
@_log_options
@command
async def import_openedx(files: Sequence[Path], source: str | None, course: str | None, **flags: Any) -> None:
    """Import tracking logs of Open edX.

    Each FILE has one event a line, as JSON; names that end with .gz are decompressed. Give the files in the order of time.

    Safe to repeat: a line is counted once, whatever file it is in. Prints what was stored, and what was not taken and why.
    """
    from headway.importers.log_files import OpenEdxReader

    site = _site(source, course, creates_users=flags["create_users"])
    await _import(OpenEdxReader(site), files, **flags)


@click.command("moodle-log")
@_files
@_log_options
@click.option("--timezone", "zone", metavar="NAME", default="UTC", show_default=True, help="Time zone of times without one.")
@click.option(
    "--dates", type=click.Choice(["day", "month"]), help="What comes first in dates such as 5/11/26.  [default: as found]"
)
@click.option("--encoding", metavar="NAME", help="Encoding of files that are not UTF-8.  [default: windows-1252]")
@command
async def import_moodle(
    files: Sequence[Path],
    source: str | None,
    course: str | None,
    zone: str,
    dates: str | None,
    encoding: str | None,
    **flags: Any,
) -> None:
    """Import logs of Moodle.

    Each FILE is the report "Logs" as CSV or JSON, or rows of the table logstore_standard_log, or statements of the plugin
    logstore_xapi, as an array or one a line; names that end with .gz are decompressed.

    Safe to repeat: a line is counted once, whatever file it is in. Prints what was stored, and what was not taken and why.
    """
    from headway.importers.date_texts import DateForm, DateOrder
    from headway.importers.log_files import MoodleReader

    site = _site(source, course, creates_users=flags["create_users"])
    form = DateForm(_zone(zone), None if dates is None else DateOrder(dates))
    await _import(MoodleReader(site, form, encoding), files, **flags)


async def _import(  # noqa: PLR0913 - options of the commands
    reader: "Reader",
    files: Sequence[Path],
    *,
    create_users: bool,
    enroll: bool,
    without_units: bool,
    dry_run: bool,
    is_json: bool,
    **flags: Any,
) -> None:
    from headway.importers.log_files import LogFile
    from headway.importers.log_import import ImportOptions, LogImport
    from headway.importers.log_report import render_text

    options = ImportOptions(dry_run, create_users, enroll, without_units)
    logs = [LogFile(path) for path in files]
    size, done = sum(log.size_bytes for log in logs), 0
    async with open_services(load_settings(**flags)) as services:
        with progress_bar("Reading" if dry_run else "Importing") as show:

            def advance(count: int) -> None:
                nonlocal done
                done += count
                show(done, size)

            report = await LogImport(services, reader, options).run(logs, advance)
    if is_json:
        print_json(report)
    else:
        for line in render_text(report):
            click.echo(line)


def _site(source: str | None, course: str | None, *, creates_users: bool) -> "Site":
    from headway.importers.log_site import Site

    if creates_users and not source:
        raise click.UsageError("--create-users needs --source: without it an account of another platform may have the same id.")
    return Site(source, course)


def _zone(name: str) -> Any:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise click.BadParameter(f"{name!r} is no time zone, such as Europe/Berlin", param_hint="--timezone") from None
