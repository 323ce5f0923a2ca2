"""Study time as the length of a union: compared with an oracle that marks every millisecond in a set."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.instants import DAY, HOUR
from headway.learning.study_time import Span, by_day, length, uncovered, union, unite

spans = st.lists(st.tuples(st.integers(0, 120), st.integers(0, 40)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=12)


def marked(claims: list[Span]) -> set[int]:
    """The milliseconds in which somebody studied, one by one."""
    return {millisecond for start, end in claims for millisecond in range(start, end)}


@given(spans)
def test_a_union_covers_exactly_the_milliseconds_of_its_spans(claims: list[Span]) -> None:
    assert marked(union(claims)) == marked(claims)


@given(spans)
def test_the_length_of_a_union_counts_each_millisecond_once(claims: list[Span]) -> None:
    assert length(union(claims)) == len(marked(claims))


@given(spans)
def test_a_union_is_the_fewest_spans_in_order_with_gaps_between_them(claims: list[Span]) -> None:
    merged = union(claims)

    assert all(start < end for start, end in merged)
    assert all(earlier[1] < later[0] for earlier, later in pairwise(merged))


@given(spans, st.randoms(use_true_random=False))
def test_a_union_does_not_depend_on_the_order_or_the_number_of_times_of_its_spans(claims: list[Span], random: Random) -> None:
    shuffled = [*claims, *random.sample(claims, len(claims) // 2)]
    random.shuffle(shuffled)

    assert union(shuffled) == union(claims)


@given(spans, spans)
def test_uniting_piece_by_piece_is_uniting_all_at_once(first: list[Span], second: list[Span]) -> None:
    assert union([*union(first), *second]) == union([*first, *second])


@given(spans)
def test_uniting_claims_one_by_one_in_place_is_their_union(claims: list[Span]) -> None:
    merged: list[Span] = []
    for start, end in claims:
        if end > start:
            unite(merged, (start, end))

    assert merged == union(claims)


@given(spans, st.integers(0, 150), st.integers(1, 60))
def test_uniting_gives_the_time_that_is_new(claims: list[Span], start: int, long: int) -> None:
    merged, claim = union(claims), (start, start + long)

    assert unite(merged, claim) == len(marked([claim]) - marked(claims))


@given(st.lists(spans, max_size=4), st.integers(0, 150), st.integers(1, 60))
def test_what_is_uncovered_lies_in_none_of_several_unions(others: list[list[Span]], start: int, long: int) -> None:
    claim = (start, start + long)

    new = uncovered(claim, [union(claims) for claims in others])

    assert new == len(marked([claim]) - marked([span for claims in others for span in claims]))


def test_spans_that_touch_become_one() -> None:
    assert union([(10, 20), (0, 10)]) == [(0, 20)]


@pytest.mark.parametrize(
    ("claim", "merged"),
    [
        ((10, 20), [(10, 30), (40, 50)]),
        ((30, 40), [(20, 50)]),
        ((50, 60), [(20, 30), (40, 60)]),
        ((25, 45), [(20, 50)]),
        ((22, 28), [(20, 30), (40, 50)]),
        ((0, 99), [(0, 99)]),
        ((32, 38), [(20, 30), (32, 38), (40, 50)]),
    ],
)
def test_a_claim_is_joined_with_what_it_overlaps_or_touches(claim: Span, merged: list[Span]) -> None:
    spans = [(20, 30), (40, 50)]

    unite(spans, claim)

    assert spans == merged


def test_a_span_within_another_does_not_shorten_it() -> None:
    assert union([(0, 100), (10, 20)]) == [(0, 100)]


def test_a_span_over_midnight_is_cut_into_two_days() -> None:
    eleven, one = 5 * DAY + 23 * HOUR, 6 * DAY + HOUR

    assert list(by_day((eleven, one))) == [(5, (23 * HOUR, DAY)), (6, (0, HOUR))]


def test_a_span_that_ends_at_midnight_does_not_touch_the_next_day() -> None:
    assert list(by_day((6 * DAY - 1, 6 * DAY))) == [(5, (DAY - 1, DAY))]


def test_a_span_that_begins_at_midnight_does_not_touch_the_day_before() -> None:
    assert list(by_day((6 * DAY, 6 * DAY + 1))) == [(6, (0, 1))]


def test_an_empty_span_falls_on_no_day() -> None:
    assert list(by_day((5 * DAY + 7, 5 * DAY + 7))) == []


@given(st.integers(0, 10 * DAY), st.integers(0, 4 * DAY))
def test_the_parts_by_day_make_up_the_span_again(start: int, long: int) -> None:
    parts = [(day * DAY + begin, day * DAY + end) for day, (begin, end) in by_day((start, start + long))]

    assert union(parts) == ([(start, start + long)] if long else [])
    assert length(parts) == long
    assert all(begin // DAY == (end - 1) // DAY for begin, end in parts)
