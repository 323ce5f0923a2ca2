"""Make a backup of a SQLite database beside its server: a snapshot that is verified before the file has its name."""

import asyncio
from pathlib import Path
from typing import NamedTuple

import structlog

import headway
from headway import schema
from headway.audit.chain import ChainHead
from headway.audit.model import Action, Target, TargetType
from headway.audit.service import AuditRecorder
from headway.backups import files
from headway.backups.model import ArchiveFile, Manifest, VerifiedCopy
from headway.backups.verifying import Look, open_copy, verify_data
from headway.db import index_keys, sqlite_copy
from headway.db.keyring import fingerprint, present_keys
from headway.errors import OperatorError, Unavailable
from headway.ids import uuid7
from headway.instants import Clock, Instant, iso
from headway.learning.archive_store import read_archives
from headway.settings import Settings

_POSTGRESQL = (
    "`headway backup` copies a SQLite file. For PostgreSQL, run pg_dump --format=custom, or archive its log with "
    "pg_basebackup: docs/backups.md has the commands."
)

_SUFFIXES = ("-wal", "-shm", "-journal", ".lock", ".key")
"""Of the files beside a database: whatever replaces one of them destroys what is stored, or what reads it."""

log = structlog.get_logger(__name__)


class _Read(NamedTuple):
    """What was read of a copy."""

    verified: VerifiedCopy
    head: ChainHead | None = None
    archives: list[ArchiveFile] | None = None


def resolve_target(file: Path | None, settings: Settings, now: Instant) -> Path:
    """Return the file of a backup that is made now: within a folder, one such as `headway-20260131T120000Z.db`.

    Raises OperatorError without a file and without a folder of backups.
    """
    if file is None:
        if settings.backup_folder is None:
            raise OperatorError("Name a file or folder, or set HEADWAY_BACKUP_FOLDER.")
        file = Path(settings.backup_folder)
    if not file.is_dir():
        return file
    moment = iso(now).partition(".")[0].replace("-", "").replace(":", "")
    return file / f"headway-{moment}Z.db"


async def make_backup(settings: Settings, target: Path, *, look: Look, replaces: bool, clock: Clock) -> Manifest:
    """Copy the database to a new file, verify the copy, and name it; `replaces` a file of that name.

    A copy of data in which `verify` or `audit verify` find faults is kept: `Manifest.verified` tells them. A copy of a database
    with another version's schema is not looked into. Raises OperatorError, OSError, Unavailable: then there is no new file.
    """
    if not settings.is_sqlite:
        raise OperatorError(_POSTGRESQL)
    source = settings.sqlite_path
    _check_places(source, target, replaces=replaces)
    files.check_room(target.parent, await asyncio.to_thread(sqlite_copy.needed_bytes, source))
    with files.draft_folder(target) as folder:
        draft, began_at = folder / "headway.db", clock()
        await asyncio.to_thread(sqlite_copy.copy_into, source, draft)
        await asyncio.to_thread(sqlite_copy.check_integrity, draft, is_quick=look.is_quick)
        version = sqlite_copy.schema_version(draft)
        if version is None:
            raise OperatorError(f"{source} is not a database of Headway.")
        read = await _read_copy(draft, settings, look, is_current=version == schema.head())
        manifest = Manifest(
            file=target.name,
            sha256=await asyncio.to_thread(files.sha256_of, draft),
            size_bytes=draft.stat().st_size,
            began_at=iso(began_at),
            ended_at=iso(clock()),
            headway_version=headway.__version__,
            schema_version=version,
            keys=[fingerprint(key) for key in present_keys(settings)],
            audit_head=read.head,
            archives=read.archives,
            verified=read.verified,
        )
        files.publish(draft, target, manifest)
    if version == schema.head():
        await _record(settings, manifest, clock)
    return manifest


def _check_places(source: Path, target: Path, *, replaces: bool) -> None:
    if not source.exists():
        raise OperatorError(f"There is no database at {source}.")
    if not target.parent.is_dir():
        raise OperatorError(f"There is no folder {target.parent}.")
    if target.exists() and target.samefile(source):
        raise OperatorError(f"{target} is the database itself.")
    databases = (source.absolute(), source.resolve())
    if target.absolute() in {each.with_name(each.name + suffix) for each in databases for suffix in _SUFFIXES}:
        raise OperatorError(f"{target} belongs to the database itself: its log, its lock or its key.")
    for each in (target, files.manifest_file(target)):
        if each.exists() and not (replaces and each.is_file()):
            raise OperatorError(f"{each} exists; --force replaces it." if each.is_file() else f"{each} is no file.")


async def _read_copy(copy: Path, settings: Settings, look: Look, *, is_current: bool) -> _Read:
    async with open_copy(copy, settings) as database:
        async with database.read() as tx:
            await index_keys.prove(tx)
            if not is_current:
                return _Read(VerifiedCopy(integrity="quick" if look.is_quick else "full"))
            archives = [ArchiveFile(each.file, each.events, each.size_bytes, each.sha256) for each in await read_archives(tx)]
        verified, head = await verify_data(database, look)
    return _Read(verified, head, archives)


async def _record(settings: Settings, manifest: Manifest, clock: Clock) -> None:
    """Record in the database that there is a copy of everything personal. The backup counts also if that fails."""
    database = schema.database(settings, for_commands=True)
    described = {"file": manifest.file, "sha256": manifest.sha256, "began_at": manifest.began_at}
    try:
        await database.open()
        try:
            async with database.write() as tx:
                recorder = AuditRecorder(clock, uuid7)
                await recorder.record_as_operator(tx, Action.CREATE_BACKUP, Target(TargetType.SYSTEM), metadata=described)
        finally:
            await database.close()
    except Unavailable as error:
        log.warning("The audit log could not be told of the backup.", reason=str(error))
