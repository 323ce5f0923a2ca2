"""Text files as people save them: encodings, tables of spreadsheets, compressed files, and errors that name the line.

Files are read as they come, in constant memory, however large they are.
"""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, TypeAlias, cast

from headway.errors import Invalid, shown

MAX_LINE_CHARACTERS = 1_000_000
"""A longer line is refused, so that a file without lines takes no memory."""
MAX_COLUMNS = 10_000
WESTERN = "cp1252"
"""Windows-1252, which has all that Latin-1 can print: what spreadsheets save in western Europe unless UTF-8 is chosen."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks; the longer one of two that begin alike comes first."""
_UTF8 = {"utf-8", "utf-8-sig"}
_CHUNK_BYTES = 1 << 16
_SEPARATORS = ",;\t|"
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?,*\s*', re.IGNORECASE)
"""With this line a spreadsheet names the separator of the file."""
_TEXT_FORMULA = re.compile(r'="([^"]*)"')
"""What keeps a spreadsheet from reading 0012 as a number."""
_ROUNDED = re.compile(r"[0-9]([.,][0-9]+)?E\+[0-9]{2,}")


class Source(NamedTuple):
    """A file, or a member of an archive: its name, and how its bytes are opened."""

    name: str
    open: Callable[[], IO[bytes]]

    @classmethod
    def of(cls, path: Path) -> "Source":
        """Return a file; one whose name ends with `.gz` is decompressed."""
        if path.suffix == ".gz":
            return cls(path.name, lambda: cast("IO[bytes]", gzip.open(path, "rb")))
        return cls(path.name, lambda: path.open("rb"))


class Row(NamedTuple):
    """A line of a table. `cells` are stripped; those at the end of a line may be missing."""

    line: int
    columns: list[str]
    cells: dict[str, str]
    separator: str


class BadLine(NamedTuple):
    """A line of a table that cannot be read, and why."""

    line: int
    message: str


Line: TypeAlias = Row | BadLine


class Table(NamedTuple):
    """An open table. `lines` yields its rows, and what stands between them that is no row."""

    columns: list[str]
    encoding: str
    lines: Iterator[Line]


def read_text(path: Path) -> str:
    """Return the text of a file, in UTF-8 or with the byte order mark of UTF-16 or UTF-32. Raises Invalid naming the line."""
    source = Source.of(path)
    with naming_faults(source), source.open() as file:
        return file.read().decode(_marked_encoding(source))


def find_encoding(source: Source, encoding: str | None = None) -> str:
    """Return the encoding of a file: by its byte order mark, or as named, or UTF-8 if it is valid, or else Windows-1252.

    Nothing in a file tells one encoding of single bytes from another, so tell people that theirs was taken for Windows-1252.
    Raises Invalid for a file that is none of these.
    """
    with naming_faults(source):
        marked = _marked_encoding(source)
        if marked != "utf-8":
            return marked
        if encoding is not None:
            return _known(encoding)
        return next((each for each in ("utf-8", WESTERN) if _is_valid(source, each)), None) or _refuse(source)


def read_table(file: Path | Source) -> Iterator[Row]:
    """Yield the rows of a CSV file below its header; blank lines are skipped. The file is UTF-8, or has a byte order mark.

    Cells are separated by commas, semicolons, tabs or bars. Raises Invalid naming the file, and the line where there is one.
    """
    source = Source.of(file) if isinstance(file, Path) else file
    with naming_faults(source):
        encoding = _marked_encoding(source)
    with open_table(source, encoding) as table:
        for line in table.lines:
            if isinstance(line, BadLine):
                raise Invalid.field(f"{source.name}, line {line.line}", line.message)
            yield line


@contextmanager
def open_table(source: Source, encoding: str) -> Iterator[Table]:
    """Open a CSV file in an encoding, such as that of `find_encoding`. Cells are as spreadsheets save them.

    Raises Invalid for a header that cannot be read, and, wherever it is noticed, for bytes that are not of the encoding.
    """
    with naming_faults(source), io.TextIOWrapper(source.open(), encoding=encoding, newline="") as text:
        lines = _bounded(source.name, text)
        first, skipped = next(lines, ""), 0
        named = _SEPARATOR_LINE.fullmatch(first)
        if named is not None:
            first, skipped = next(lines, ""), 1
        if not first.strip():
            raise Invalid.field(source.name, "has no header in its first line")
        separator = named[1] if named is not None else _separator(first)
        columns = _columns(source.name, first, separator, skipped + 1)
        yield Table(columns, encoding, _read_lines(lines, columns, separator, skipped + 1))


def is_rounded(text: str) -> bool:
    """Return whether a spreadsheet has rounded a long number, such as 123456789012 to 1.23457E+11: its digits are lost."""
    return _ROUNDED.fullmatch(text) is not None


