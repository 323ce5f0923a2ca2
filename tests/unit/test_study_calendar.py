"""Study time by local day, compared with a count of minutes, and streaks."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.instants import DAY, MINUTE
from headway.learning.study_calendar import StudyCalendar, begin_of, by_local_day, count_streak
from headway.learning.study_time import Span

ZONES = ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/Sao_Paulo", "America/Havana", "Pacific/Apia", "Pacific/Kiritimati"]
# Days around which clocks change: Berlin and Sao Paulo in October 2018, Havana in November 2018, Apia skips a day in 2011.
CHANGES = [date(2018, 10, 28), date(2018, 11, 4), date(2018, 2, 17), date(2011, 12, 30), date(2026, 1, 1)]
_MINUTES = DAY // MINUTE

spans = st.lists(
    st.tuples(st.integers(0, _MINUTES - 1), st.integers(1, 300)).map(
        lambda drawn: (drawn[0] * MINUTE, min(drawn[0] + drawn[1], _MINUTES) * MINUTE)
    ),
    max_size=4,
)


def _day(day: date) -> int:
    return (day - date(1970, 1, 1)).days


@given(
    zone=st.sampled_from(ZONES),
    around=st.sampled_from(CHANGES),
    units=st.lists(st.tuples(st.integers(-2, 2), spans, spans), max_size=4, unique_by=lambda each: each[0]),
)
def test_each_minute_of_study_counts_once_on_the_day_that_the_clock_of_the_zone_shows(
    zone: str, around: date, units: list[tuple[int, list[Span], list[Span]]]
) -> None:
    stored = [(_day(around) + offset, (first, second)) for offset, first, second in units]

    minutes = {
        day * DAY + at for day, each in stored for some in each for start, end in some for at in range(start, end, MINUTE)
    }
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    expected = Counter((epoch + timedelta(milliseconds=at)).astimezone(ZoneInfo(zone)).date() for at in minutes)

    assert by_local_day(stored, ZoneInfo(zone)) == {day: count * MINUTE for day, count in expected.items()}


def test_two_courses_at_the_same_time_count_twice_and_two_units_once() -> None:
    day = 20_000
    one_course = [(day, [[(0, MINUTE)], [(0, 2 * MINUTE)]])]
    two_courses = [(day, [[(0, MINUTE)]]), (day, [[(0, 2 * MINUTE)]])]

    assert sum(by_local_day(one_course, UTC).values()) == 2 * MINUTE
    assert sum(by_local_day(two_courses, UTC).values()) == 3 * MINUTE


def test_a_span_over_midnight_is_cut_at_the_midnight_of_the_zone() -> None:
    # 22:30 to 23:30 UTC on 2026-01-01 is 23:30 to 00:30 in Berlin.
    day, start = _day(date(2026, 1, 1)), 22 * 60 + 30
    stored = [(day, [[(start * MINUTE, (start + 60) * MINUTE)]])]

    assert by_local_day(stored, ZoneInfo("Europe/Berlin")) == {date(2026, 1, 1): 30 * MINUTE, date(2026, 1, 2): 30 * MINUTE}
    assert by_local_day(stored, UTC) == {date(2026, 1, 1): 60 * MINUTE}


def test_a_day_begins_where_a_clock_that_skips_midnight_does() -> None:
    # In Sao Paulo 2018-11-04 began at 01:00, which was 03:00 UTC.
    assert begin_of(date(2018, 11, 4), ZoneInfo("America/Sao_Paulo")) == _day(date(2018, 11, 4)) * DAY + 180 * MINUTE


@pytest.mark.parametrize(
    ("studied", "expected"),
    [
        ([], 0),
        ([0], 1),
        ([-1], 1),  # nothing yet today: yesterday's streak goes on
        ([-2], 0),
        ([0, -1, -2, -4], 3),
        ([-1, -2, -3], 3),
    ],
)
def test_a_streak_goes_on_until_a_day_without_study_is_over(studied: list[int], expected: int) -> None:
    today = date(2026, 3, 1)

    assert count_streak({today + timedelta(days=day) for day in studied}, today) == expected


def test_a_calendar_lists_every_day_and_adds_up_to_its_total() -> None:
    calendar = StudyCalendar(date(2026, 2, 27), date(2026, 3, 1), {date(2026, 2, 28): 5, date(2026, 3, 1): 7})

    assert calendar.days == [(date(2026, 2, 27), 0), (date(2026, 2, 28), 5), (date(2026, 3, 1), 7)]
    assert calendar.total == sum(length for _, length in calendar.days) == 12
    assert calendar.streak == 2
