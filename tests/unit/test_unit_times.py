"""The times of units: which instants and which parts of spans lie within them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.courses.times import ALWAYS, Lock, Times
from headway.instants import DAY, START_OF_TIME

bounds = st.none() | st.integers(0, 3 * DAY)
times = st.builds(lambda a, b: Times(a, b) if a is None or b is None else Times(min(a, b), max(a, b) + 1), bounds, bounds)
spans = st.builds(lambda start, length: (start, min(start + length, DAY)), st.integers(0, DAY - 1), st.integers(1, DAY))


@pytest.mark.parametrize(
    ("times", "now", "lock"),
    [
        (ALWAYS, 5, None),
        (Times(opens_at=5), 4, Lock.NOT_OPEN),
        (Times(opens_at=5), 5, None),
        (Times(closes_at=5), 4, None),
        (Times(closes_at=5), 5, Lock.CLOSED),
        (Times(3, 5), 2, Lock.NOT_OPEN),
        (Times(3, 5), 6, Lock.CLOSED),
    ],
)
def test_a_unit_is_open_from_its_opening_on_and_before_its_closing(times: Times, now: int, lock: Lock | None) -> None:
    assert times.lock_at(now) is lock
    assert times.include(now) is (lock is None)


@given(times=times, day=st.integers(0, 2), span=spans)
def test_a_span_is_cut_into_parts_that_lie_wholly_within_the_times_or_outside(
    times: Times, day: int, span: tuple[int, int]
) -> None:
    parts = times.cut(day, [span])

    assert [start for start, _ in parts] == [span[0], *(end for _, end in parts[:-1])]
    assert parts[-1][1] == span[1]
    midnight = day * DAY
    assert all(times.include(midnight + start) is times.include(midnight + end - 1) for start, end in parts)
    within = sum(end - start for start, end in parts if times.include(midnight + start))
    assert within == times.overlap_in_day(day, [span]) == times.overlap((midnight + span[0], midnight + span[1]))


@pytest.mark.parametrize(
    ("before", "after", "since"),
    [
        ((None, None), (None, None), None),
        ((None, None), (None, 90), 90),
        ((None, None), (None, 100), None),
        ((None, 20), (None, 30), 20),
        ((None, 30), (None, 20), 20),
        ((None, 150), (None, 200), None),
        ((None, 50), (None, 200), 50),
        ((10, 50), (20, 60), 10),
        ((10, 50), (10, 60), 50),
        ((110, None), (10, None), 10),
        ((110, None), (120, None), None),
        ((None, 50), (110, 120), START_OF_TIME),
    ],
)
def test_times_differ_from_the_first_instant_at_which_one_is_open_alone(before: Any, after: Any, since: int | None) -> None:
    assert Times(*before).differs_since(Times(*after), 100) == since
    assert Times(*after).differs_since(Times(*before), 100) == since
