"""So many times within any stretch of time, and no time more."""

from hypothesis import given
from hypothesis import strategies as st

from headway.instants import MINUTE, SECOND
from headway.limits.model import Decision, RateLimit, slide


@given(limit=st.integers(1, 5), steps=st.lists(st.integers(0, 40), max_size=40))
def test_no_stretch_has_more_than_the_limit_and_nothing_is_refused_without_need(limit: int, steps: list[int]) -> None:
    now, kept, allowed = 0, list[int](), list[int]()
    for step in steps:
        now += step * SECOND
        recent = [at for at in allowed if at > now - MINUTE]
        kept, decision = slide(kept, now, RateLimit("any", limit))

        assert decision.is_allowed is (len(recent) < limit)
        if decision.is_allowed:
            allowed.append(now)
            recent.append(now)
        assert (kept, decision.remaining) == (recent, limit - len(recent))
        assert decision.reset_in == recent[0] + MINUTE - now


def test_after_the_time_told_there_is_one_more() -> None:
    kept, _ = slide([], 0, RateLimit("any", 1))
    kept, refused = slide(kept, 1, RateLimit("any", 1))
    assert refused == Decision(False, 0, MINUTE - 1)
    assert refused.reset_in_seconds == 60

    assert slide(kept, 1 + refused.reset_in, RateLimit("any", 1))[1].is_allowed


def test_times_of_a_clock_that_is_ahead_count_and_keep_nobody_out_for_longer_than_the_window() -> None:
    _, decision = slide([MINUTE], 0, RateLimit("any", 1))

    assert decision == Decision(False, 0, MINUTE)


def test_times_from_before_the_clock_was_set_back_by_more_than_the_window_do_not_count() -> None:
    kept, decision = slide([MINUTE + 1, 60 * MINUTE], 0, RateLimit("any", 1))

    assert (kept, decision) == ([0], Decision(True, 0, MINUTE))


def test_where_the_limit_was_lowered_so_many_have_to_pass_that_one_is_allowed() -> None:
    kept, decision = slide([0, 10 * SECOND, 20 * SECOND], 30 * SECOND, RateLimit("any", 2))

    assert (kept, decision) == ([0, 10 * SECOND, 20 * SECOND], Decision(False, 0, 40 * SECOND))
