"""JSON as logs come in it: a value a line, or arrays of records over many lines, read one at a time in constant memory."""

import io
import json
import re
from collections.abc import Iterator
from typing import IO, Any, NamedTuple, NoReturn

from headway.text_files import MAX_LINE_CHARACTERS, Source

MAX_RECORD_CHARACTERS = MAX_LINE_CHARACTERS
_CHUNK_CHARACTERS = 1 << 16
_BETWEEN, _SPACE = re.compile(r"[ \t\r\n,]*"), re.compile(r"[ \t\r\n]*")
_MARK = b"\xef\xbb\xbf"


class RawLine(NamedTuple):
    """A line as it stands in the file; None if it is too long."""

    number: int
    content: bytes | None


class JsonRecord(NamedTuple):
    """A record, with the line on which it begins; `fault` says why it cannot be read."""

    line: int
    value: Any = None
    fault: str | None = None


def read_lines(file: IO[bytes]) -> Iterator[RawLine]:
    """Yield the lines of a file that are not blank, without a byte order mark; what is too long is skipped."""
    number = 0
    while line := file.readline(MAX_LINE_CHARACTERS + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(_MARK)
        if len(line) > MAX_LINE_CHARACTERS:
            yield RawLine(number, None)
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_LINE_CHARACTERS)
        elif content := line.strip():
            yield RawLine(number, content)


def read_records(source: Source, encoding: str) -> Iterator[JsonRecord]:
    """Yield the records of a file: objects, and arrays that begin with something else than an object or an array.

    Arrays around them are opened, however deep they lie in one another, and commas are skipped; so a file may have records one
    after the other, an array of them, an array a line, or, as Moodle's reports, an array for each sheet.
    """
    with io.TextIOWrapper(source.open(), encoding=encoding, newline="") as text:
        yield from _Scanner(text).records()


class _Scanner:
    """Goes through a text of which only a part is in memory."""

    def __init__(self, text: IO[str]) -> None:
        self._text = text
        self._buffer = ""
        self._position = 0
        self._line = 1
        self._is_at_end = False
        self._depth = 0
        self._depth_of_cells: int | None = None
        """How deep the arrays lie that are records, once one was found."""

    def records(self) -> Iterator[JsonRecord]:
        while self._skip_space():
            sign = self._buffer[self._position]
            if sign == "]" or (sign == "[" and self._depth != self._depth_of_cells and self._opens_records()):
                self._depth += 1 if sign == "[" else -1
                self._position += 1
                continue
            if sign == "[":
                self._depth_of_cells = self._depth
            record = self._decode() if sign in "[{" else JsonRecord(self._line, fault="is no JSON from here on")
            yield record
            if record.fault is not None:
                return

    def _decode(self) -> JsonRecord:
        line = self._line
        while True:
            try:
                value, end = _decoder.raw_decode(self._buffer, self._position)
            except RecursionError:
                return JsonRecord(line, fault="is nested too deeply")
            except ValueError:
                left = len(self._buffer) - self._position
                if left > MAX_RECORD_CHARACTERS:
                    return JsonRecord(
                        line, fault=f"is no JSON from here on, or has more than {MAX_RECORD_CHARACTERS} characters"
                    )
                # As much again as is there: a record is tried a few times at the most.
                if not self._read(left):
                    return JsonRecord(line, fault="is no JSON from here on")
                continue
            self._advance(end)
            return JsonRecord(line, value)

    def _opens_records(self) -> bool:
        """Return whether the array at the position holds records, and is none itself."""
        while True:
            ahead = _end_of(_SPACE, self._buffer, self._position + 1)
            if ahead < len(self._buffer):
                return self._buffer[ahead] in "[{]"
            if len(self._buffer) - self._position > MAX_RECORD_CHARACTERS or not self._read(_CHUNK_CHARACTERS):
                return False

    def _skip_space(self) -> bool:
        """Go to the next sign that is neither white space nor a comma; return False at the end."""
        while True:
            self._advance(_end_of(_BETWEEN, self._buffer, self._position))
            if self._position < len(self._buffer):
                return True
            if not self._read(_CHUNK_CHARACTERS):
                return False

    def _advance(self, position: int) -> None:
        self._line += self._buffer.count("\n", self._position, position)
        self._position = position
        if position > _CHUNK_CHARACTERS:
            self._buffer, self._position = self._buffer[position:], 0

    def _read(self, characters: int) -> bool:
        more = "" if self._is_at_end else self._text.read(max(characters, _CHUNK_CHARACTERS))
        self._is_at_end = not more
        self._buffer += more
        return bool(more)


def _end_of(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return position if match is None else match.end()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
