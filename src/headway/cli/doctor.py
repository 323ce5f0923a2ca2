"""`headway doctor`."""

import os
from typing import TYPE_CHECKING, Any

import click

from headway.cli.session import command, database_option, print_json

if TYPE_CHECKING:
    from headway.health.findings import Report

_SIGNS = {"ok": "ok      ", "warning": "warning ", "problem": "PROBLEM "}
_COLORS = {"ok": "green", "warning": "yellow", "problem": "red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print all findings as JSON.")
@click.option("--quiet", is_flag=True, help="Leave out what is fine.")
@database_option
@command
async def doctor(as_json: bool, quiet: bool, **flags: Any) -> None:
    """Look for what is wrong with an installation.

    Looks at settings, keys, disks, the clock, the database, its data, backups, the certificate and other services, beside a
    server or without one, and changes nothing. Run it with the settings and the account of the server.

    The exit status is 1 if there is a problem.
    """
    from headway.doctor.service import examine_installation
    from headway.health.findings import Level
    from headway.instants import system_clock
    from headway.telemetry import configure_logging

    configure_logging("error")
    report = await examine_installation(os.environ, flags, system_clock)
    if as_json:
        print_json(report)
    else:
        _print(report, quiet=quiet)
    if report.count(Level.PROBLEM):
        raise click.exceptions.Exit(1)


def _print(report: "Report", *, quiet: bool) -> None:
    from headway.health.findings import Level

    area = None
    for each in report.findings:
        if quiet and each.level is Level.OK:
            continue
        if each.area != area:
            area = each.area
            click.echo(click.style(area, bold=True))
        sign = click.style(_SIGNS[each.level], fg=_COLORS[each.level])
        click.echo(f"  {sign} {each.check}: {each.found}")
        if each.remedy is not None:
            click.echo(f"           {each.why}\n           To do: {each.remedy}")
    problems, warnings = report.count(Level.PROBLEM), report.count(Level.WARNING)
    click.echo(f"Problems: {problems}, warnings: {warnings}, fine: {report.count(Level.OK)}.")
