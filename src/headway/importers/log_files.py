"""Files of logs, line by line: what each says, and where it stands."""

import gzip
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from headway.importers import moodle_log, moodle_report, openedx_tracking
from headway.importers.date_texts import DateForm, DateOrder, tells_order
from headway.importers.json_records import read_lines, read_records
from headway.importers.log_model import LogEvent, Parsed, Reason, Refusal
from headway.importers.log_site import Site
from headway.importers.openedx_video import PlayedParts
from headway.text_files import BadLine, Source, find_encoding, naming_faults, open_table

Advance = Callable[[int], None]
"""Called with the number of further bytes that were read."""
_TIME_COLUMN = -9
"""The time is the first of the nine columns of Moodle's report; the whole site's has the course in front."""
_SAMPLE = 100_000
"""In how many rows a date is looked for that tells the day from the month."""


class ParsedLine(NamedTuple):
    """What a line says. A line that ends a part of a video that was played comes twice."""

    line: int
    parsed: Parsed


class LogFile(NamedTuple):
    """A file of a log, compressed if its name ends with `.gz`."""

    path: Path

    @property
    def size_bytes(self) -> int:
        """How large the file is, as it is stored."""
        return self.path.stat().st_size

    def source(self, advance: Advance) -> Source:
        """Return the file, whose bytes are counted as they are read."""

        def opened() -> IO[bytes]:
            raw = io.BufferedReader(_CountedFile(self.path, advance))
            return cast("IO[bytes]", _Unpacked(raw)) if self.path.suffix == ".gz" else raw

        return Source(self.path.name, opened)


class _CountedFile(io.FileIO):
    def __init__(self, path: Path, advance: Advance) -> None:
        super().__init__(path, "rb")
        self._advance = advance

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer) or 0
        self._advance(count)
        return count


class _Unpacked(gzip.GzipFile):
    """A compressed file, closed together with what it is read from."""

    def __init__(self, packed: IO[bytes]) -> None:
        super().__init__(fileobj=packed)
        self._packed = packed

    def close(self) -> None:
        super().close()
        self._packed.close()


class OpenEdxReader:
    """Reads tracking logs; what was played of a video may begin in one file and end in the next."""

    name = "Open edX"

    def __init__(self, site: Site) -> None:
        self._site = site
        self._played = PlayedParts()
        self.notes: list[str] = []

    def read(self, file: LogFile, advance: Advance) -> Iterator[ParsedLine]:
        """Yield what each line says."""
        source = file.source(advance)
        with naming_faults(source), source.open() as opened:
            for line in read_lines(opened):
                if line.content is None:
                    yield ParsedLine(line.number, Refusal("", Reason.UNREADABLE, "is too long"))
                    continue
                parsed = _guarded(partial(openedx_tracking.parse_line, line.content, self._site))
                if isinstance(parsed, LogEvent) and (played := self._played.follow(parsed)) is not None:
                    yield ParsedLine(line.number, played)
                yield ParsedLine(line.number, parsed)


class MoodleReader:
    """Reads logs of Moodle in all their forms, which their first line tells apart.

    `notes` has what was assumed of the files, for people to check.
    """

    name = "Moodle"

    def __init__(self, site: Site, dates: DateForm, encoding: str | None = None) -> None:
        self._site = site
        self._dates = dates
        self._encoding = encoding
        self.notes: list[str] = []

    def read(self, file: LogFile, advance: Advance) -> Iterator[ParsedLine]:
        """Yield what each row, line or record says."""
        unread = file.source(lambda _: None)
        encoding = find_encoding(unread, self._encoding)
        if encoding == "cp1252" and self._encoding is None:
            self.notes.append(
                f"{unread.name} is not UTF-8, and was read as Windows-1252: give --encoding if it is another one."
            )
        is_json = _begins_as_json(unread, encoding)
        rows = _json_rows if is_json else _table_rows
        with naming_faults(unread):
            order = self._dates.order or _find_order(rows(unread, encoding))
            parse = _Parser(self._site, self._dates._replace(order=order))
            for line, row in rows(file.source(advance), encoding):
                yield ParsedLine(line, row if isinstance(row, Refusal) else _guarded(partial(parse, row)))


Row = Mapping[str, Any] | Sequence[Any] | Refusal


class _Parser:
    """Parses rows, counting those that are alike: times of older reports are those of a minute.

    The rows of a time stand together in a report, so the counts of one time are enough.
    """

    def __init__(self, site: Site, dates: DateForm) -> None:
        self._site = site
        self._dates = dates
        self._time: object = None
        self._counts: dict[tuple[Any, ...], int] = {}

    def __call__(self, row: Mapping[str, Any] | Sequence[Any]) -> Parsed:
        if isinstance(row, Mapping) and moodle_log.is_statement(row):
            return moodle_log.parse_statement(row, self._site)
        if isinstance(row, Mapping) and moodle_log.is_log_row(row):
            return moodle_log.parse_log_row(row, self._site)
        cells = moodle_report.cells_of(row)
        return moodle_report.parse_row(cells, self._site, self._dates, self._count(cells))

    def _count(self, cells: Sequence[Any]) -> int:
        time, key = _time_of(cells), tuple(str(cell) for cell in cells)
        if time != self._time:
            self._time, self._counts = time, {}
        self._counts[key] = count = self._counts.get(key, -1) + 1
        return count


def _guarded(parse: Callable[[], Parsed]) -> Parsed:
    """Refuse what JSON can hold, but nobody can store: NUL, halves of characters, numbers and nesting without end."""
    try:
        parsed = parse()
        if isinstance(parsed, LogEvent) and b"\0" in "".join(parsed.names).encode():
            return Refusal(parsed.type, Reason.UNSTORABLE)
    except (ValueError, OverflowError, RecursionError):
        return Refusal("", Reason.UNSTORABLE)
    return parsed


def _table_rows(source: Source, encoding: str) -> Iterator[tuple[int, Row]]:
    with open_table(source, encoding) as table:
        for line in table.lines:
            if isinstance(line, BadLine):
                yield line.line, Refusal("", Reason.UNREADABLE, line.message)
            else:
                yield line.line, {column: line.cells.get(column, "") for column in line.columns}


def _json_rows(source: Source, encoding: str) -> Iterator[tuple[int, Row]]:
    for record in read_records(source, encoding):
        if record.fault is not None:
            yield record.line, Refusal("", Reason.UNREADABLE, record.fault)
        else:
            yield record.line, record.value


def _find_order(rows: Iterator[tuple[int, Row]]) -> DateOrder | None:
    """Return what comes first in the dates of a report, if one of them tells."""
    for count, (_, row) in enumerate(rows):
        if isinstance(row, Refusal):
            continue
        if count >= _SAMPLE or (isinstance(row, Mapping) and (moodle_log.is_statement(row) or moodle_log.is_log_row(row))):
            return None
        time = _time_of(moodle_report.cells_of(row))
        if "/" not in time:
            return None
        if (order := tells_order(time)) is not None:
            return order
    return None


def _time_of(cells: Sequence[Any]) -> str:
    return str(cells[_TIME_COLUMN]) if len(cells) >= -_TIME_COLUMN else ""


def _begins_as_json(source: Source, encoding: str) -> bool:
    with naming_faults(source), io.TextIOWrapper(source.open(), encoding=encoding) as text:
        return text.read(1000).lstrip()[:1] in {"[", "{"}
