"""`headway demo`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headway.cli import serve
from headway.cli.courses import load_course, load_oulad
from headway.cli.session import errors_in_one_line, load_settings, open_database
from headway.settings import Settings, SettingsError

if TYPE_CHECKING:
    from headway.accounts.model import User
    from headway.http.authentication import Tokens

_COURSE = 1
_TOKEN_SECONDS = 86_400


@click.command()
@serve.host_option
@serve.port_option
@click.option(
    "--database", "database_url", default="sqlite:///headway-demo.db", show_default=True, help="A SQLite file to create."
)
def demo(**flags: Any) -> None:
    """Load a real course run and serve it.

    Creates a new SQLite file and prints how to sign in, and the address of a page that shows the browser tracker at work.

    The learners are those of the Open University's course AAA in 2013, anonymised (OULAD, CC BY 4.0).
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
    from headway.accounts import store as users
    from headway.db.keyring import signing_key
    from headway.enrollments import store as enrollments
    from headway.http.authentication import Tokens
    from headway.importers import oulad
    from headway.instants import system_clock
    from headway.services import Services
    from headway.web import reader

    async with open_database(settings) as database:
        services = Services(settings, database)
        summary = await load_oulad(Path(oulad.__file__).parent / "data" / "oulad-aaa-2013j", services)
        async with database.read() as tx:
            learner = await users.find(tx, await enrollments.most_active(tx, _COURSE))
            instructor = await users.find_by_email(tx, oulad.OWNER_EMAIL)
        assert learner is not None and instructor is not None  # noqa: S101, PT018 - both were just imported
        password_hash = await services.sign_in.hash_new(reader.PASSWORD)
        async with database.write() as tx:
            await services.accounts.change(tx, learner.id, email=reader.LEARNER_EMAIL)
            for user in (learner, instructor):
                await services.sign_in.set_password(tx, user.id, password_hash)
            shown = await load_course(reader.COURSE_FILE, services, tx)
            await services.enrollments.enroll_as_operator(tx, learner.id, shown.id)
            learner, instructor = [await services.accounts.find(tx, user.id) for user in (learner, instructor)]
    tokens = Tokens(signing_key(settings), system_clock, lifetime_seconds=_TOKEN_SECONDS)
    _introduce(settings, tokens, learner, instructor, f"{summary.learners} learners and {summary.events} events")


def _introduce(settings: Settings, tokens: "Tokens", learner: "User", instructor: "User", what: str) -> None:
    from headway.web.reader import PASSWORD

    address = f"http://{settings.host}:{settings.port}"
    click.echo(f"\n{what} of a real course run are loaded. To sign in, and tokens for a day:\n")
    for role, user in (("learner", learner), ("instructor", instructor)):
        click.echo(f"{role} {user.id} ({user.name}): {user.email}, password {PASSWORD}\n{tokens.issue(user)}\n")
    click.echo(
        f"See the tracker at work: {address}/demo/reader\n\n"
        f"Try it:\n\ncurl -s {address}/api/courses/activity/track -H 'Content-Type: application/json' \\\n"
        f"  -H 'Authorization: Bearer {tokens.issue(learner)}' \\\n"
        f'  -d \'{{"activity_type": "unit_view", "course_id": {_COURSE}, "unit_id": 1, "duration_seconds": 60}}\'\n\n'
        f"The interface: {address}/docs\n"
    )
