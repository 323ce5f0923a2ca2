"""`headway audit` and `headway keys`: verifying the audit log, and rotating encryption keys."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headway.cli.session import command, database_option, load_settings, open_database, print_json, progress_bar

if TYPE_CHECKING:
    from headway.audit.chain import ChainHead
    from headway.audit.verify import Fault


@click.group()
def audit() -> None:
    """Verify the audit log."""


@audit.command("verify")
@click.option(
    "--head", "head_file", type=click.Path(path_type=Path, exists=True), help="A head that `audit head` printed earlier."
)
@database_option
@command
async def verify_audit(head_file: Path | None, **flags: Any) -> None:
    """Verify the hash chain of the audit log.

    Finds entries that were changed, removed, moved or cut off.

    Prints the signed head of the log and every fault. If there is a fault, the first one is also printed on standard error,
    and the exit status is 1. The command changes nothing and can run beside a server.
    """
    from headway.audit.verify import verify_log

    head = None if head_file is None else _read_head(head_file)
    async with open_database(load_settings(**flags)) as database, database.read() as tx:
        with progress_bar("Entries") as advance:
            found = await verify_log(tx, kept_head=head, advance=advance)
            advance(found.checked, found.checked)
    print_json(found)
    if found.faults:
        raise click.ClickException(f"The activity log is not as it was written: {_describe(found.faults[0])}")


@audit.command("head")
@database_option
@command
async def print_head(**flags: Any) -> None:
    """Print the signed head of the log.

    Store it elsewhere: `audit verify --head FILE` compares the log with it later.
    """
    from headway.audit import store as audit_store

    async with open_database(load_settings(**flags)) as database, database.read() as tx:
        print_json(await audit_store.head(tx))


@click.group()
def keys() -> None:
    """Rotate the keys that encrypt personal data."""


@keys.command("rotate")
@database_option
@command
async def rotate(**flags: Any) -> None:
    """Change to a new encryption key.

    Encrypts all personal data with the first of HEADWAY_ENCRYPTION_KEYS; the other keys are no longer needed then.

    The command can run beside servers that have the same keys, and can be repeated after an interruption.
    """
    from headway.audit.service import AuditRecorder
    from headway.ids import uuid7
    from headway.instants import system_clock
    from headway.key_rotation import rotate_keys

    async with open_database(load_settings(**flags)) as database:
        with progress_bar("Texts") as advance:
            texts = await rotate_keys(database, AuditRecorder(system_clock, uuid7), advance=advance)
            advance(texts, texts)
    print_json({"texts": texts})


def _read_head(file: Path) -> "ChainHead":
    import msgspec

    from headway.audit.chain import ChainHead

    try:
        return msgspec.json.decode(file.read_bytes(), type=ChainHead)
    except msgspec.DecodeError as error:
        raise click.ClickException(f"{file} is not what `headway audit head` prints: {error}") from error


def _describe(fault: "Fault") -> str:
    return f"entry {fault.seq}{'' if fault.id is None else f' ({fault.id})'} {fault.fault}"
