"""Numbers that lie a hair beyond a bound, and scores that are odd."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.courses.completion import COMPLETE, Completion, EngagementMetrics, Evidence, Rule, percent_by_rule
from headway.measures import cut_share, reaches, score_percent, settle_score

numbers = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("score", "max_score", "percent"),
    [
        (0.1 + 0.2, 0.3, 100.0),
        (53, 50, 100.0),
        (-0.25, 10, 0.0),
        (0, 0, None),
        (5, 0, None),
        (1, -1, None),
        (37, 50, 74.0),
        (5e-324, 5e-324, 100.0),
        (1e300, 1e-300, 100.0),
        (-1e300, 1e-300, 0.0),
    ],
)
def test_every_score_has_its_percent(score: float, max_score: float, percent: float | None) -> None:
    assert score_percent(score, max_score) == percent


@given(numbers, numbers)
def test_a_percent_of_any_numbers_lies_within_its_bounds(score: float, max_score: float) -> None:
    percent = score_percent(score, max_score)

    assert (percent is None) == (max_score <= 0)
    assert percent is None or 0 <= percent <= 100


@pytest.mark.parametrize(
    ("score", "max_score", "settled"),
    [
        (0.1 + 0.2, 0.3, 0.3),
        (50.00000000000001, 50, 50),
        (0.3 - 3 * 0.1, 10, 0),
        (49.9999999, 50, 49.9999999),
        (50.0000001, 50, None),
        (-0.0000001, 50, None),
        (5e-324, 5e-324, 5e-324),
        (float("inf"), 50, None),
        (float("nan"), 50, None),
    ],
)
def test_only_an_error_of_fractions_is_forgiven_at_the_bounds_of_a_score(
    score: float, max_score: float, settled: float | None
) -> None:
    assert settle_score(score, max_score) == settled


def test_a_score_of_minus_zero_is_shown_as_zero() -> None:
    assert str(settle_score(-0.0, 10)) == "0.0"


def test_a_share_is_cut_to_a_hundred() -> None:
    assert [cut_share(percent) for percent in (-0.0, 0.5, 100, 100.0349, 100.5)] == [0, 0.5, 100, 100, 100]
    assert str(cut_share(-0.0)) == "0.0"


@pytest.mark.parametrize("whole", range(1, 101))
def test_a_quiz_is_passed_with_exactly_the_percent_that_it_takes(whole: int) -> None:
    # 57 / 100 * 100 is 56.99999999999999.
    for score, max_score in ((whole, 100), (whole / 100, 1), (whole * 0.1, 10)):
        percent = score_percent(score, max_score)
        assert percent_by_rule(Completion(Rule.QUIZ, whole), Evidence(quiz_score_percent=percent), 0) == COMPLETE


def test_what_misses_a_threshold_by_more_than_an_error_does_not_reach_it() -> None:
    almost = Evidence(EngagementMetrics(video_watch_percentage=94.9999999))

    assert percent_by_rule(Completion(Rule.VIDEO, 95), almost, 0) == COMPLETE - 1
    assert not reaches(59.999_999_9, 60)
