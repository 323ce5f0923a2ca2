"""`headway audit` and `headway keys`: the activity log, and the keys that protect it and what is personal."""

from pathlib import Path
from typing import Any

import click
import msgspec

from headway.app import system_clock
from headway.audit.chain import ChainHead
from headway.audit.recorder import AuditRecorder
from headway.audit.verify import Fault, read_head, verify_log
from headway.cli.session import command, database_option, load_settings, open_database, print_json, progress_of
from headway.ids import uuid7
from headway.key_rotation import rotate_keys


@click.group()
def audit() -> None:
    """Look after the activity log."""


@audit.command("verify")
@click.option("--head", "kept", type=click.Path(path_type=Path, exists=True), help="A head that `audit head` printed earlier.")
@database_option
@command
async def verify_audit(kept: Path | None, **flags: Any) -> None:
    """Verify that the log is as it was written.

    Finds entries that were changed, removed, moved or cut off.

    Prints where the log ends, signed, and every fault; the first one is named on standard error too, and the exit status is
    1 if there is any. It changes nothing and may run beside a server.
    """
    head = None if kept is None else _read_head(kept)
    async with open_database(load_settings(**flags)) as database:
        with progress_of("Entries") as progress:
            task = progress.add_task("entries", total=None)
            found = await verify_log(
                database, kept_head=head, advance=lambda checked, of_all: progress.update(task, completed=checked, total=of_all)
            )
            progress.update(task, completed=found.checked, total=found.checked)
    print_json(found)
    if found.faults:
        raise click.ClickException(f"The activity log is not as it was written: {_told(found.faults[0])}")


@audit.command("head")
@database_option
@command
async def print_head(**flags: Any) -> None:
    """Print the signed end of the log.

    Keep it elsewhere: `audit verify --head FILE` compares the log with it later.
    """
    async with open_database(load_settings(**flags)) as database:
        print_json(await read_head(database))


@click.group()
def keys() -> None:
    """Look after the keys that encrypt what is personal."""


@keys.command("rotate")
@database_option
@command
async def rotate(**flags: Any) -> None:
    """Go over to a new key.

    Encrypts everything personal with the first of HEADWAY_ENCRYPTION_KEYS; the others are needed no longer then.

    It may run beside servers that have the same keys, and be run again after it was cut off.
    """
    async with open_database(load_settings(**flags)) as database:
        with progress_of("Texts") as progress:
            task = progress.add_task("texts", total=None)
            rotated = await rotate_keys(
                database,
                AuditRecorder(system_clock, uuid7),
                advance=lambda done, of_all: progress.update(task, completed=done, total=of_all),
            )
            progress.update(task, completed=rotated.texts, total=rotated.texts)
    print_json(rotated)


def _read_head(file: Path) -> ChainHead:
    try:
        return msgspec.json.decode(file.read_bytes(), type=ChainHead)
    except msgspec.DecodeError as error:
        raise click.ClickException(f"{file} is not what `headway audit head` prints: {error}") from error


def _told(fault: Fault) -> str:
    return f"entry {fault.seq}{'' if fault.id is None else f' ({fault.id})'} {fault.fault}"
