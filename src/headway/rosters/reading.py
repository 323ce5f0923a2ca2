"""Opens rosters: a folder or zip of OneRoster, or one CSV file, from a path or from what was uploaded."""

import io
from pathlib import Path
from typing import NamedTuple

from headway.errors import Invalid
from headway.instants import Clock
from headway.rosters.files import ZipLimits, read_folder, read_zip
from headway.rosters.model import Mode, RosterSource
from headway.rosters.oneroster import OneRoster
from headway.rosters.plain_csv import CsvRoster
from headway.text_files import Source

_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
UPLOADED = ZipLimits(files=50, file_bytes=20_000_000, all_bytes=40_000_000)


class Reading(NamedTuple):
    """How a roster is read, where it does not say so itself."""

    source: str | None = None
    mode: Mode | None = None
    course: str | None = None
    """The course of the rows of a CSV file that name none."""
    encoding: str | None = None
    """Of a CSV file."""


def open_path(path: Path, reading: Reading, clock: Clock) -> RosterSource:
    """Open the roster of a folder, a zip or a CSV file. Raises Invalid naming the file, and the line where there is one."""
    if path.is_dir():
        return OneRoster(read_folder(path), clock, source=reading.source, mode=reading.mode)
    with path.open("rb") as file:
        is_zip = file.read(4) in {_ZIP, _EMPTY_ZIP} or path.suffix.lower() == ".zip"
    if is_zip:
        files = read_zip(path.name, path, ZipLimits())
        return OneRoster(files, clock, source=reading.source, mode=reading.mode)
    return CsvRoster(Source.of(path), **reading._asdict())


def open_upload(name: str, content: bytes, reading: Reading, clock: Clock) -> RosterSource:
    """Open the roster of a zip or a CSV file that was uploaded. Raises as `open_path`."""
    if not content:
        raise Invalid.field(name, "is empty")
    if content[:4] in {_ZIP, _EMPTY_ZIP}:
        files = read_zip(name, io.BytesIO(content), UPLOADED)
        return OneRoster(files, clock, source=reading.source, mode=reading.mode)
    return CsvRoster(Source(name, lambda: io.BytesIO(content)), **reading._asdict())
