"""When a unit is complete, how much of it is reached before, and how evidence merges."""

from fractions import Fraction
from functools import reduce
from itertools import permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.contracts.learner import course_wire, mapping
from headway.courses.completion import (
    COMPLETE,
    NO_EVIDENCE,
    Completion,
    Declaration,
    EngagementMetrics,
    Evidence,
    Rule,
    percent_of_course,
    percent_of_unit,
)
from headway.instants import SECOND
from headway.learning.model import ActivityType, Event
from headway.services import course_limits
from headway.settings import Settings


def scrolled(depth: float) -> Evidence:
    return Evidence(engagement_metrics=EngagementMetrics(scroll_depth=depth))


def watched(share: float) -> Evidence:
    return Evidence(engagement_metrics=EngagementMetrics(video_watch_percentage=share))


def scored(percent: float) -> Evidence:
    return Evidence(quiz_score_percent=percent)


@pytest.mark.parametrize(
    ("completion", "evidence", "studied", "percent"),
    [
        (Completion(Rule.MANUAL), NO_EVIDENCE, 0, 0),
        (Completion(Rule.MANUAL), Evidence(is_marked_complete=True), 0, COMPLETE),
        (Completion(Rule.VIEWED), NO_EVIDENCE, 0, 0),
        (Completion(Rule.VIEWED), Evidence(is_viewed=True), 0, COMPLETE),
        (Completion(Rule.TIME, 60), NO_EVIDENCE, 0, 0),
        (Completion(Rule.TIME, 60), NO_EVIDENCE, 30 * SECOND, 5_000),
        (Completion(Rule.TIME, 60), NO_EVIDENCE, 60 * SECOND - 1, COMPLETE - 1),
        (Completion(Rule.TIME, 60), NO_EVIDENCE, 60 * SECOND, COMPLETE),
        (Completion(Rule.TIME, 60), NO_EVIDENCE, 61 * SECOND, COMPLETE),
        (Completion(Rule.SCROLL, 80), NO_EVIDENCE, 0, 0),
        (Completion(Rule.SCROLL, 80), scrolled(40), 0, 5_000),
        (Completion(Rule.SCROLL, 80), scrolled(79.999), 0, COMPLETE - 1),
        (Completion(Rule.SCROLL, 80), scrolled(80), 0, COMPLETE),
        (Completion(Rule.VIDEO, 95), NO_EVIDENCE, 0, 0),
        (Completion(Rule.VIDEO, 95), watched(28.5), 0, 3_000),
        (Completion(Rule.VIDEO, 95), watched(94.999), 0, COMPLETE - 1),
        (Completion(Rule.VIDEO, 95), watched(95), 0, COMPLETE),
        (Completion(Rule.VIDEO, 95), watched(100), 0, COMPLETE),
        (Completion(Rule.QUIZ, 50), NO_EVIDENCE, 0, 0),
        (Completion(Rule.QUIZ, 50), scored(25), 0, 5_000),
        (Completion(Rule.QUIZ, 50), scored(49.999), 0, COMPLETE - 1),
        (Completion(Rule.QUIZ, 50), scored(50), 0, COMPLETE),
    ],
)
def test_the_percent_is_the_share_reached_of_the_threshold(
    completion: Completion, evidence: Evidence, studied: int, percent: int
) -> None:
    assert percent_of_unit(completion, evidence, studied) == percent


EVERYTHING = Evidence(EngagementMetrics(100, 100, 1000), quiz_score_percent=100, is_viewed=True, is_marked_complete=True)


@pytest.mark.parametrize(
    ("completion", "all_but_its_own"),
    [
        (Completion(Rule.MANUAL), msgspec.structs.replace(EVERYTHING, is_marked_complete=False)),
        (Completion(Rule.VIEWED), msgspec.structs.replace(EVERYTHING, is_viewed=False)),
        (Completion(Rule.SCROLL, 80), msgspec.structs.replace(EVERYTHING, engagement_metrics=EngagementMetrics(None, 100, 9))),
        (Completion(Rule.VIDEO, 95), msgspec.structs.replace(EVERYTHING, engagement_metrics=EngagementMetrics(100, None, 9))),
        (Completion(Rule.QUIZ, 50), msgspec.structs.replace(EVERYTHING, quiz_score_percent=None)),
    ],
)
def test_a_rule_heeds_its_own_evidence_alone(completion: Completion, all_but_its_own: Evidence) -> None:
    assert percent_of_unit(completion, all_but_its_own, 1000 * SECOND) == 0


def test_the_time_rule_heeds_study_time_alone() -> None:
    assert percent_of_unit(Completion(Rule.TIME, 60), EVERYTHING, 0) == 0


def test_a_unit_is_completed_by_hand_unless_it_says_otherwise() -> None:
    assert Completion() == Completion(Rule.MANUAL, None)


