"""`headway demo`."""

from typing import TYPE_CHECKING, Any

import click

from headway.cli import serve
from headway.cli.session import errors_in_one_line, load_settings, open_services, progress_bar
from headway.settings import Settings, SettingsError

if TYPE_CHECKING:
    from headway.http.authentication import Tokens
    from headway.importers.demo import DemoPeople

_TOKEN_SECONDS = 86_400


@click.command()
@serve.host_option
@serve.port_option
@click.option(
    "--database", "database_url", default="sqlite:///headway-demo.db", show_default=True, help="A SQLite file to create."
)
def demo(**flags: Any) -> None:
    """Load a real course run and serve it.

    Creates a new SQLite file, and prints the address and who may sign in.

    The learners are those of the Open University's course AAA in 2013, anonymised (OULAD, CC BY 4.0); the dates are shifted so
    that the run ends today.
    """
    import asyncio

    with errors_in_one_line():
        settings = load_settings(demo=True, **flags)
        if not settings.is_sqlite:
            raise SettingsError("The demo creates its own SQLite file: --database sqlite:///FILE")
        serve.check_address(settings)
        _remove_old(settings)
        asyncio.run(_prepare(settings))
        serve.run(settings)


def _remove_old(settings: Settings) -> None:
    """Remove the file of an earlier demo. Raises FileInUseError if a server runs on it."""
    from headway.db import sqlite

    path = settings.sqlite_path
    with sqlite.own(path):
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


async def _prepare(settings: Settings) -> None:
    from headway.db.keyring import signing_key
    from headway.http.authentication import Tokens
    from headway.importers.demo import DemoImport
    from headway.instants import system_clock

    async with open_services(settings) as services:
        task, done = DemoImport(services), 0
        with progress_bar("Importing") as show:

            def advance(rows: int) -> None:
                nonlocal done
                done += rows
                show(done, task.rows)

            people = await task.run(advance)
    _introduce(settings, people, Tokens(signing_key(settings), system_clock, lifetime_seconds=_TOKEN_SECONDS))


def _introduce(settings: Settings, people: "DemoPeople", tokens: "Tokens") -> None:
    from headway.web.reader import PASSWORD

    address = f"http://{settings.host}:{settings.port}"
    who = (("instructor", people.instructor), ("learner", people.learner), ("operator", people.admin))
    accounts = "".join(f"  {role:12}{user.email}\n" for role, user in who)
    course, run = people.course, people.run
    click.echo(
        f"\nOpen {address}/app\n\n"
        f"Sign in with the password {PASSWORD} as\n{accounts}\n"
        f"A real course run is loaded: {run.learners} learners and {run.events:,} events, with dates that end today.\n"
        f"The tracker at work: {address}/demo/reader\n\n"
        "Record an event with the learner's token:\n\n"
        f"curl -s {address}/api/courses/activity/track -H 'Content-Type: application/json' \\\n"
        f"  -H 'Authorization: Bearer {tokens.issue(people.learner)}' \\\n"
        f'  -d \'{{"activity_type": "unit_view", "course_id": {course.id}, "unit_id": {course.units[0].id}, '
        '"duration_seconds": 60}\'\n\n'
        f"The interface: {address}/docs\n"
    )
