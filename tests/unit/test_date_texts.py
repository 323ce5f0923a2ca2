"""Dates and times as people and spreadsheets write them."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from headway.importers.date_texts import DateForm, DateOrder, parse_moment, tells_order
from headway.instants import iso

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-26T17:30:00Z", "2026-11-26T17:30:00.000Z"),
        ("2026-11-26T17:30:00.123456+00:00", "2026-11-26T17:30:00.123Z"),
        ("2026-11-26t17:30:00z", "2026-11-26T17:30:00.000Z"),
        ("2026-11-26 17:30", "2026-11-26T16:30:00.000Z"),
        ("2026-11-26", "2026-11-25T23:00:00.000Z"),
        ("26/11/2026", "2026-11-25T23:00:00.000Z"),
        ("26/11/2026 17:30:05", "2026-11-26T16:30:05.000Z"),
        ("26/11/26, 17:30", "2026-11-26T16:30:00.000Z"),
        ("26/11/2026, 5:30 PM", "2026-11-26T16:30:00.000Z"),
        ("26/11/2026, 5:30\u202fp.m.", "2026-11-26T16:30:00.000Z"),
        ("11/26/2026 12:05 am", "2026-11-25T23:05:00.000Z"),
        ("26.11.2026 17:30", "2026-11-26T16:30:00.000Z"),
        ("5.11.26, 7:30", "2026-11-05T06:30:00.000Z"),
        ("05-11-2026", "2026-11-04T23:00:00.000Z"),
        ("11/11/2026", "2026-11-10T23:00:00.000Z"),
        ("2026/11/05 7:30", "2026-11-05T06:30:00.000Z"),
        ("26 November 2026, 5:30 PM", "2026-11-26T16:30:00.000Z"),
        ("Thursday, 26 Nov 2026, 17:30", "2026-11-26T16:30:00.000Z"),
        ("1795714200", "2026-11-26T17:30:00.000Z"),
    ],
)
def test_a_moment_is_read_in_every_form(text: str, moment: str) -> None:
    assert iso(parse_moment(text, DateForm(BERLIN))) == moment


@pytest.mark.parametrize(("order", "moment"), [(DateOrder.DAY, "2026-11-05"), (DateOrder.MONTH, "2026-05-11")])
def test_an_order_tells_the_day_from_the_month(order: DateOrder, moment: str) -> None:
    assert iso(parse_moment("5/11/2026", DateForm(UTC, order)))[:10] == moment


@pytest.mark.parametrize(
    ("text", "order", "message"),
    [
        ("5/11/2026", None, "may be a day and a month or a month and a day"),
        ("26/11/2026", DateOrder.MONTH, "is no date and time"),
        ("11/26/2026", DateOrder.DAY, "is no date and time"),
        ("26 Nov, 17:30", None, "is a date without a year"),
        ("26 Dezember 2026", None, "has a name of a month that is not English"),
        ("31/02/2026", None, "is no date and time"),
        ("26/11/2026, 17:30 PM", None, "is no date and time"),
        ("26/11/2026, 25:30", None, "is no date and time"),
        ("yesterday", None, "is no date and time"),
        ("", None, "is no date and time"),
        ("0026-11-26", None, "must lie between the years 1900 and 9998"),
    ],
)
def test_what_is_no_moment_is_named(text: str, order: DateOrder | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_moment(text, DateForm(UTC, order))


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("26/11/26, 17:30", DateOrder.DAY),
        ("11/26/26, 17:30", DateOrder.MONTH),
        ("5/11/26, 17:30", None),
        ("26/26/26", None),
        ("26.11.2026", None),
        ("2026-11-26", None),
    ],
)
def test_a_date_tells_its_order_if_it_can_be_read_in_one_alone(text: str, order: DateOrder | None) -> None:
    assert tells_order(text) is order
