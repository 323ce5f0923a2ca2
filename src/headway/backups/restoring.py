"""Restore a backup: verified and migrated beside the database, which it then replaces in one step."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from headway import schema
from headway.audit.chain import ChainHead
from headway.audit.model import Action, Target, TargetType
from headway.audit.service import AuditRecorder
from headway.backups import files
from headway.backups.erasures import RepeatedErasures, read_erased, repeat_erasures
from headway.backups.model import Manifest, VerifiedCopy
from headway.backups.verifying import Look, open_copy, verify_data
from headway.db import index_keys, sqlite, sqlite_copy
from headway.db.compacting import compact
from headway.db.keyring import fingerprint, present_keys
from headway.db.private_files import sync_folder
from headway.errors import OperatorError
from headway.ids import uuid7
from headway.instants import Clock, Instant, iso
from headway.settings import Settings

_POSTGRESQL = "`headway restore` restores a SQLite file. For PostgreSQL, run pg_restore: docs/backups.md has the commands."

_SKIPPED_IDS = 1_000_000
"""More than were given out since a backup: a token for an account that is gone must never be one for another account."""


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What was restored, or with `--dry-run` could be."""

    database: str
    is_restored: bool
    began_at: str | None
    """When the backup began: what was acknowledged later is not in it. None without a manifest."""
    schema_version: str
    """Of the backup; the restored database has that of this version of Headway."""
    verified: VerifiedCopy
    audit_head: ChainHead | None
    """Of the backup; None if it was not verified. A newer one that was kept elsewhere is missing in the restored log."""
    missing_keys: list[str]
    """Fingerprints of older keys that the server had at the time of the backup and that are not set now."""
    kept: str | None
    """Where the database is that was replaced."""
    erasures: RepeatedErasures | None
    """Those of the database that was replaced; None if it could not be read."""


class _Prepared(NamedTuple):
    """A copy that can take the place of a database."""

    verified: VerifiedCopy
    head: ChainHead | None
    erasures: RepeatedErasures | None


