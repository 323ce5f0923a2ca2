"""`headway retention`: forgetting what is older than the rules allow."""

import sys
from typing import TYPE_CHECKING, Any

import click

from headway.cli.session import command, database_option, load_settings, open_services, print_json, progress_bar

if TYPE_CHECKING:
    from headway.privacy.retention import RuleReport


@click.group()
def retention() -> None:
    """Forget what is older than the rules allow."""


@retention.command()
@click.option("--dry-run", is_flag=True, help="Only count; nothing is removed.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one line of JSON.")
@database_option
@command
async def apply(dry_run: bool, as_json: bool, **flags: Any) -> None:
    """Remove what is older than the settings HEADWAY_RETENTION_…_DAYS allow.

    Prints how much there was of each kind, with the time of the oldest and of the newest. It can run beside a server. It can be
    stopped at any time; repeat it to go on.
    """
    async with open_services(load_settings(**flags)) as services:
        if dry_run:
            reports = await services.retention.look()
        else:
            with progress_bar("Retention") as show:
                reports = await services.retention.apply(show)
    if as_json:
        print_json({"rules": [_described(each, dry_run=dry_run) for each in reports]})
    else:
        for each in reports:
            sys.stdout.write(_line(each, dry_run=dry_run) + "\n")


def _described(report: "RuleReport", *, dry_run: bool) -> dict[str, Any]:
    from headway.instants import iso

    found = report.found
    times = {"before": report.before, "oldest": found.oldest, "newest": found.newest}
    removed = {} if dry_run else {"removed": report.removed}
    told = {name: None if at is None else iso(at) for name, at in times.items()}
    return {"kind": report.name, "days": report.days, "count": found.number, **told, **removed}


def _line(report: "RuleReport", *, dry_run: bool) -> str:
    from headway.instants import iso

    found = report.found
    if report.days is None:
        return f"{report.name}: kept for ever"
    range_text = "" if found.oldest is None or found.newest is None else f", from {iso(found.oldest)} to {iso(found.newest)}"
    number = f"{found.number} to remove" if dry_run else f"{report.removed} removed"
    return f"{report.name}: {number}, older than {report.days} days{range_text}"
