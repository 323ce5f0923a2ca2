"""What was played of a video is the union of segments, in one form, whatever clients send and in whatever order."""

from collections import Counter
from fractions import Fraction
from functools import reduce
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.contracts.activity_tracking.mapping import decode_track
from headway.courses.completion import (
    COMPLETE,
    NO_EVIDENCE,
    Completion,
    EngagementMetrics,
    Evidence,
    Rule,
    decode_evidence,
    encode_evidence,
    percent_by_rule,
)
from headway.courses.video import PARTS, Playback, Segment, encode_segments, played
from headway.learning.model import Event
from headway.settings import Settings

LARGEST_FORM = 1_700


def playback(duration: float, *segments: Segment) -> Playback:
    found = played(encode_segments(segments), duration)
    assert found is not None
    return found


def event(duration: float | None, *segments: Segment, **given: Any) -> Event:
    told = [(start, end) for start, end in segments if start < end]
    metrics = {"video_segments": told, "video_duration_seconds": duration}
    body = {"activity_type": "video_progress", "course_id": 7, "unit_id": 9, "engagement_metrics": metrics, **given}
    return decode_track(msgspec.json.encode(body), Settings(), str)


@pytest.mark.parametrize(
    ("segments", "watched", "reached"),
    [
        ([(0.0, 60.0)], 10_000, 10_000),
        ([(0.0, 30.0)], 5_000, 5_000),
        ([(30.0, 60.0)], 5_000, 10_000),
        ([(0.0, 30.0), (30.0, 60.0)], 10_000, 10_000),
        ([(0.0, 20.0), (10.0, 30.0)], 5_000, 5_000),
        ([(0.0, 6.0), (48.0, 54.0)], 2_000, 9_000),
        ([(0.0, 59.998)], 10_000, 10_000),
        ([(0.0, 59.99)], 9_998, 9_998),
        ([(54.0, 60.4)], 1_000, 10_000),
        ([(61.0, 90.0)], 0, 0),
        ([(12.0001, 12.0002)], 0, 0),
    ],
)
def test_a_share_is_that_of_the_union_and_ends_with_the_video(segments: list[Segment], watched: int, reached: int) -> None:
    found = playback(60.0, *segments)

    assert (found.watched, found.reached) == (watched, reached)


def test_segments_are_told_in_seconds_and_of_many_the_longest() -> None:
    found = playback(60.0, (50.0, 54.0), (0.0, 12.5), (12.5, 20.0), (30.0, 31.0))

    assert found.segments(9) == [(0.0, 20.0), (30.0, 31.0), (50.0, 54.0)]
    assert found.segments(2) == [(0.0, 20.0), (50.0, 54.0)]
    assert found.seconds(found.watched) == 25.0


def test_without_a_duration_or_segments_nothing_is_known_of_a_share() -> None:
    assert played(encode_segments([(0.0, 1.0)]), None) is None
    assert played(None, 60.0) is None
    assert played(encode_segments([(0.0, 1.0)]), 0.0) is None


durations = st.floats(0.001, 86_400)
instants = st.floats(0, 86_400)


def segments_within(positions: st.SearchStrategy[float], min_size: int = 0) -> st.SearchStrategy[list[Segment]]:
    pairs = st.tuples(positions, positions).map(lambda pair: (min(pair), max(pair)))
    return st.lists(pairs, min_size=min_size, max_size=12)


some_segments = segments_within(instants)
playbacks = st.builds(lambda duration, segments: playback(duration, *segments), durations, some_segments)


@given(duration=st.floats(1, 5_000), data=st.data())
def test_the_share_is_that_of_the_exact_union_within_half_a_second_at_each_gap(duration: float, data: st.DataObject) -> None:
    segments = data.draw(segments_within(st.floats(0, duration), min_size=1))
    runs: list[list[Fraction]] = []
    for start, end in sorted((Fraction(start), Fraction(end)) for start, end in segments):
        if runs and start <= runs[-1][1]:
            runs[-1][1] = max(end, runs[-1][1])
        else:
            runs.append([start, end])
    exact = sum(end - start for start, end in runs)

    found = playback(duration, *segments)

    assert abs(Fraction(found.watched, PARTS) * Fraction(duration) - exact) <= Fraction(1, 2) * len(runs)
    ends = [end for start, end in runs if end - start > Fraction(duration) / PARTS]
    assert max(ends, default=0) - Fraction(1, 2) <= Fraction(found.reached, PARTS) * Fraction(duration)
    assert Fraction(found.reached, PARTS) * Fraction(duration) <= runs[-1][1] + Fraction(1, 2)


