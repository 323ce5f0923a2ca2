"""`headway user` and `headway token`."""

from typing import Any

import click

from headway.app import system_clock
from headway.cli.session import command, database_option, load_settings, open_use_cases, print_json
from headway.domain.accounts import Role
from headway.http.tokens import Tokens, signing_key


@click.group()
def user() -> None:
    """Make accounts, disable and enable them."""


@user.command("create")
@click.option("--email", help="Address to sign in with.")
@click.option("--name", required=True)
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.PARTICIPANT.value, show_default=True)
@click.option("--external-id", help="Subject at the outside identity provider.")
@database_option
@command
async def create_user(email: str | None, name: str, role: str, external_id: str | None, **flags: Any) -> None:
    """Make an account and print it as JSON."""
    async with open_use_cases(load_settings(**flags)) as does:
        made = await does.accounts.create(role=Role(role), name=name, email=email, external_id=external_id)
    print_json({"id": made.id, "email": made.email, "name": made.name, "role": made.role, "external_id": made.external_id})


@user.command("disable")
@click.argument("user_id", metavar="ID", type=int)
@database_option
@command
async def disable_user(user_id: int, **flags: Any) -> None:
    """Disable an account; every token it has ends, at running servers within two seconds."""
    async with open_use_cases(load_settings(**flags)) as does:
        await does.accounts.set_disabled(user_id, is_disabled=True)
    print_json({"id": user_id, "disabled": True})


@user.command("enable")
@click.argument("user_id", metavar="ID", type=int)
@database_option
@command
async def enable_user(user_id: int, **flags: Any) -> None:
    """Enable an account again; it needs new tokens."""
    async with open_use_cases(load_settings(**flags)) as does:
        await does.accounts.set_disabled(user_id, is_disabled=False)
    print_json({"id": user_id, "disabled": False})


@click.group()
def token() -> None:
    """Make bearer tokens."""


@token.command("create")
@click.option("--user", "user_id", metavar="ID", type=int, required=True)
@click.option("--ttl-seconds", type=click.IntRange(min=1), help="Lifetime. [HEADWAY_ACCESS_TOKEN_SECONDS, 3600]")
@database_option
@command
async def create_token(user_id: int, ttl_seconds: int | None, **flags: Any) -> None:
    """Print a bearer token for an account."""
    settings = load_settings(**flags)
    tokens = Tokens(signing_key(settings), system_clock, lifetime_seconds=settings.access_token_seconds)
    async with open_use_cases(settings) as does:
        account = await does.accounts.find(user_id)
    if account.is_disabled:
        raise click.ClickException(f"User {user_id} is disabled.")
    click.echo(tokens.issue(account, lifetime_seconds=ttl_seconds))
