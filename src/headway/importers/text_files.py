"""Text files as people save them: encodings by their mark, tables of spreadsheets, and errors that name the line."""

import codecs
import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from headway.errors import Invalid

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks; the longer one of two that begin alike comes first."""
_SEPARATORS = ",;\t|"
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?,*\s*', re.IGNORECASE)
"""With this line a spreadsheet names the separator of the file."""


class Row(NamedTuple):
    """A line of a table. `cells` are stripped; those at the end of a line may be missing."""

    line: int
    columns: list[str]
    cells: dict[str, str]
    separator: str


def read_text(path: Path) -> str:
    """Return the text of a file, in UTF-8 or with the byte order mark of UTF-16 or UTF-32. Raises Invalid naming the line."""
    try:
        return path.read_text(encoding=_encoding(path))
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def read_table(path: Path) -> Iterator[Row]:
    """Yield the rows of a CSV file below its header; blank lines are skipped.

    Cells are separated by commas, semicolons, tabs or bars. Raises Invalid naming the file, and the line where there is one.
    """
    try:
        with path.open(newline="", encoding=_encoding(path)) as file:
            yield from _read_rows(path.name, file)
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _read_rows(name: str, file: Iterator[str]) -> Iterator[Row]:
    first, skipped = next(file, ""), 0
    named = _SEPARATOR_LINE.fullmatch(first)
    if named is not None:
        first, skipped = next(file, ""), 1
    if not first.strip():
        raise Invalid.field(name, "has no header in its first line")
    separator = named[1] if named is not None else _separator(first)
    (header,) = csv.reader([first], delimiter=separator)
    columns = [cell.strip() for cell in header]
    while columns and not columns[-1]:
        columns.pop()
    repeated = {column for column in columns if columns.count(column) > 1}
    if repeated or not columns:
        raise Invalid.field(f"{name}, line {skipped + 1}", f"names a column twice: {', '.join(sorted(repeated))}")
    reader = csv.reader(file, delimiter=separator, strict=True)
    try:
        for values in reader:
            line = reader.line_num + skipped + 1
            cells = [value.strip() for value in values]
            if any(cells[len(columns) :]):
                raise Invalid.field(f"{name}, line {line}", f"has {len(cells)} cells, the header has {len(columns)}")
            if any(cells):
                yield Row(line, columns, dict(zip(columns, cells, strict=False)), separator)
    except csv.Error as error:
        raise Invalid.field(f"{name}, line {reader.line_num + skipped + 1}", f"cannot be read: {error}") from error


def _separator(header: str) -> str:
    """Return the separator that gives the header the most columns."""
    return max(_SEPARATORS, key=lambda each: len(next(csv.reader([header], delimiter=each))))


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        first = file.read(4)
    encoding = next((name for mark, name in _MARKS if first.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in first:
        raise Invalid.field(path.name, "is not text, or is UTF-16 without a byte order mark: save it as UTF-8")
    return encoding


def _not_utf8(path: Path, error: UnicodeDecodeError) -> Invalid:
    """Name the first line that cannot be decoded; decoders read ahead and do not know it."""
    if error.encoding != "utf-8":
        return Invalid.field(path.name, f"is not valid {error.encoding.upper()}: save it as UTF-8")
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError as fault:
                byte = f"0x{line[fault.start]:02X}"
                return Invalid.field(f"{path.name}, line {number}", f"is not UTF-8 (byte {byte}): save the file as UTF-8")
    return Invalid.field(path.name, "is not UTF-8: save it as UTF-8")


def _unreadable(path: Path, error: OSError) -> Invalid:
    return Invalid.field(path.name, f"cannot be read: {error.strerror or error}")
