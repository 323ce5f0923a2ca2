"""JSON as logs come in it, read one record at a time."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from headway.importers.json_records import JsonRecord, RawLine, read_lines, read_records
from headway.text_files import Source

RECORDS: list[Any] = [{"a": 1, "b": [1, 2, {"c": "]"}]}, {"a": "x, [y"}, {}]
CELLS = [["5/11/26", "Ines", "-"], ["5/11/26", "[", "]"]]


def read(text: str, encoding: str = "utf-8") -> list[JsonRecord]:
    return list(read_records(Source("log.json", lambda: io.BytesIO(text.encode(encoding))), encoding))


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    ("value", "records"),
    [
        (RECORDS, RECORDS),
        ([RECORDS], RECORDS),
        ([[RECORDS], []], RECORDS),
        (CELLS, CELLS),
        ([CELLS], CELLS),
        ([[[]]], []),
        ([], []),
        ({"a": 1}, [{"a": 1}]),
    ],
)
def test_records_are_found_however_deep_they_lie_in_arrays(value: Any, records: list[Any], indent: int | None) -> None:
    assert [record.value for record in read(json.dumps(value, indent=indent))] == records


@pytest.mark.parametrize("between", ["\n", " ", ",\n", "\r\n\r\n", ""])
def test_records_and_arrays_may_follow_one_another(between: str) -> None:
    text = between.join([json.dumps(RECORDS[0]), json.dumps(RECORDS[:2]), json.dumps(RECORDS[1])])

    assert [record.value for record in read(text)] == [RECORDS[0], *RECORDS[:2], RECORDS[1]]


def test_a_record_has_the_line_on_which_it_begins() -> None:
    text = '[\n{"a":\n1},\n\n{"a": 2}, {"a": 3}\n]\n{"a": 4}'

    assert [(record.line, record.value["a"]) for record in read(text)] == [(2, 1), (5, 2), (5, 3), (7, 4)]


def test_records_may_be_larger_than_what_is_read_at_once() -> None:
    records = [{"a": "ë" * 100_000}, {"a": "b"}, {"a": ["c"] * 60_000}]

    assert [record.value for record in read(json.dumps(records, ensure_ascii=False), "utf-16")] == records


@pytest.mark.parametrize(
    ("text", "count", "fault"),
    [
        ('[{"a": 1}, {"a": ', 1, "is no JSON from here on"),
        ('[{"a": 1}, x]', 1, "is no JSON from here on"),
        ('{"a": 1}\n5\n{"a": 2}', 1, "is no JSON from here on"),
        ('[{"a": NaN}]', 0, "is no JSON from here on"),
        ("[" * 100 + '{"a":' * 100_000, 0, "is nested too deeply"),
        ('[{"a": "' + "b" * 1_200_000 + '"}]', 0, "is no JSON from here on, or has more than 1000000 characters"),
    ],
)
def test_what_cannot_be_read_is_the_last_record(text: str, count: int, fault: str) -> None:
    records = read(text)

    assert len(records) == count + 1
    assert records[-1].fault == fault


def test_memory_does_not_grow_with_the_file() -> None:
    class Endless(io.RawIOBase):
        def __init__(self) -> None:
            self.given = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            piece = b'{"a": "0123456789"},\n' * 100
            buffer[: len(piece)] = piece
            self.given += len(piece)
            return len(piece)

    endless = Endless()
    found = read_records(Source("log.json", lambda: io.BufferedReader(endless, 4096)), "utf-8")

    assert [next(found).line for _ in range(1000)][-1] == 1000
    assert endless.given < 300_000


def test_lines_are_read_without_mark_and_blanks_and_what_is_too_long_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "tracking.log"
    path.write_bytes(b'\xef\xbb\xbf{"a":1}\r\n\n  \n' + b"x" * 2_500_000 + b'\n{"a":2}')

    with path.open("rb") as file:
        lines = list(read_lines(file))

    assert lines == [RawLine(1, b'{"a":1}'), RawLine(4, None), RawLine(5, b'{"a":2}')]
