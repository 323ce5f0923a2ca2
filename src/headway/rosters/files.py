"""The files of a roster: a zip, a folder or one file, and their rows under headings as people write them."""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from headway.errors import FieldError, Invalid, shown
from headway.rosters.model import Line, Report
from headway.text import nfc
from headway.text_files import BadLine, Source, find_encoding, is_rounded, open_table

_NO_LETTER = re.compile(r"[\W_]+")
_MAC = ("__MACOSX/", ".DS_Store")
"""What the Finder puts into each zip."""
_WORKBOOK = "[Content_Types].xml"
"""What is in each file of Excel, which is a zip too."""
_SMALL_BYTES = 1_000_000
"""A smaller file may be compressed as well as it can."""


class ZipLimits(NamedTuple):
    """The most that a zip may hold. Sizes are those of the files after they are decompressed."""

    files: int = 100
    file_bytes: int = 2_000_000_000
    all_bytes: int = 4_000_000_000
    ratio: int = 200
    """How many times larger than in the zip a file may be."""


class Cells:
    """A row of a file. Cells are found by their headings without regard to case, spaces and signs."""

    __slots__ = ("_values", "line")

    def __init__(self, line: Line, values: Mapping[str, str]) -> None:
        self.line = line
        self._values = values

    def text(self, *columns: str) -> str:
        """Return the first of these cells that is not empty; empty if there is none."""
        return next((value for column in columns if (value := self._values.get(column.lower(), ""))), "")

    def items(self, column: str) -> list[str]:
        """Return the entries of a cell that lists several, separated by commas."""
        return [item.strip() for item in self.text(column).split(",") if item.strip()]

    def require(self, *columns: str) -> str:
        """Return a cell. Raises Refused if it is empty, or the digits of an id are lost."""
        text = self.text(*columns)
        if not text:
            raise Refused(f"{columns[0]} is missing")
        if is_rounded(text):
            raise Refused(f"{columns[0]} is {shown(text)}: a spreadsheet has rounded it, so save the column as text")
        return text


class Refused(Exception):
    """A row that is not taken; the message says why."""


@contextmanager
def refusing(report: Report, line: Line) -> Iterator[None]:
    """Note a row that raises Refused."""
    try:
        yield
    except Refused as refused:
        report.refuse(line, str(refused))


class Sheet:
    """A CSV file of a roster. `columns` are those that it must have, each with the other names that it may have."""

    def __init__(self, source: Source, columns: Sequence[Sequence[str]], encoding: str | None = None) -> None:
        self.name = source.name
        self._source = source
        self._encoding = find_encoding(source, encoding)
        self._columns = columns

    def rows(self, report: Report | None = None) -> Iterator[Cells]:
        """Yield the rows; lines that cannot be read are refused. Raises Invalid naming the file and a column it lacks."""
        with open_table(self._source, self._encoding) as table:
            headings = {heading(column): column for column in table.columns}
            missing = [names[0] for names in self._columns if not any(heading(name) in headings for name in names)]
            if missing:
                has = shown(", ".join(table.columns))
                raise Invalid([FieldError(f"{self.name}, header", f"has no column {name}, only {has}") for name in missing])
            places = {column: name for name, column in headings.items()}
            for row in table.lines:
                line = Line(self.name, row.line)
                fault = row.message if isinstance(row, BadLine) else _unstorable(row.cells)
                if isinstance(row, BadLine) or fault is not None:
                    if report is not None and fault is not None:
                        report.refuse(line, fault)
                    else:
                        yield Cells(line, {})
                else:
                    yield Cells(line, {places[column]: nfc(value) for column, value in row.cells.items() if value})


def _unstorable(cells: Mapping[str, str]) -> str | None:
    """Return why no database can store a row; None if it can."""
    column = next((column for column, value in cells.items() if "\0" in value), None)
    return None if column is None else f"{column} holds a NUL character"


def heading(text: str) -> str:
    """Return the form in which headings are compared: `E-Mail address` is `emailaddress`."""
    return _NO_LETTER.sub("", text).casefold()


class RosterFiles(NamedTuple):
    """The CSV files of a zip or folder, by their names in lower case without the ending."""

    name: str
    sources: dict[str, Source]


def read_folder(folder: Path) -> RosterFiles:
    """Return the CSV files of a folder."""
    return RosterFiles(
        folder.name, {path.stem.lower(): Source.of(path) for path in sorted(folder.iterdir()) if path.suffix.lower() == ".csv"}
    )


def read_zip(name: str, file: Path | IO[bytes], limits: ZipLimits) -> RosterFiles:
    """Return the CSV files of a zip, which stays open as long as they are used. Raises Invalid naming what is wrong with it."""
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise Invalid.field(name, f"is no zip that can be read: {error}") from error
    members = [each for each in archive.infolist() if not each.filename.startswith(_MAC) and not each.is_dir()]
    if any(each.filename == _WORKBOOK for each in members):
        raise Invalid.field(name, "is a workbook of a spreadsheet: save its sheet as CSV (UTF-8)")
    if len(members) > limits.files:
        raise Invalid.field(name, f"holds {len(members)} files, more than {limits.files}")
    if sum(each.file_size for each in members) > limits.all_bytes:
        raise Invalid.field(name, f"holds more than {limits.all_bytes} bytes")
    sources: dict[str, Source] = {}
    for member in members:
        _check_member(name, member, limits)
        stem, _, ending = member.filename.rpartition(".")
        if ending.lower() == "csv":
            if stem.lower() in sources:
                raise Invalid.field(f"{name}, {shown(member.filename)}", "is in the zip twice")
            sources[stem.lower()] = Source(member.filename, partial(_open_member, archive, member))
    return RosterFiles(name, sources)


def _check_member(name: str, member: zipfile.ZipInfo, limits: ZipLimits) -> None:
    wrong = None
    if "/" in member.filename or "\\" in member.filename:
        wrong = "is in a folder: put the CSV files themselves into the zip, not their folder"
    elif member.flag_bits & 0x1:
        wrong = "is encrypted: make the zip without a password"
    elif member.file_size > limits.file_bytes:
        wrong = f"has more than {limits.file_bytes} bytes"
    elif member.file_size > max(_SMALL_BYTES, limits.ratio * member.compress_size):
        wrong = f"is compressed more than {limits.ratio} times, which no roster is"
    if wrong is not None:
        raise Invalid.field(f"{name}, {shown(member.filename)}", wrong)


def _open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    try:
        return io.BufferedReader(_Member(archive.open(member)))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise OSError(f"the zip is damaged ({error})") from error


class _Member(io.RawIOBase):
    """A file in a zip, of which no more is read than the zip says that it has. Damage is an OSError, as of other files."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            part = self._file.read(len(buffer))
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise OSError(f"the zip is damaged ({error})") from error
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        self._file.close()
        super().close()