def test_a_video_without_a_threshold_is_complete_at_95_percent() -> None:
    unit = course_wire.UnitBody("Film", completion=course_wire.Completion(Rule.VIDEO))
    body = course_wire.CourseBody("Course", modules=[course_wire.ModuleBody("Module", units=[unit])])
    course = mapping.new_course(body, course_limits(Settings()))

    assert course.modules[0].units[0].completion == Completion(Rule.VIDEO, 95.0)


hundredths = st.integers(0, 10_000)


@given(reached=hundredths, threshold=st.integers(1, 10_000))
def test_a_percent_is_cut_and_not_rounded(reached: int, threshold: int) -> None:
    completion = Completion(Rule.SCROLL, threshold / 100)

    exact = Fraction(reached * COMPLETE, threshold)

    assert percent_of_unit(completion, scrolled(reached / 100), 0) == min(int(exact), COMPLETE)


@given(studied=st.integers(0, 4_000_000), threshold=st.integers(1, 3_600))
def test_a_share_of_study_time_is_cut_and_not_rounded(studied: int, threshold: int) -> None:
    exact = Fraction(studied * COMPLETE, threshold * SECOND)

    assert percent_of_unit(Completion(Rule.TIME, threshold), NO_EVIDENCE, studied) == min(int(exact), COMPLETE)


@pytest.mark.parametrize(
    ("percents", "percent_of_all"),
    [([], 0), ([0, 0], 0), ([COMPLETE, 0, 0], 3_333), ([COMPLETE, COMPLETE, 0], 6_666), ([COMPLETE, COMPLETE], COMPLETE)],
)
def test_the_percent_of_a_course_is_the_mean_of_its_required_units_cut(percents: list[int], percent_of_all: int) -> None:
    assert percent_of_course(sum(percents), len(percents)) == percent_of_all


def test_a_course_is_not_at_100_percent_before_its_last_unit_is() -> None:
    assert percent_of_course(999 * COMPLETE + COMPLETE - 1, 1000) == COMPLETE - 1


some_metrics = st.builds(
    EngagementMetrics,
    st.none() | hundredths.map(lambda n: n / 100),
    st.none() | hundredths.map(lambda n: n / 100),
    st.none() | st.integers(0, 100),
)
some_evidence = st.builds(
    Evidence, st.none() | some_metrics, st.none() | hundredths.map(lambda n: n / 100), st.booleans(), st.booleans()
)


@given(some_evidence, some_evidence)
def test_evidence_merges_alike_in_either_order(mine: Evidence, theirs: Evidence) -> None:
    assert msgspec.json.encode(mine.merge(theirs)) == msgspec.json.encode(theirs.merge(mine))


@given(some_evidence, some_evidence, some_evidence)
def test_evidence_merges_alike_in_any_grouping(one: Evidence, two: Evidence, three: Evidence) -> None:
    assert one.merge(two).merge(three) == one.merge(two.merge(three))


@given(some_evidence, some_evidence)
def test_evidence_that_is_merged_again_changes_nothing(mine: Evidence, theirs: Evidence) -> None:
    merged = mine.merge(theirs)

    assert merged.merge(theirs) == merged.merge(mine) == merged


def test_merging_keeps_the_larger_of_each_part_by_itself() -> None:
    first = Evidence(EngagementMetrics(90, 10, None), quiz_score_percent=40, is_viewed=True)
    second = Evidence(EngagementMetrics(20, 70, 3), quiz_score_percent=80)

    assert first.merge(second) == Evidence(EngagementMetrics(90, 70, 3), quiz_score_percent=80, is_viewed=True)


def test_an_event_of_each_type_gives_only_the_evidence_that_it_is() -> None:
    evidence = {kind: Event("e", kind, 1).evidence for kind in ActivityType}

    assert {kind for kind, found in evidence.items() if found.is_viewed} == {ActivityType.UNIT_VIEW}
    assert {kind for kind, found in evidence.items() if found.is_marked_complete} == {ActivityType.UNIT_COMPLETE}


def test_of_several_declarations_the_one_that_reaches_furthest_is_named_in_any_order() -> None:
    first, later, other = Declaration(7, 1_000), Declaration(7, 2_000), Declaration(8, 1_000)
    declared = [
        Evidence(declared_percent=4_000, declaration=later),
        Evidence(declared_percent=4_000, declaration=first),
        Evidence(declared_percent=4_000, declaration=other),
        Evidence(declared_percent=2_000, declaration=Declaration(6, 500)),
        Evidence(reported_seconds=30),
    ]

    for order in permutations(declared):
        assert reduce(Evidence.merge, order).declaration == first
    complete = Evidence(is_declared_complete=True, declared_percent=1_000, declaration=Declaration(9, 9_000))
    assert reduce(Evidence.merge, [*declared, complete]).declaration == complete.declaration
