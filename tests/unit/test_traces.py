"""Weeks with activity and states of units are sets: one text for each, whatever they were merged from."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.enrollments.traces import (
    add_weeks,
    first_day,
    is_begun,
    is_completed,
    ordinals,
    read_states,
    read_weeks,
    state_bits,
    week_of,
    write_states,
)

EPOCH = date(1970, 1, 1)
weeks = st.sets(st.integers(0, 6_700), max_size=12)


@given(st.integers(-25_567, 2_932_000))
def test_a_week_begins_on_monday(day: int) -> None:
    monday = EPOCH + timedelta(days=first_day(week_of(day)))

    assert monday.weekday() == 0
    assert monday <= EPOCH + timedelta(days=day) < monday + timedelta(days=7)


@given(weeks, weeks)
def test_weeks_are_merged_by_union_in_any_order_and_any_number_of_times(one: set[int], two: set[int]) -> None:
    merged = add_weeks(add_weeks("", one), two)

    assert read_weeks(merged) == sorted(one | two)
    assert merged == add_weeks(add_weeks("", two), one) == add_weeks(merged, one)


def test_a_year_of_weeks_is_a_short_text() -> None:
    assert len(add_weeks("", range(6_500, 6_552))) < 20
    assert add_weeks("", ()) == ""


@pytest.mark.parametrize("text", ["spoilt", "1", "1:2:3", "x:y"])
def test_what_is_no_set_of_weeks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"literal|unpack"):
        read_weeks(text)


@given(st.dictionaries(st.integers(0, 300), st.booleans(), max_size=20))
def test_states_say_which_units_were_begun_and_completed(units: dict[int, bool]) -> None:
    states = 0
    for ordinal, is_complete in units.items():
        states |= state_bits(ordinal, is_complete=is_complete)

    read = read_states(write_states(states))
    assert {ordinal for ordinal in range(301) if is_begun(read, ordinal)} == units.keys()
    assert {ordinal for ordinal in range(301) if is_completed(read, ordinal)} == {o for o, done in units.items() if done}


def test_a_unit_that_is_added_changes_no_others_number() -> None:
    assert ordinals([30, 10, 20]) == {10: 0, 20: 1, 30: 2}
    assert ordinals([40, 30, 10, 20]).items() >= ordinals([30, 10, 20]).items()