@settings(deadline=None)
@given(duration=durations, segments=some_segments, data=st.data())
def test_any_split_and_order_of_what_was_played_ends_in_the_same_form(
    duration: float, segments: list[Segment], data: st.DataObject
) -> None:
    pieces: list[Segment] = []
    for start, end in segments:
        cuts = data.draw(st.lists(st.floats(start, end), max_size=6))
        pieces += pairwise(sorted([start, *cuts, end]))
    shuffled = data.draw(st.permutations(pieces))
    size = data.draw(st.integers(1, 9))
    sent = [event(duration, *shuffled[at : at + size]) for at in range(0, len(shuffled), size)]

    merged = reduce(Evidence.merge, [each.evidence for each in sent], NO_EVIDENCE)

    assert encode_evidence(merged) == encode_evidence(event(duration, *segments).evidence)


@given(playbacks, playbacks, playbacks)
def test_unions_are_alike_in_any_order_and_grouping(one: Playback, two: Playback, three: Playback) -> None:
    assert one.merge(two) == two.merge(one)
    assert one.merge(two).merge(three) == one.merge(two.merge(three))
    assert one.merge(two).merge(two).parts == one.merge(two).parts


@given(st.lists(playbacks, min_size=1, max_size=5))
def test_what_two_reports_have_in_common_was_played_again(reports: list[Playback]) -> None:
    merged = reduce(Playback.merge, reports)

    counts = Counter(part for each in reports for first, end in each.runs() for part in range(first, end))
    within = {part for each in reports for first, end in each.runs(again=True) for part in range(first, end)}
    again = {part for part, count in counts.items() if count > 1} | within
    assert {part for first, end in merged.runs() for part in range(first, end)} == counts.keys()
    assert {part for first, end in merged.runs(again=True) for part in range(first, end)} == again


def test_segments_of_one_report_that_overlap_were_played_again() -> None:
    found = playback(100.0, (0.0, 40.0), (30.0, 50.0), (45.0, 60.0))

    assert found.runs() == [(0, 6_000)]
    assert found.runs(again=True) == [(3_000, 4_000), (4_500, 5_000)]


@given(playbacks, playbacks)
def test_a_share_never_falls_whatever_duration_is_reported_next(one: Playback, two: Playback) -> None:
    merged = one.merge(two)

    assert merged.watched >= max(one.watched, two.watched)
    assert merged.reached == max(one.reached, two.reached)


def test_what_was_played_takes_few_bytes_whatever_is_sent() -> None:
    every_other = [(part + 0.25, part + 0.75) for part in range(0, PARTS, 2)]
    whole = playback(PARTS, *every_other)

    merged = NO_EVIDENCE
    for at in range(0, len(every_other), 200):
        merged = merged.merge(event(PARTS, *every_other[at : at + 200]).evidence)
        assert len(encode_evidence(merged)) < LARGEST_FORM + 100

    assert merged.video == whole
    assert (whole.watched, whole.reached) == (5_000, 9_999)
    assert decode_evidence(encode_evidence(merged)) == merged
    assert merged.video.merge(playback(PARTS, (0, PARTS))).parts == ((0, PARTS),)
    assert len(whole.segments(200)) == 200


@given(playbacks)
def test_the_form_depends_on_the_number_of_runs_alone(found: Playback) -> None:
    runs = found.segments(PARTS)

    assert isinstance(found.parts, str) == (len(runs) > 64)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Playback) == found


def test_the_share_of_a_unit_is_the_larger_of_the_reported_one_and_that_of_the_segments() -> None:
    first, second = event(60.0, (0.0, 30.0)).evidence, event(60.0, (30.0, 45.0)).evidence
    reported = Evidence(EngagementMetrics(video_watch_percentage=60.0, scroll_depth=5.0))
    film = Completion(Rule.VIDEO, 90.0)

    assert first.engagement_metrics == EngagementMetrics(video_watch_percentage=50.0)
    assert first.merge(reported).engagement_metrics == EngagementMetrics(5.0, 60.0)
    assert first.merge(reported).merge(second).engagement_metrics == EngagementMetrics(5.0, 75.0)
    assert percent_by_rule(film, first.merge(second), 0) == 8_333
    assert percent_by_rule(film, first.merge(second).merge(event(61.0, (44.0, 61.0)).evidence), 0) == COMPLETE


def test_an_event_without_a_unit_or_a_duration_leaves_no_share() -> None:
    assert event(60.0, (0.0, 30.0), unit_id=None).evidence == NO_EVIDENCE
    assert event(None, (0.0, 30.0)).evidence == NO_EVIDENCE
    assert event(60.0).evidence == NO_EVIDENCE
