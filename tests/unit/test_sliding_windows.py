"""So many times within any stretch of time, and no time more."""

from hypothesis import given
from hypothesis import strategies as st

from headway.instants import MINUTE, SECOND
from headway.limits.sliding_window import Standing, slide


@given(limit=st.integers(1, 5), steps=st.lists(st.integers(0, 40), max_size=40))
def test_no_stretch_has_more_than_the_limit_and_nothing_is_refused_without_need(limit: int, steps: list[int]) -> None:
    now, kept, let_through = 0, list[int](), list[int]()
    for step in steps:
        now += step * SECOND
        recent = [at for at in let_through if at > now - MINUTE]
        kept, standing = slide(kept, now, limit=limit, window=MINUTE)

        assert standing.is_let_through is (len(recent) < limit)
        if standing.is_let_through:
            let_through.append(now)
            recent.append(now)
        assert (kept, standing.left) == (recent, limit - len(recent))
        assert standing.opens_in == recent[0] + MINUTE - now


def test_after_the_time_told_there_is_one_more() -> None:
    kept, _ = slide([], 0, limit=1, window=MINUTE)
    kept, refused = slide(kept, 1, limit=1, window=MINUTE)
    assert refused == Standing(False, 0, MINUTE - 1)
    assert refused.opens_in_seconds == 60

    assert slide(kept, 1 + refused.opens_in, limit=1, window=MINUTE)[1].is_let_through


def test_times_of_a_clock_that_is_ahead_count_and_keep_nobody_out_for_longer_than_the_window() -> None:
    _, standing = slide([10 * MINUTE], 0, limit=1, window=MINUTE)

    assert standing == Standing(False, 0, MINUTE)


def test_where_the_limit_was_lowered_so_many_have_to_pass_that_one_is_let_through() -> None:
    kept, standing = slide([0, 10 * SECOND, 20 * SECOND], 30 * SECOND, limit=2, window=MINUTE)

    assert (kept, standing) == ([0, 10 * SECOND, 20 * SECOND], Standing(False, 0, 40 * SECOND))
