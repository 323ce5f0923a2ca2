"""Texts, numbers and times of pages, forms and CSV files."""

import csv
from io import StringIO
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from headway.csv_files import csv_of
from headway.errors import Invalid
from headway.instants import DAY, HOUR, MINUTE, SECOND
from headway.web.forms import decode_form
from headway.web.page_routes import safe_next
from headway.web.texts import Catalogues, Viewer
from tests.world import NOON


def viewer(accept_language: str = "en-GB", zone: str | None = None, language: str | None = None) -> Viewer:
    return Catalogues("UTC").viewer(language=language, accept_language=accept_language, zone=zone)


@pytest.mark.parametrize(("hundredths", "shown"), [(0, "0%"), (9_999, "99%"), (10_000, "100%"), (99, "0%"), (100, "1%")])
def test_a_percent_is_cut_not_rounded(hundredths: int, shown: str) -> None:
    assert viewer().percent(hundredths) == shown


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (0, "0 s"),
        (59_999, "59 s"),
        (MINUTE, "1 min"),
        (HOUR - 1, "59 min"),
        (HOUR, "1 h 0 min"),
        (1_234 * HOUR, "1,234 h 0 min"),
    ],
)
def test_a_duration_is_in_hours_and_minutes(milliseconds: int, shown: str) -> None:
    assert viewer().duration(milliseconds) == shown


def test_numbers_and_dates_are_written_as_the_viewer_does() -> None:
    assert viewer().number(1234567.891, 2) == "1,234,567.89"
    assert viewer("en-US").date(NOON) == "Jan 1, 2026"
    assert viewer("en-GB", "Pacific/Kiritimati").datetime(NOON) == "2 Jan 2026, 02:00"


@pytest.mark.parametrize(
    ("before", "shown"),
    [
        (0, "just now"),
        (59 * SECOND, "just now"),
        (5 * MINUTE, "5 minutes ago"),
        (3 * DAY, "3 days ago"),
        (-2 * DAY, "in 2 days"),
    ],
)
def test_how_long_ago_something_was(before: int, shown: str) -> None:
    assert viewer().ago(NOON - before, NOON) == shown
    assert viewer().ago(None, NOON) == "never"


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("en", "en"), ("fr, en;q=0.1", "en"), ("EN-us", "en"), ("de;q=0", "en"), ("x" * 5_000, "en"), ("de;q=nonsense", "en")],
)
def test_the_language_is_the_most_wanted_one_that_the_pages_speak(accepted: str, language: str) -> None:
    assert viewer(accepted).language == language


class Filled(msgspec.Struct):
    name: Annotated[str, Meta(max_length=5)]
    count: Annotated[int, Meta(ge=1)] | None = None
    ids: list[int] = []
    is_on: bool = False


def test_a_form_is_decoded_into_a_struct() -> None:
    assert decode_form(b"name=a%20b&count=3&ids=1&ids=2&is_on=true&other=x", Filled) == Filled("a b", 3, [1, 2], True)


def test_an_empty_text_is_no_value() -> None:
    assert decode_form(b"name=a&count=", Filled) == Filled("a")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", ["name"]),
        (b"name=", ["name"]),
        (b"name=toolong&count=x", ["name", "count"]),
        (b"name=a&count=0", ["count"]),
        (b"name=a&ids=1&ids=x", ["ids"]),
        (b"name=%00", ["name"]),
        (b"name=%ff", ["name"]),
        (b"&".join([b"a=b"] * 3_000), ["form"]),
    ],
)
def test_each_wrong_field_is_named(body: bytes, fields: list[str]) -> None:
    with pytest.raises(Invalid) as raised:
        decode_form(body, Filled)

    assert [each.field for each in raised.value.fields] == fields


def test_text_is_in_nfc() -> None:
    assert decode_form("name=e\u0301".encode(), Filled).name == "\u00e9"


def test_a_csv_file_opens_in_spreadsheets_and_runs_nothing() -> None:
    hostile = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", 'quote " and, comma', "line\nbreak", None, -5, 0.25]

    content = csv_of(["=a"], [[each] for each in hostile])

    assert content.startswith(b"\xef\xbb\xbf")
    read = [row[0] if row else "" for row in csv.reader(StringIO(content.decode("utf-8-sig"), newline=""))]
    assert read == ["'=a", "'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\tx", 'quote " and, comma', "line\nbreak", "", "-5", "0.25"]


@pytest.mark.parametrize("text", ["/app", "/app/courses/5?sort=name&x=%2F", "/app?next=1"])
def test_pages_of_the_server_are_safe_to_go_to(text: str) -> None:
    assert safe_next(text) == text


@pytest.mark.parametrize(
    "text", [None, "", "http://x/app", "//x/app", "/\\x", "/app\\..", "/apple", "/app/\n", "javascript:/app", " /app"]
)
def test_everything_else_is_not(text: str | None) -> None:
    assert safe_next(text) == "/app"
