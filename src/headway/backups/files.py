"""The files of backups: a file has its name only once it is complete and on the disk."""

import fcntl
import glob
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from headway.backups.model import Manifest
from headway.db.private_files import create_secret, sync_folder
from headway.db.sqlite_copy import sync
from headway.errors import OperatorError
from headway.instants import Instant, parse

_SPARE_BYTES = 16_000_000
"""What stays free beside a copy: a full disk stops the server."""


def manifest_file(backup: Path) -> Path:
    """Return where the manifest of a backup is."""
    return backup.with_name(f"{backup.name}.json")


def read_manifest(backup: Path) -> Manifest | None:
    """Read the manifest of a backup; None if there is none. Raises OperatorError, OSError."""
    path = manifest_file(backup)
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.DecodeError as error:
        raise OperatorError(f"{path} is not the manifest of a backup: {error}") from error


class NewestBackup(NamedTuple):
    """The newest backup in a folder."""

    file: Path
    at: Instant
    faults: str | None = None
    """What is wrong with its data; None if nothing is known to be."""


def newest_backup(folder: Path, *, with_manifest: bool) -> NewestBackup | None:
    """Return the newest backup in a folder, None without one. `with_manifest`, only those of `headway backup` count.

    Other files count by the time of their last change, but for hidden ones. Raises OSError.
    """
    found = []
    for file in folder.iterdir():
        manifest = None
        if with_manifest:
            with suppress(OperatorError):
                manifest = read_manifest(file)
        if file.is_file() and not file.name.startswith(".") and (manifest is not None or not with_manifest):
            at = int(file.stat().st_mtime * 1_000) if manifest is None else parse(manifest.began_at)
            found.append(NewestBackup(file, at, None if manifest is None else manifest.verified.faults))
    return max(found, key=lambda each: each.at, default=None)


@contextmanager
def draft_folder(path: Path) -> Iterator[Path]:
    """Make a folder beside a file, for what will become that file; it is removed at the end of the block.

    Those of processes that were killed are removed too. Raises OSError.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.partial-*"):
        # Another process may remove it at the same time.
        with suppress(FileNotFoundError), _locked(left) as is_free:
            if is_free:
                shutil.rmtree(left, ignore_errors=True)
    folder = path.with_name(f".{path.name}.partial-{secrets.token_hex(4)}")
    folder.mkdir(mode=0o700)
    try:
        with _locked(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path, *, waits: bool = False) -> Iterator[bool]:
    """Lock a folder within the block, and yield whether that was possible."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(handle)


def check_room(folder: Path, needed: int) -> None:
    """Check that a folder's disk has room for a copy. Raises OperatorError."""
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE_BYTES:
        message = f"The disk of {folder} has {_megabytes(free)} free, and the copy may take {_megabytes(needed)}."
        raise OperatorError(f"{message} Free some space, or choose another disk.")


def check_room_beside(path: Path, *, for_copy_of: Path) -> None:
    """Check that the disk of a file has room for a copy of another one. Raises OperatorError, OSError."""
    check_room(path.parent, for_copy_of.stat().st_size)


def publish(draft: Path, backup: Path, manifest: Manifest) -> None:
    """Name a complete draft, and write the manifest beside it. Raises OSError.

    A crash in between leaves a complete backup without a manifest, never one with the manifest of another.
    """
    described = msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"
    with _locked(backup.parent, waits=True):
        manifest_file(backup).unlink(missing_ok=True)
        draft.replace(backup)
        sync_folder(backup.parent)
        create_secret(manifest_file(backup), described)


def copy_file(source: Path, target: Path) -> str:
    """Copy a file to a new one, for its owner only and on the disk; return the SHA-256 of what was read. Raises OSError."""
    digest = hashlib.sha256()
    with source.open("rb") as reading, os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as writing:
        while block := reading.read(1 << 20):
            digest.update(block)
            writing.write(block)
    sync(target)
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _megabytes(count: int) -> str:
    return f"{count / 1_000_000:,.1f} MB"