class Restore:
    """Restores backups to the database of the settings."""

    def __init__(self, settings: Settings, clock: Clock, look: Look) -> None:
        if not settings.is_sqlite:
            raise OperatorError(_POSTGRESQL)
        self._settings = settings
        self._clock = clock
        self._look = look
        self._path = settings.sqlite_path.resolve()

    async def run(self, backup: Path, *, replaces: bool, accepts_faults: bool) -> Restored:
        """Replace the database by a backup; with `replaces` also one that exists, which is kept beside it.

        With `accepts_faults`, also if `verify` or `audit verify` report something. Raises OperatorError, OSError, Unavailable,
        WrongKeyError: then everything is as it was.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if sqlite.is_there(self._path) and not replaces:
            raise OperatorError(f"{self._path} exists; --force replaces it, and keeps it beside the new one.")
        with _owned(self._path):
            return await self._restore(backup, accepts_faults=accepts_faults, is_rehearsal=False)

    async def rehearse(self, backup: Path, *, accepts_faults: bool) -> Restored:
        """Do all that `run` does, but replace nothing."""
        return await self._restore(backup, accepts_faults=accepts_faults, is_rehearsal=True)

    async def _restore(self, backup: Path, *, accepts_faults: bool, is_rehearsal: bool) -> Restored:
        _check_source(backup)
        manifest = files.read_manifest(backup)
        missing = [] if manifest is None else self._missing_keys(manifest)
        files.check_room_beside(self._path, for_copy_of=backup)
        with files.draft_folder(self._path) as folder:
            draft = folder / "headway.db"
            version = await asyncio.to_thread(self._copy, backup, draft, manifest)
            async with open_copy(draft, self._settings) as database, database.read() as tx:
                await index_keys.prove(tx)
            verified, head, erasures = await self._prepare(draft, backup, manifest)
            if verified.faults is not None and not accepts_faults:
                raise OperatorError(f"{verified.faults} in {backup}; --with-faults restores it nevertheless.")
            kept = None if is_rehearsal else _swap_in(draft, self._path, self._clock())
        return Restored(
            database=str(self._path),
            is_restored=not is_rehearsal,
            began_at=None if manifest is None else manifest.began_at,
            schema_version=version,
            verified=verified,
            audit_head=head,
            missing_keys=missing,
            kept=None if kept is None else str(kept),
            erasures=erasures,
        )

    def _missing_keys(self, manifest: Manifest) -> list[str]:
        """Return which keys are missing, but for the one that everything new was encrypted with. Raises OperatorError."""
        present = [fingerprint(key) for key in present_keys(self._settings)]
        missing = [key for key in manifest.keys if key not in present]
        if manifest.keys and manifest.keys[0] in missing:
            message = f"The key {missing[0]} of this backup is missing; present are: {', '.join(present) or 'none'}."
            places = f"HEADWAY_ENCRYPTION_KEYS, HEADWAY_SECRET_KEY or {self._path}.key"
            raise OperatorError(f"{message} Put it into {places}: without it nothing personal can be read.")
        return missing

    def _copy(self, backup: Path, draft: Path, manifest: Manifest | None) -> str:
        """Copy a backup and check the copy; return its schema version. Raises OperatorError, OSError."""
        found = files.copy_file(backup, draft)
        if manifest is not None and found != manifest.sha256:
            raise OperatorError(f"{backup} was altered: it is not the file that its manifest describes.")
        sqlite_copy.check_integrity(draft, is_quick=self._look.is_quick, name=backup)
        version = sqlite_copy.schema_version(draft)
        if version is None:
            raise OperatorError(f"{backup} is not a backup of Headway.")
        return version

    async def _prepare(self, draft: Path, backup: Path, manifest: Manifest | None) -> _Prepared:
        """Migrate a copy, verify it, erase again who was erased since, and have its audit log tell of the restoration."""
        keys = present_keys(self._settings)
        secret_key = self._settings.secret_key or next(iter(keys), None)
        settings = msgspec.structs.replace(self._settings, database_url=f"sqlite:///{draft}", secret_key=secret_key)
        await schema.migrate(settings)
        await asyncio.to_thread(sqlite_copy.skip_ids, draft, _SKIPPED_IDS)
        database = schema.database(settings, for_commands=True)
        await database.open()
        erasures = None
        try:
            verified, head = await verify_data(database, self._look)
            erased = await read_erased(self._settings)
            if erased is not None:
                erasures = await repeat_erasures(settings, database, erased)
            if keys:
                async with database.write() as tx:
                    described = {"file": backup.name} | ({} if manifest is None else {"began_at": manifest.began_at})
                    recorder = AuditRecorder(self._clock, uuid7)
                    target = Target(TargetType.SYSTEM)
                    await recorder.record_as_operator(tx, Action.RESTORE_BACKUP, target, metadata=described)
        finally:
            await database.close()
        if erasures is not None and erasures.again:
            await asyncio.to_thread(compact, draft, timeout_seconds=settings.database_timeout_seconds)
        await asyncio.to_thread(sqlite_copy.fold_log, draft)
        sqlite_copy.sync(draft)
        return _Prepared(verified, head, erasures)


def _check_source(backup: Path) -> None:
    """Check that a backup is a whole file: a device has no end, and a database in use has its newest changes in a log."""
    if not backup.is_file():
        raise OperatorError(f"{backup} is no file.")
    log = backup.with_name(f"{backup.name}-wal")
    if log.exists() and log.stat().st_size > 0:
        message = f"{backup} is no backup but a database, whose newest changes are in {log}."
        raise OperatorError(f"{message} Make a copy of it: headway backup --database sqlite:///{backup.absolute()}")


@contextmanager
def _owned(path: Path) -> Iterator[None]:
    """Own the file of a database within the block, without leaving an empty one. Raises FileInUseError, OperatorError."""
    with sqlite.own(path):
        try:
            yield
        finally:
            if not sqlite.is_there(path):
                path.unlink(missing_ok=True)


def _swap_in(draft: Path, path: Path, now: Instant) -> Path | None:
    """Put a draft into the place of a database, which keeps a second name; return that name. Raises FileInUseError, OSError.

    At every moment one of the two is there as a whole.
    """
    kept = None
    if sqlite.is_there(path):
        sqlite_copy.fold_log(path)
        stamp = iso(now).replace("-", "").replace(":", "").replace(".", "")
        kept = path.with_name(f"{path.name}.replaced-{stamp}")
        os.link(path, kept)
    for suffix in ("-wal", "-journal"):
        # What is left of a log belongs to the old file: SQLite would apply it to the new one.
        left = path.with_name(path.name + suffix)
        if kept is not None and left.exists():
            left.rename(kept.with_name(kept.name + suffix))
        left.unlink(missing_ok=True)
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    draft.replace(path)
    sync_folder(path.parent)
    return kept
