"""`headway export`: what is known of a course's learners, and events, as files for other tools."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from headway.cli.session import (
    command,
    database_option,
    load_settings,
    new_file,
    open_services,
    print_json,
    progress_bar,
    reader,
)
from headway.identity import OUTSIDE

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from headway.db.database import Database
    from headway.reports.export_files import ExportFile
    from headway.reports.export_model import ExportedCourse
    from headway.services import Services

_TABLES = ("learners", "units", "days", "grades")
_PARTS = ("units", "days", "grades")
_day = click.DateTime(["%Y-%m-%d"])


class _Exports(click.Group):
    """`headway export 5` is short for `headway export course 5`, also with an external id."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        is_course = bool(args) and (args[0].isdecimal() or args[0].startswith(OUTSIDE))
        return super().resolve_command(ctx, ["course", *args] if is_course else args)


@click.group(cls=_Exports)
def export() -> None:
    """Export a course's learners, or events.

    `headway export 5 learners.csv` is short for `headway export course 5 learners.csv`.
    """


@export.command("course")
@click.argument("course", metavar="COURSE")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--format", "form", type=click.Choice(["csv", "ndjson", "parquet"]), default="csv", show_default=True)
@click.option(
    "--table",
    type=click.Choice(_TABLES),
    help="Of CSV and Parquet: a row for each learner (the default), or one of the others.",
)
@click.option("--include", type=click.Choice(_PARTS), multiple=True, help="Of NDJSON: these parts alone. [all]")
@click.option("--time-zone", metavar="ZONE", help="The time zone of the days of study. [HEADWAY_DISPLAY_TIMEZONE]")
@database_option
@command
async def export_course(
    course: str, file: Path, form: str, table: str | None, include: tuple[str, ...], time_zone: str | None, **flags: Any
) -> None:
    """Write all learners of a course to FILE; `-` is standard output.

    COURSE is an id, or ext: and an external id.

    The same as GET /api/v1/courses/{id}/export. A file of that name is replaced when the new one is complete; only its owner
    may read it.
    """
    settings = load_settings(**flags)
    zone = _zone(time_zone or settings.display_timezone)
    if form == "ndjson" and table is not None:
        raise click.BadParameter("goes with csv and parquet", param_hint="--table")
    if form != "ndjson" and include:
        raise click.BadParameter("goes with ndjson", param_hint="--include")
    if form == "parquet" and str(file) == "-":
        raise click.BadParameter("must be a file for parquet", param_hint="FILE")
    async with open_services(settings) as services:
        course_id = await _find_course(services.database, course)
        with new_file(file) as out:
            if form == "parquet":
                await _write_parquet(services, course_id, table or "learners", zone, out)
            else:
                await _write_text(services, course_id, _maker(form, table or "learners", include), zone, out)
    if str(file) != "-":
        print_json({"file": str(file), "course_id": course_id, "format": form})


@export.command("events")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--since", type=_day, metavar="DATE", help="Events from this day on (UTC), such as 2026-01-31.")
@click.option("--until", type=_day, metavar="DATE", help="Events before this day (UTC).")
@click.option("--course", metavar="ID", help="Events of this course alone: an id, or ext: and an external id.")
@click.option(
    "--archives",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of the files of archived events, if they have moved.",
)
@database_option
@command
async def export_events(
    file: Path, since: datetime | None, until: datetime | None, course: str | None, folder: Path | None, **flags: Any
) -> None:
    """Write events to a Parquet file, archived ones too.

    Events are chosen by the time at which they occurred. Needs the extra `analytics`. The columns are those of archives. Prints
    how many events were written. It can run beside a server. The disclosure log tells of it.
    """
    from headway.disclosures.disclosing import disclose
    from headway.disclosures.model import NO_COURSE, RecordKind
    from headway.instants import END_OF_TIME, START_OF_TIME, from_datetime
    from headway.learning import event_export

    first = START_OF_TIME if since is None else from_datetime(since.replace(tzinfo=UTC))
    last = END_OF_TIME if until is None else from_datetime(until.replace(tzinfo=UTC))
    async with open_services(load_settings(**flags)) as services:
        course_id = None if course is None else await _find_course(services.database, course)
        async with services.database.read() as tx:
            disclose(tx, None, RecordKind.EXPORT, course_id=course_id or NO_COURSE)
        choice = event_export.EventChoice(first, last, course_id)
        with progress_bar("Events") as show:
            written = await event_export.export_events(
                services.database, choice, file, archives_folder=folder, advance=lambda count: show(count, None)
            )
    print_json({"file": str(file), "events": sum(written), "archived": written.archived})


async def _find_course(database: "Database", name: str) -> int:
    """Return the id of a course that is named by it, or by its external id. Raises NotFound COURSE_NOT_FOUND, BadParameter."""
    from headway.courses.service import Courses
    from headway.http.params import parse_id
    from headway.instants import system_clock

    courses = Courses(system_clock)
    async with database.read() as tx:
        if name.startswith(OUTSIDE):
            return (await courses.find(tx, await courses.find_id(tx, name.removeprefix(OUTSIDE)) or 0)).id
        if not name.isdecimal():
            raise click.BadParameter(f"{name} is neither an id nor ext: and an external id")
        return (await courses.find(tx, parse_id(name))).id


def _zone(name: str) -> "ZoneInfo":
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise click.BadParameter(f"{name} is not a time zone such as Europe/Berlin", param_hint="--time-zone") from error


def _maker(form: str, table: str, include: tuple[str, ...]) -> "Callable[[ExportedCourse], ExportFile]":
    from headway.reports.export_files import CsvFile, NdjsonFile
    from headway.reports.export_model import Part, TableName

    if form == "csv":
        return lambda course: CsvFile(TableName(table), course)
    return lambda course: NdjsonFile(course, frozenset(map(Part, include)) or frozenset(Part))


async def _write_text(
    services: "Services", course_id: int, make: "Callable[[ExportedCourse], ExportFile]", zone: "ZoneInfo", out: IO[bytes]
) -> None:
    async for part in services.exports.file(reader(services), None, course_id, make, zone):
        out.write(part)


async def _write_parquet(services: "Services", course_id: int, table: str, zone: "ZoneInfo", out: IO[bytes]) -> None:
    from headway.reports.export_model import TableName, table_of
    from headway.reports.export_parquet import ParquetTable

    read = reader(services)
    course = await read(lambda tx: services.exports.begin(tx, None, course_id))
    made = table_of(TableName(table), course)
    with ParquetTable(made, out) as written:
        async for learners in services.exports.learners(read, None, course, made.parts, zone, list):
            written.write(learners)
