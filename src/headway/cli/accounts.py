"""`headway user` and `headway token`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headway.cli.session import (
    command,
    database_option,
    load_settings,
    new_file,
    open_services,
    print_json,
    reader,
    user_option,
)
from headway.identity import Role

if TYPE_CHECKING:
    from headway.accounts.model import User

_user_argument = click.argument("user_id", metavar="ID", type=int)
_password_option = click.option("--password-stdin", is_flag=True, help="Read a password from standard input.")


@click.group()
def user() -> None:
    """Create, change, disable, enable and erase accounts."""


@user.command("create")
@click.option("--email", help="Address to sign in with.")
@click.option("--name", required=True)
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.PARTICIPANT.value, show_default=True)
@click.option("--external-id", help="Subject at the outside identity provider.")
@_password_option
@database_option
@command
async def create_user(
    email: str | None, name: str, role: str, external_id: str | None, password_stdin: bool, **flags: Any
) -> None:
    """Create an account and print it as JSON."""
    from headway.accounts.model import NewUser

    if password_stdin and email is None:
        raise click.UsageError("A password needs an address to sign in with: --email")
    password = _read_password() if password_stdin else None
    async with open_services(load_settings(**flags)) as services:
        password_hash = None if password is None else await services.sign_in.hash_new(password)
        async with services.database.write() as tx:
            created = await services.accounts.add_as_operator(tx, NewUser(Role(role), name, email, external_id, password_hash))
    _print_user(created)


@user.command("change")
@_user_argument
@click.option("--email", help="Address to sign in with.")
@click.option("--name")
@click.option("--role", type=click.Choice([role.value for role in Role]), help="Another role ends the account's tokens.")
@click.option("--external-id", help="Subject at the outside identity provider, or id in another system.")
@_password_option
@database_option
@command
async def change_user(
    user_id: int,
    email: str | None,
    name: str | None,
    role: str | None,
    external_id: str | None,
    password_stdin: bool,
    **flags: Any,
) -> None:
    """Change fields of an account.

    Prints the account as JSON. A new password ends its tokens.
    """
    password = _read_password() if password_stdin else None
    async with open_services(load_settings(**flags)) as services:
        password_hash = None if password is None else await services.sign_in.hash_new(password)
        async with services.database.write() as tx:
            new_role = None if role is None else Role(role)
            changed = await services.accounts.change(tx, user_id, role=new_role, name=name, email=email)
            if external_id is not None:
                changed = await services.accounts.set_external_id(tx, user_id, external_id)
            if password_hash is not None:
                await services.sign_in.set_password(tx, user_id, password_hash)
    _print_user(changed)


@user.command("disable")
@_user_argument
@database_option
@command
async def disable_user(user_id: int, **flags: Any) -> None:
    """Disable an account and end its tokens.

    Running servers notice within two seconds.
    """
    async with open_services(load_settings(**flags)) as services, services.database.write() as tx:
        await services.accounts.set_disabled(tx, user_id, is_disabled=True)
    print_json({"id": user_id, "disabled": True})


@user.command("enable")
@_user_argument
@database_option
@command
async def enable_user(user_id: int, **flags: Any) -> None:
    """Enable a disabled account. It needs new tokens."""
    async with open_services(load_settings(**flags)) as services, services.database.write() as tx:
        await services.accounts.set_disabled(tx, user_id, is_disabled=False)
    print_json({"id": user_id, "disabled": False})


@user.command("export")
@_user_argument
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), required=False)
@click.option(
    "--archives",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of the files of archived events, if they have moved.",
)
@click.option("--language", metavar="TAG", default="en", show_default=True, help="Language of the readable page, such as de.")
@database_option
@command
async def export_user(user_id: int, file: Path | None, folder: Path | None, language: str, **flags: Any) -> None:
    """Write everything that is known of a person to a zip archive.

    FILE is headway-data-ID-DATE.zip unless it is given; `-` is standard output. The same as GET /api/v1/users/{id}/export, with
    the notes of staff. A file of that name is replaced when the new one is complete; only its owner may read it.
    """
    from headway.privacy.export import file_name
    from headway.privacy.export_sections import sections
    from headway.web.assets import Assets
    from headway.web.export_page import ReadableExports
    from headway.web.rendering import Pages
    from headway.web.texts import Catalogues

    settings = load_settings(**flags)
    async with open_services(settings) as services:
        exports = services.personal_exports
        pages = ReadableExports(Pages(Catalogues(settings.display_timezone), Assets(), services.clock))
        target = file or Path(file_name(user_id, exports.now()))
        render = pages.for_languages(language)
        with new_file(target) as out:
            async for part in exports.file(reader(services), None, user_id, render, sections=sections(folder)):
                out.write(part)
    if str(target) != "-":
        print_json({"file": str(target), "user_id": user_id})


@user.command("password-link")
@_user_argument
@click.option("--mail", is_flag=True, help="Mail the link instead of printing it.")
@database_option
@command
async def make_password_link(user_id: int, mail: bool, **flags: Any) -> None:
    """Make a link with which the owner of an account chooses a password.

    It works once, within seven days; an older link ends.
    """
    from headway.instants import iso

    settings = load_settings(**flags)
    async with open_services(settings) as services, services.database.write() as tx:
        if mail:
            await services.recovery.invite(tx, user_id)
            printed: dict[str, Any] = {"id": user_id, "mailed": True}
        else:
            link = await services.recovery.make_link(tx, user_id)
            printed = {"id": user_id, "url": f"{settings.site_url}{link.path}", "expiresAt": iso(link.expires_at)}
    print_json(printed)


@click.group()
def token() -> None:
    """Create bearer tokens."""


@token.command("create")
@user_option
@click.option("--ttl-seconds", type=click.IntRange(min=1), help="Lifetime. [HEADWAY_ACCESS_TOKEN_SECONDS, 3600]")
@database_option
@command
async def create_token(user_id: int, ttl_seconds: int | None, **flags: Any) -> None:
    """Print a bearer token for an account."""
    from headway.audit.model import Action

    async with open_services(load_settings(**flags)) as services:
        async with services.database.write() as tx:
            account = await services.accounts.find(tx, user_id)
            if account.is_disabled:
                raise click.ClickException(f"User {user_id} is disabled.")
            lifetime = {"ttlSeconds": services.tokens.lifetime_seconds if ttl_seconds is None else ttl_seconds}
            await services.audit.record_as_operator(tx, Action.CREATE_TOKEN, account.target, metadata=lifetime)
        click.echo(services.tokens.issue(account, lifetime_seconds=ttl_seconds))


def _read_password() -> str:
    return sys.stdin.readline().rstrip("\r\n")


def _print_user(user: "User") -> None:
    print_json({"id": user.id, "email": user.email, "name": user.name, "role": user.role, "external_id": user.external_id})
