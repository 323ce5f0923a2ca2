"""Files that only their owner may use: the key, and the database with its log."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

import structlog

_OTHERS = stat.S_IRWXG | stat.S_IRWXO

log = structlog.get_logger(__name__)


class ExposedFileError(OSError):
    """A file that is a secret can be read or written by others than its owner."""


def read_secret(path: Path) -> bytes:
    """Return the content of a regular file that only its owner may use. Raises OSError, ExposedFileError."""
    # Without O_NONBLOCK, opening a named pipe would wait for whoever writes to it.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is not a file")
        if status.st_mode & _OTHERS:
            raise ExposedFileError(f"its mode is {stat.S_IMODE(status.st_mode):03o}")
        return file.read()


def check_key_file(path: Path) -> None:
    """Refuse a private key that others may use; a group may read one that belongs to root, such as `ssl-cert`.

    This is PostgreSQL's rule for the key of a server. Raises OSError, ExposedFileError.
    """
    status = path.stat()
    others = _OTHERS & ~stat.S_IRGRP if status.st_uid == 0 else _OTHERS
    if status.st_mode & others:
        raise ExposedFileError(f"the mode of {path} is {stat.S_IMODE(status.st_mode):03o}: chmod 600 {path}")


def create_secret(path: Path, content: bytes) -> None:
    """Create a file for its owner only, unless there is one. The content is on the disk before the file has its name.

    Raises OSError.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A link replaces nothing: processes that start together use the same file.
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)


def make_private(path: Path) -> None:
    """Create an empty file for its owner only; withdraw the rights of others from one that exists. Raises OSError.

    An existing file is not opened: closing it would end the locks that SQLite holds on it in this process.
    """
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        withdraw_rights_of_others(path)


def withdraw_rights_of_others(path: Path) -> None:
    """Make a file its owner's only, and log a warning if that fails. A file that does not exist is left alone."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return
    if mode & _OTHERS:
        try:
            path.chmod(mode & ~_OTHERS)
        except OSError as error:
            log.warning("Others may use this file.", file=str(path), mode=f"{mode:03o}", reason=str(error))


def sync_folder(folder: Path) -> None:
    """Wait until the names of the files in a folder are on the disk. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
