"""`headway backup` and `headway restore`."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from headway.cli.session import command, database_option, load_settings, print_json

archives_option = click.option(
    "--archives",
    "archives_folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where the files of archived events are, if not where they were written.",
)
quick_option = click.option("--quick", is_flag=True, help="Leave out what recomputes the data and what compares indexes.")
_file = click.Path(path_type=Path)


@click.command()
@click.argument("file", metavar="[FILE]", type=_file, required=False)
@click.option("--force", is_flag=True, help="Replace a file of that name.")
@quick_option
@archives_option
@click.option("--copy-archives", "copies", metavar="DIR", type=_file, help="Also copy archives there that it does not have.")
@database_option
@command
async def backup(file: Path, force: bool, quick: bool, archives_folder: Path | None, copies: Path | None, **flags: Any) -> None:
    """Back up a SQLite database beside its server.

    Writes one snapshot to FILE, or to a file with the time in its name if FILE is a folder; verifies it as `verify` and
    `audit verify` do; and writes FILE.json beside it. Without FILE, it writes into HEADWAY_BACKUP_FOLDER. The keys are not in
    it: keep them elsewhere.

    Prints what was written. The exit status is 1 if there is no backup, and also if the data in it has faults.
    """
    import msgspec

    from headway.backups.archives import copy_archives
    from headway.backups.making import make_backup, resolve_target
    from headway.backups.verifying import Look
    from headway.instants import system_clock

    settings = load_settings(**flags)
    target = resolve_target(file, settings, system_clock())
    _give_way()
    manifest = await make_backup(settings, target, look=Look(quick, archives_folder), replaces=force, clock=system_clock)
    copied = None if copies is None else copy_archives(manifest.archives or [], copies, archives_folder)
    print_json(msgspec.structs.asdict(manifest) | {"file": str(target), "copied_archives": copied})
    if manifest.archives is None:
        _note(f"Its data was not verified: the database has schema version {manifest.schema_version}, not this version's.")
    if manifest.verified.faults is not None:
        raise click.ClickException(f"The backup is complete, but its data has faults: {manifest.verified.faults}.")


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace a database, and keep it under another name.")
@click.option("--dry-run", is_flag=True, help="Verify that it could be restored, and change nothing.")
@click.option("--with-faults", is_flag=True, help="Restore data in which `verify` or `audit verify` find faults.")
@quick_option
@archives_option
@database_option
@command
async def restore(
    file: Path,
    force: bool,
    dry_run: bool,
    with_faults: bool,
    quick: bool,
    archives_folder: Path | None,
    **flags: Any,
) -> None:
    """Restore a backup of a SQLite database.

    No server may run on the database. FILE is copied, checked against FILE.json, migrated to this version's schema and
    verified, before it takes the place of the database in one step.
    """
    from headway.backups.restoring import Restore
    from headway.backups.verifying import Look
    from headway.instants import system_clock

    restoring = Restore(load_settings(**flags), system_clock, Look(quick, archives_folder))
    if dry_run:
        restored = await restoring.rehearse(file, accepts_faults=with_faults)
    else:
        restored = await restoring.run(file, replaces=force, accepts_faults=with_faults)
    print_json(restored)
    if restored.erasures is not None and restored.erasures.left:
        _note(f"Erase these people again by hand: {'; '.join(restored.erasures.left)}.")
    if restored.missing_keys:
        _note(f"Older keys are not set that texts may need: {', '.join(restored.missing_keys)}.")


def _give_way() -> None:
    """Leave the processors to the server beside, where that is allowed: units of systemd say it themselves."""
    with suppress(OSError):
        os.nice(10)


def _note(text: str) -> None:
    sys.stderr.write(f"{text}\n")