def read_cell(text: str) -> str:
    """Return what a cell says: without white space around it, and without what keeps a spreadsheet from calculating.

    That is `="0012"`, and the apostrophe in front of `=`, `+`, `-` and `@` with which CSV files of Headway are written.
    """
    text = text.strip()
    formula = _TEXT_FORMULA.fullmatch(text)
    if formula is not None:
        return formula[1].strip()
    return text[1:] if text[:1] == "'" and text[1:2] in {"=", "+", "-", "@"} else text


def _read_lines(lines: Iterator[str], columns: list[str], separator: str, skipped: int) -> Iterator[Line]:
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        line = reader.line_num + skipped + 1
        try:
            values = next(reader, None)
        except csv.Error as error:
            yield BadLine(line, _fault(str(error), reader.line_num + skipped))
            continue
        if values is None:
            return
        cells = [read_cell(value) for value in values]
        if any(cells[len(columns) :]):
            yield BadLine(line, f"has {len(cells)} cells, the header has {len(columns)}")
        elif any(cells):
            yield Row(line, columns, dict(zip(columns, cells, strict=False)), separator)


def _fault(message: str, last: int) -> str:
    """Return why a row cannot be read that ends with the line `last`."""
    if message.startswith(("unexpected end", "field larger")):
        return f"opens a quotation mark that is not closed: nothing from here to line {last} can be read"
    return f"cannot be read: {message}"


def _columns(name: str, header: str, separator: str, line: int) -> list[str]:
    columns = [cell.strip() for cell in _cells(header, separator)]
    while columns and not columns[-1]:
        columns.pop()
    if not columns:
        raise Invalid.field(f"{name}, line {line}", "has no header that can be read")
    if len(columns) > MAX_COLUMNS:
        raise Invalid.field(f"{name}, line {line}", f"has {len(columns)} columns, more than {MAX_COLUMNS}")
    repeated = {column for column, count in Counter(columns).items() if count > 1}
    if repeated:
        raise Invalid.field(f"{name}, line {line}", f"names a column twice: {shown(', '.join(sorted(repeated)))}")
    return columns


def _separator(header: str) -> str:
    """Return the separator that gives the header the most columns."""
    return max(_SEPARATORS, key=lambda each: len(_cells(header, each)))


def _cells(header: str, separator: str) -> list[str]:
    """Return the cells of a header; none if it has one that is too long, as with a separator that is not the file's."""
    try:
        return next(csv.reader([header], delimiter=separator))
    except csv.Error:
        return []


def _bounded(name: str, text: IO[str]) -> Iterator[str]:
    number = 0
    while line := text.readline(MAX_LINE_CHARACTERS + 1):
        number += 1
        if len(line) > MAX_LINE_CHARACTERS:
            raise Invalid.field(f"{name}, line {number}", f"has more than {MAX_LINE_CHARACTERS} characters")
        yield line


def _marked_encoding(source: Source) -> str:
    with source.open() as file:
        first = file.read(4)
    encoding = next((name for mark, name in _MARKS if first.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in first:
        raise Invalid.field(source.name, "is not text, or is UTF-16 without a byte order mark: save it as UTF-8")
    return encoding


def _known(encoding: str) -> str:
    try:
        # Codecs that turn bytes into bytes are found as well.
        "".encode(encoding)
    except LookupError:
        raise Invalid.field("encoding", f"{shown(encoding)!r} is not the name of an encoding, such as windows-1252") from None
    return encoding


def _is_valid(source: Source, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with source.open() as file:
            while chunk := file.read(_CHUNK_BYTES):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _refuse(source: Source) -> str:
    raise Invalid.field(source.name, "is neither UTF-8 nor Windows-1252: save it as UTF-8, or name its encoding")


@contextmanager
def naming_faults(source: Source) -> Iterator[None]:
    """Raise Invalid, which names the file and if possible the line, for a file that cannot be read or decoded."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise _undecodable(source, error) from error
    except UnicodeError as error:
        raise Invalid.field(source.name, f"is not as its byte order mark says ({error}): save it as UTF-8") from error
    except (OSError, EOFError, zlib.error) as error:
        raise Invalid.field(source.name, f"cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _undecodable(source: Source, error: UnicodeDecodeError) -> Invalid:
    """Name the first line that cannot be decoded; decoders read ahead and do not know it."""
    if error.encoding not in _UTF8:
        return Invalid.field(source.name, f"is not valid {error.encoding.upper()}: save it as UTF-8")
    with source.open() as file:
        number = 0
        while line := file.readline(MAX_LINE_CHARACTERS):
            number += 1
            try:
                line.decode()
            except UnicodeDecodeError as fault:
                byte = f"0x{line[fault.start]:02X}"
                return Invalid.field(f"{source.name}, line {number}", f"is not UTF-8 (byte {byte}): save the file as UTF-8")
    return Invalid.field(source.name, "is not UTF-8: save it as UTF-8")
