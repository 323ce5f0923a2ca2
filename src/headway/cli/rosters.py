"""`headway import roster`: who learns and teaches what, as another system says."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headway.cli.session import command, database_option, load_settings, open_services, print_json, progress_bar

if TYPE_CHECKING:
    from headway.rosters.model import Change, Report
    from headway.services import Services

_SIGNS = {"created": "+", "changed": "~", "dropped": "-"}
_KINDS = {"user": "users", "course": "courses", "enrollment": "enrollments", "staff": "staff", "invitation": "invitations"}


@click.command("roster")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--source", metavar="NAME", help="The system that the roster is from. [the manifest's, or csv]")
@click.option(
    "--mode", type=click.Choice(["bulk", "delta"]), help="Whether whoever is missing has left. [the manifest's, or delta]"
)
@click.option("--course", metavar="NAME", help="The course of the rows of a CSV file that name none.")
@click.option("--owner", metavar="EMAIL", help="Owns new courses that have no teacher.")
@click.option("--encoding", metavar="NAME", help="Of a CSV file that is neither UTF-8 nor Windows-1252.")
@click.option("--allow-drops", is_flag=True, help="Let more than half of the people leave their courses.")
@click.option("--dry-run", is_flag=True, help="Tell what would change, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as JSON.")
@database_option
@command
async def import_roster(file: Path, *, owner: str | None, dry_run: bool, as_json: bool, **flags: Any) -> None:
    """Import who learns and teaches what.

    FILE is a zip or folder of OneRoster 1.1 or 1.2 files, or a CSV file with the columns email, name, course and role.

    Safe to repeat: what is as the roster says stays unchanged. Prints what was created, changed and dropped, and what was not
    taken and why.
    """
    from headway.rosters.model import Mode, Options
    from headway.rosters.reading import Reading, open_path

    mode, allows_drops = flags.pop("mode"), flags.pop("allow_drops")
    texts = {name: flags.pop(name) for name in ("source", "course", "encoding")}
    reading = Reading(mode=None if mode is None else Mode(mode), **texts)
    async with open_services(load_settings(**flags)) as services:
        roster = open_path(file, reading, services.clock)
        options = Options(is_dry_run=dry_run, owner_id=await _owner_id(services, owner), allows_drops=allows_drops)
        done = 0
        with progress_bar("Comparing" if dry_run else "Importing") as show:

            def advance(rows: int) -> None:
                nonlocal done
                done += rows
                show(done, roster.overview.rows)

            report = await services.rosters.run(roster, options, advance)
    if as_json:
        from headway.contracts.learner import import_mapping

        print_json(import_mapping.report(report))
    else:
        _print(report, is_complete=dry_run)


async def _owner_id(services: "Services", email: str | None) -> int | None:
    if email is None:
        return None
    async with services.database.read() as tx:
        return (await services.accounts.find_by_email(tx, email)).id


def _print(report: "Report", *, is_complete: bool) -> None:
    """Print a summary; with `is_complete` the changes too."""
    if is_complete:
        for change in report.changes:
            click.echo(_line(change))
        click.echo("Dry run: nothing is changed.")
    for kind, counts in report.counts.items():
        click.echo(f"{_KINDS[kind]}: {', '.join(f'{count} {did}' for did, count in counts.items())}")
    if not report.has_changes:
        click.echo("Nothing would change." if report.is_dry_run else "Nothing has changed.")
    for what, count in report.left_out.items():
        click.echo(f"left out: {count} {what}")
    if report.not_taken_count:
        click.echo(f"not taken: {report.not_taken_count}")
    for fault in report.not_taken:
        click.echo(f"  {fault.file}, line {fault.line}: {fault.reason}" if fault.line else f"  {fault.file}: {fault.reason}")


def _line(change: "Change") -> str:
    """Return a change as a line of a diff."""
    text = f"{_SIGNS[change.did.value]} {change.kind} {change.name}"
    if change.course is not None:
        text += f" in {change.course}"
    fields = "; ".join(f"{name}: {old or 'none'} -> {new or 'none'}" for name, (old, new) in change.fields.items())
    return f"{text} ({fields})" if fields else text
