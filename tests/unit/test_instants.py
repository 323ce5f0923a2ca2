"""Times as text: what is read, what is refused, and that whatever is read can be rendered."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import FieldError, Invalid
from headway.http.params import DateBounds, parse_instant
from headway.instants import DAY, END_OF_TIME, FORM, RANGE, START_OF_TIME, SteadyClock, iso, parse, to_datetime
from tests.world import NOON, FakeClock

OFFSETS = st.integers(-720, 720).map(lambda minutes: timezone(timedelta(minutes=minutes)))
"""RFC 3339 has offsets of whole minutes. Of Python's own, 3.11 misreads those below a second."""
ZONES = sorted(available_timezones())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-01-01T12:00:00Z", "2026-01-01T12:00:00.000Z"),
        ("2026-01-01t12:00:00z", "2026-01-01T12:00:00.000Z"),
        ("2026-01-01 12:00:00+00:00", "2026-01-01T12:00:00.000Z"),
        ("2026-01-01T12:00:00", "2026-01-01T12:00:00.000Z"),
        ("2026-01-01T12:00", "2026-01-01T12:00:00.000Z"),
        ("2026-01-01T12:00:00.1239999Z", "2026-01-01T12:00:00.123Z"),
        ("2026-01-01T12:00:00,5z", "2026-01-01T12:00:00.500Z"),
        ("2026-01-01T12:00:00-00:00", "2026-01-01T12:00:00.000Z"),
        ("20260101T120000Z", "2026-01-01T12:00:00.000Z"),
        ("2026-01-01T23:30:00-05:30", "2026-01-02T05:00:00.000Z"),
        ("2026-01-01T24:00:00Z", "2026-01-02T00:00:00.000Z"),
        ("2026-12-31t24:00:00.000z", "2027-01-01T00:00:00.000Z"),
        ("2026-01-01T24:00+01:00", "2026-01-01T23:00:00.000Z"),
        ("1990-12-31T23:59:60Z", "1991-01-01T00:00:00.000Z"),
        ("1990-12-31T23:59:60.25z", "1991-01-01T00:00:00.250Z"),
        # Of RFC 3339, section 5.8.
        ("1990-12-31T15:59:60-08:00", "1991-01-01T00:00:00.000Z"),
        ("1937-01-01T12:00:27.87+00:20", "1937-01-01T11:40:27.870Z"),
        ("1900-01-01T00:00:00Z", "1900-01-01T00:00:00.000Z"),
        ("1899-12-31T19:00:00-05:00", "1900-01-01T00:00:00.000Z"),
        ("9998-12-31T23:59:59.999Z", "9998-12-31T23:59:59.999Z"),
        ("9999-01-01T13:59:59+14:00", "9998-12-31T23:59:59.000Z"),
    ],
)
def test_a_time_is_read_in_every_spelling_that_the_standard_allows(text: str, shown: str) -> None:
    assert iso(parse(text)) == shown


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2026-01-01", "20260101", "2026-01-01-05:00", "2026-01-01T", "2026-01-01T24:00:00.001Z", "2026-01-01T24:01Z",
     "2026-01-01T12:00:60Z", "2026-01-01T23:59:60+01:00", "2026-01-01T23:59:61Z", "2026-02-29T00:00:00Z",
     "2026-02-29T24:00:00Z", "2026-01-01T12:00:00+25:00", "٢٠٢٦-01-01T12:00:00z", "2026-01-01T12:00:00Z\n", "1767268800"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=FORM):
        parse(text)


@pytest.mark.parametrize(
    "text",
    ["0001-01-01T00:00:00+14:00", "1899-12-31T23:59:59.999Z", "1900-01-01T00:00:00+00:01", "9999-01-01T00:00:00Z",
     "9998-12-31T24:00:00Z", "9998-12-31T23:59:60Z", "9998-12-31T23:59:59-00:01", "9999-12-31T11:59:60-12:00"],
)  # fmt: skip
def test_a_time_outside_the_range_in_utc_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=RANGE):
        parse(text)


