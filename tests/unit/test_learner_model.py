"""The record of a learner: when units were begun, and pages of a timeline."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import Invalid
from headway.instants import DAY, HOUR, MINUTE
from headway.learning.study_time import by_day, union
from headway.reports.learner_model import Entry, Happening, Position, StudyDays, cut, first_study

MIDNIGHT = 1_793_491_200_000

claims = st.lists(
    st.tuples(st.integers(0, 3), st.integers(-2 * DAY // MINUTE, 2 * DAY // MINUTE), st.integers(1, 8 * HOUR // MINUTE)),
    max_size=8,
)


def stored(claims: list[tuple[int, int, int]]) -> StudyDays:
    """Return the study days of claims: unit, first minute, and minutes, around a midnight."""
    days: dict[int, dict[int, list[tuple[int, int]]]] = {}
    for unit, first, minutes in claims:
        start = MIDNIGHT + first * MINUTE
        for day, span in by_day((start, start + minutes * MINUTE)):
            spans = days.setdefault(day, {}).setdefault(unit, [])
            spans[:] = union([*spans, span])
    return sorted(days.items())


@given(claims)
def test_study_of_a_unit_began_with_its_first_minute(claims: list[tuple[int, int, int]]) -> None:
    expected = {unit: min(first for each, first, _ in claims if each == unit) for unit, _, _ in claims}

    assert first_study(stored(claims)) == {unit: MIDNIGHT + first * MINUTE for unit, first in expected.items()}


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abcdef")), unique=True), st.integers(1, 5))
def test_pages_of_a_timeline_are_the_whole_of_it_newest_first(keys: list[tuple[int, str]], limit: int) -> None:
    entries = [Entry(at, key, Happening.ENROLLED) for at, key in keys]
    shown: list[tuple[int, str]] = []
    before = None
    while True:
        page = cut(entries, before, limit)
        shown += [(each.at, each.key) for each in page.entries]
        assert len(page.entries) <= limit
        if page.next is None:
            break
        before = Position.parse(str(page.next))

    assert shown == sorted(keys, reverse=True)


@pytest.mark.parametrize("text", ["", "1", ".a", "1.", "x.a", "1" * 17 + ".a", "²3.a"])
def test_a_position_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as raised:
        Position.parse(text)

    assert [each.field for each in raised.value.fields] == ["before"]
