"""`headway key`: the API keys of service accounts."""

from typing import Any

import click

from headway.cli.session import command, database_option, load_settings, open_services, print_json
from headway.identity import Scope

_ALL = 2**31 - 1


@click.group("key")
def key() -> None:
    """Create, list and revoke API keys of service accounts."""


@key.command("create")
@click.option("--name", required=True, help="What the key is for, as lists show it.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in Scope]),
    multiple=True,
    required=True,
    help="What the key allows; may be repeated.",
)
@click.option("--user", "user_id", metavar="ID", type=int, help="The service account; without it a new one is created.")
@database_option
@command
async def create_key(name: str, scopes: tuple[str, ...], user_id: int | None, **flags: Any) -> None:
    """Create an API key.

    Prints it as JSON. Its text is shown this once: only a hash of it is stored.
    """
    from headway.contracts.learner import key_mapping

    async with open_services(load_settings(**flags)) as services, services.database.write() as tx:
        made, text = await services.api_keys.create(tx, name, [Scope(each) for each in scopes], user_id=user_id)
    print_json(key_mapping.new_key(made, text))


@key.command("list")
@database_option
@command
async def list_keys(**flags: Any) -> None:
    """Print the API keys, the newest first, revoked ones too."""
    from headway.contracts.learner import key_mapping
    from headway.paging.service import Walk

    async with open_services(load_settings(**flags)) as services, services.database.read() as tx:
        found, _ = await services.api_keys.list_keys(tx, Walk(_ALL, 1))
    print_json([key_mapping.listed_key(each) for each in found])


@key.command("revoke")
@click.argument("key_id", metavar="ID", type=int)
@database_option
@command
async def revoke_key(key_id: int, **flags: Any) -> None:
    """Revoke an API key for ever.

    Running servers notice within two seconds.
    """
    async with open_services(load_settings(**flags)) as services, services.database.write() as tx:
        await services.api_keys.revoke(tx, key_id)
    print_json({"id": str(key_id), "revoked": True})