@given(st.datetimes(timezones=st.just(UTC) | st.none() | OFFSETS))
def test_whatever_is_read_is_rendered_as_it_was_meant(moment: datetime) -> None:
    in_utc = moment.replace(tzinfo=moment.tzinfo or UTC) - to_datetime(0)
    if not timedelta(milliseconds=START_OF_TIME) <= in_utc < timedelta(milliseconds=END_OF_TIME):
        with pytest.raises(ValueError, match=RANGE):
            parse(moment.isoformat())
        return
    shown = datetime.fromisoformat(iso(parse(moment.isoformat())))
    assert shown - to_datetime(0) == in_utc - in_utc % timedelta(milliseconds=1)


@given(st.integers(START_OF_TIME, END_OF_TIME - 1), st.sampled_from(ZONES))
def test_every_instant_of_the_range_is_rendered_in_every_zone(instant: int, zone: str) -> None:
    assert parse(iso(instant)) == instant
    assert to_datetime(instant, ZoneInfo(zone)) - to_datetime(0) == timedelta(milliseconds=instant)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12", "UTC"])
@pytest.mark.parametrize("instant", [-(2**63), -62_135_646_200_000, 253_402_300_799_999, 253_402_300_800_000, 2**63])
def test_an_instant_that_was_stored_outside_the_range_is_rendered_all_the_same(instant: int, zone: str) -> None:
    assert len(iso(instant)) == len("2026-01-01T12:00:00.000Z")
    assert len(to_datetime(instant, ZoneInfo(zone)).isoformat()[:19]) == 19


@pytest.mark.parametrize(
    ("start", "end", "fields"),
    [
        ("0001-01-01", "9999-12-31", ["from", "to"]),
        ("1899-12-31", "9999-01-01", ["from", "to"]),
        ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", ["from", "to"]),
        ("1900-01-01", "9998-12-31", []),
        ("1900-01-01t00:00:00z", "9998-12-31T23:59:59.999Z", []),
        ("2026-01-01T24:00:00Z", "2026-01-01T23:59:60Z", []),
        ("2026-01-02", "2026-01-01", ["to"]),
        ("", "x", ["from", "to"]),
    ],
)
def test_bounds_outside_the_range_name_their_field(start: str, end: str, fields: list[str]) -> None:
    bounds = DateBounds("from", "to")
    if not fields:
        found = bounds.parse(start, end)
        assert found.start is not None
        assert found.end is not None
        assert START_OF_TIME <= found.start < found.end <= END_OF_TIME
        return
    with pytest.raises(Invalid) as refused:
        bounds.parse(start, end)
    assert [each.field for each in refused.value.fields] == fields


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])
@given(day=st.dates())
def test_a_day_in_any_zone_is_a_range_or_refused(zone: str, day: datetime) -> None:
    try:
        found = DateBounds("from", "to", ZoneInfo(zone)).parse(day.isoformat(), day.isoformat())
    except Invalid:
        assert day.year in {*range(1, 1901), 9998, 9999}
    else:
        assert found.start is not None
        assert found.end == found.start + DAY or day.year < 2000


def test_a_steady_clock_goes_on_where_another_is_set_back() -> None:
    clock = FakeClock()
    steady = SteadyClock(clock)
    shown = [steady()]
    for seconds in (1, -3600, 1, 0, -1, 2):
        clock.advance(seconds=seconds)
        shown.append(steady())

    assert [each - NOON for each in shown] == [0, 1000, 1000, 2000, 2000, 2000, 4000]


def test_a_field_that_is_left_out_has_no_error() -> None:
    errors: list[FieldError] = []

    assert [parse_instant(errors, "at", text) for text in (None, "2026-01-01T12:00:00Z", "then")] == [None, NOON, None]
    assert errors == [FieldError("at", FORM)]
