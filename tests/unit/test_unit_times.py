"""The times of units: which instants and which parts of spans lie within them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.courses.times import ALWAYS, Lock, Times
from headway.instants import DAY

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
