"""`headway user erase`, `headway erasure` and `headway vacuum`."""

from typing import TYPE_CHECKING, Any

import click

from headway.cli.session import command, database_option, errors_in_one_line, load_settings, open_services, print_json

if TYPE_CHECKING:
    from headway.settings import Settings

_REASONS = ("request", "retention", "mistake", "other")


@click.command("erase")
@click.argument("user_id", metavar="ID", type=int)
@click.option("--reason", type=click.Choice(_REASONS), default="request", show_default=True)
@click.option("--confirm", "confirmation", metavar="TEXT", required=True, help="The id or the address again.")
@click.option("--vacuum/--no-vacuum", default=True, help="Whether to run `headway vacuum` afterwards. [--vacuum]")
@database_option
@command
async def erase_user(user_id: int, reason: str, confirmation: str, vacuum: bool, **flags: Any) -> None:
    """Erase a person for ever.

    Prints the signed receipt as JSON. Progress and study time stay under the id. Running servers notice within two seconds.
    Repeating the command returns the same receipt.
    """
    from headway.contracts.learner.erasure_mapping import erasure
    from headway.privacy.erasure import ErasureRequest, Reason

    settings = load_settings(**flags)
    wanted = ErasureRequest(user_id, Reason(reason), confirmation)
    async with open_services(settings) as services:
        async with services.database.read() as tx:
            found = await services.erasure.prepare(tx, None, wanted)
        async with services.database.write() as tx:
            made = await services.erasure.erase(tx, wanted, found)
    print_json(erasure(made))
    if vacuum:
        await _compact(settings)


@click.group()
def erasure() -> None:
    """Verify receipts of erasures, and print the key that does."""


@erasure.command("verify")
@click.argument("file", type=click.File("rb"))
@click.option("--key", "public_key", metavar="BASE64", required=True, help="The public key of the installation.")
def verify_receipt(file: Any, public_key: str) -> None:
    """Verify the receipt of an erasure, without a database.

    Prints what the receipt says. The exit status is 1 if it was not signed with the key, or was changed since.
    """
    from headway.privacy import receipts

    with errors_in_one_line():
        print_json(receipts.verify(file.read(receipts.MAX_RECEIPT_BYTES + 1), public_key))


@erasure.command("key")
@database_option
@command
async def print_key(**flags: Any) -> None:
    """Print the public key that verifies receipts. It is made with the first one."""
    async with open_services(load_settings(**flags)) as services, services.database.read() as tx:
        print_json({"algorithm": "Ed25519", "publicKey": await services.erasure.public_key(tx, None)})


@click.command()
@database_option
@command
async def vacuum(**flags: Any) -> None:
    """Rewrite a SQLite file, or vacuum and analyze PostgreSQL.

    Less is left then of what was deleted: run it after erasures over HTTP. A server that uses a SQLite file waits with its
    writes meanwhile.
    """
    settings = load_settings(**flags)
    await _compact(settings)
    print_json({"sizeBytes": settings.sqlite_path.stat().st_size} if settings.is_sqlite else {})


async def _compact(settings: "Settings") -> None:
    from headway.db.compacting import compact, compact_postgres

    if settings.is_sqlite:
        compact(settings.sqlite_path, timeout_seconds=settings.database_timeout_seconds)
    else:
        await compact_postgres(settings.database_url, timeout_seconds=settings.database_timeout_seconds)
