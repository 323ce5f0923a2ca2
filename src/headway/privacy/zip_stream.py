"""A zip file that is made while it is sent: never in memory as a whole, and nothing is written to a disk."""

import hashlib
import zipfile
from typing import NamedTuple

from headway.instants import Instant, to_datetime

_LEVEL = 6


class WrittenFile(NamedTuple):
    """A file of the archive as it is unpacked."""

    name: str
    size: int
    sha256: str


class _Sink:
    """Collects what `zipfile` writes. It cannot seek, so that `zipfile` writes sizes and checksums after each file."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Collect some bytes."""
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def take(self) -> bytes:
        """Return what was collected since the last call."""
        taken, self._parts = b"".join(self._parts), []
        return taken


class ZipStream:
    """Files in the order in which they are written, one after the other. What was made so far is taken with `take`."""

    def __init__(self, now: Instant) -> None:
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)
        moment = to_datetime(now)
        self._time = (max(moment.year, 1980), moment.month, moment.day, moment.hour, moment.minute, moment.second)

    def begin(self, name: str) -> None:
        """Begin a file of less than 2 GB, after the one before has ended."""
        info = zipfile.ZipInfo(name, self._time)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        self._file = self._zip.open(info, "w")
        self._name, self._hash, self.size = name, hashlib.sha256(), 0

    def write(self, data: bytes) -> None:
        """Go on with a file."""
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def end(self) -> WrittenFile:
        """End a file."""
        self._file.close()
        return WrittenFile(self._name, self.size, self._hash.hexdigest())

    def close(self) -> None:
        """Write the directory, without which nobody takes the archive for complete."""
        self._zip.close()

    def take(self) -> bytes:
        """Return what was made since the last call; the first bytes come with the first file."""
        return self._sink.take()
