"""What explains progress: what is missing, in exact amounts, and how the percent of a course is computed."""

import pytest
from msgspec.structs import replace

from headway.courses.completion import (
    COMPLETE,
    NO_EVIDENCE,
    Completion,
    EngagementMetrics,
    Evidence,
    Rule,
    missing_for,
    percent_by_rule,
)
from headway.courses.model import Unit
from headway.courses.structure import CourseStructure
from headway.courses.times import Lock, Times
from headway.courses.video import encode_segments, played
from headway.learning.explanation import calculation, explain
from headway.learning.unit_progress import UnitProgress, UnitStatus

NOW = 1_800_000_000_000


def unit(unit_id: int, completion: Completion, *, is_required: bool = True, is_retired: bool = False) -> Unit:
    return Unit(unit_id, 1, 1, f"Unit {unit_id}", None, None, unit_id, is_required, completion, is_retired)


def timed(unit_id: int, completion: Completion, times: Times) -> Unit:
    return replace(unit(unit_id, completion), times=times)


def course(*units: Unit, is_sequential: bool = False) -> CourseStructure:
    required = frozenset(each.id for each in units if each.counts)
    return CourseStructure(1, "Course", 1, frozenset({1}), {each.id: each for each in units}, required, is_sequential)


def progress(unit_id: int, completion: Completion, evidence: Evidence = NO_EVIDENCE, study_ms: int = 0) -> UnitProgress:
    made = UnitProgress(1, 1, unit_id, None, True, False, 0, study_ms, evidence, None, 0, None, 0, 0)
    made.grade(completion, 0)
    return made


def scrolled(depth: float) -> Evidence:
    return Evidence(EngagementMetrics(scroll_depth=depth))


def watched(share: float) -> Evidence:
    return Evidence(EngagementMetrics(video_watch_percentage=share))


def watched_from(start: float, end: float) -> Evidence:
    return NO_EVIDENCE.merge(Evidence(video=played(encode_segments([(start, end)]), 60.0)))


@pytest.mark.parametrize(
    ("completion", "evidence", "study_ms", "missing"),
    [
        (Completion(Rule.MANUAL), NO_EVIDENCE, 0, "marking the unit complete"),
        (Completion(Rule.VIEWED), NO_EVIDENCE, 0, "viewing the unit"),
        (Completion(Rule.TIME, 180), NO_EVIDENCE, 60_000, "120 more seconds of study"),
        (Completion(Rule.TIME, 180), NO_EVIDENCE, 179_999, "1 more second of study"),
        (Completion(Rule.TIME, 0.5), NO_EVIDENCE, 0, "1 more second of study"),
        (Completion(Rule.SCROLL, 80), NO_EVIDENCE, 0, "80 more percent of scroll depth"),
        (Completion(Rule.SCROLL, 80), scrolled(68), 0, "12 more percent of scroll depth"),
        (Completion(Rule.SCROLL, 80), scrolled(79.7), 0, "0.3 more percent of scroll depth"),
        (Completion(Rule.SCROLL, 80), scrolled(79.999), 0, "0.01 more percent of scroll depth"),
        (
            Completion(Rule.VIDEO, 95),
            Evidence(EngagementMetrics(video_watch_percentage=90.5)),
            0,
            "4.5 more percent of the video",
        ),
        (Completion(Rule.VIDEO, 95), watched_from(0, 30), 0, "45 more percent of the video (27 more seconds)"),
        (Completion(Rule.VIDEO, 95), watched_from(0, 56.994), 0, "0.01 more percent of the video (1 more second)"),
        (Completion(Rule.QUIZ, 50), Evidence(quiz_score_percent=37.5), 0, "12.5 more percent of the quiz score"),
    ],
)
def test_what_is_missing_is_told_exactly(completion: Completion, evidence: Evidence, study_ms: int, missing: str) -> None:
    assert missing_for(completion, evidence, study_ms) == missing


@pytest.mark.parametrize("hundredths", range(1, 8_000, 37))
def test_what_is_missing_is_enough(hundredths: int) -> None:
    completion, depth = Completion(Rule.SCROLL, 80), 80 - hundredths / 100
    amount = float(missing_for(completion, scrolled(depth), 0).split()[0])

    assert percent_by_rule(completion, scrolled(round(depth + amount, 9)), 0) == COMPLETE


def test_the_percent_of_a_course_is_cut() -> None:
    viewed = Completion(Rule.VIEWED)
    structure = course(*(unit(number, viewed) for number in (1, 2, 3)))

    explained = explain(structure, [progress(1, viewed, Evidence(is_viewed=True))], NOW)

    assert (explained.sum_of_percents, explained.required_units, explained.percent) == (10_000, 3, 3_333)
    assert calculation(explained) == "100.00 / 3 = 33.33, cut to two decimals"


def test_a_course_without_required_units_says_so() -> None:
    explained = explain(course(unit(1, Completion(), is_required=False)), [], NOW)

    assert (explained.percent, calculation(explained)) == (0, "0.00, for no unit is required")


def test_optional_and_retired_units_do_not_count() -> None:
    manual, done = Completion(), Evidence(is_marked_complete=True)
    structure = course(
        unit(1, manual, is_retired=True), unit(2, manual, is_required=False), unit(3, manual), unit(4, manual, is_retired=True)
    )

    explained = explain(structure, [progress(number, manual, done) for number in (1, 2, 3)], NOW)

    assert [(each.unit.id, each.counted) for each in explained.units] == [(2, None), (3, 10_000), (1, None)]
    assert explained.percent == 10_000


def test_a_unit_that_was_declared_complete_counts_in_full() -> None:
    scroll = Completion(Rule.SCROLL, 80)
    declared = Evidence(EngagementMetrics(scroll_depth=40), is_declared_complete=True, declared_percent=2_500)

    (explained,) = explain(course(unit(1, scroll)), [progress(1, scroll, declared)], NOW).units

    assert (explained.percent, explained.counted, explained.met, explained.missing) == (5_000, 10_000, None, None)


def test_a_locked_unit_needs_those_before_it() -> None:
    structure = course(unit(1, Completion()), unit(2, Completion(Rule.TIME, 60)), is_sequential=True)

    first, second = explain(structure, [], NOW).units

    assert (first.status, second.status) == (UnitStatus.NOT_STARTED, UnitStatus.LOCKED)
    assert second.missing == "the required units before it, then 60 more seconds of study"


LATER, OVER = Times(opens_at=NOW + 1), Times(closes_at=NOW)


@pytest.mark.parametrize(
    ("times", "lock", "missing"),
    [
        (LATER, Lock.NOT_OPEN, "its opening: it opens at 2027-01-15T08:00:00.001Z; then viewing the unit"),
        (OVER, Lock.CLOSED, "another time: it closed at 2027-01-15T08:00:00.000Z"),
    ],
)
def test_a_unit_outside_of_its_times_is_locked_and_says_why(times: Times, lock: Lock, missing: str) -> None:
    viewed = Completion(Rule.VIEWED)

    (explained,) = explain(course(timed(1, viewed, times)), [], NOW).units

    assert (explained.status, explained.lock, explained.missing) == (UnitStatus.LOCKED, lock, missing)
    assert explained.counted == 0


def test_a_unit_that_was_begun_keeps_its_status_when_it_closes_and_a_complete_one_needs_nothing() -> None:
    scroll = Completion(Rule.SCROLL, 80)
    begun, complete = progress(1, scroll, scrolled(40)), progress(2, scroll, scrolled(80))

    first, second = explain(course(timed(1, scroll, OVER), timed(2, scroll, OVER)), [begun, complete], NOW).units

    assert (first.status, first.lock, first.percent, first.counted) == (UnitStatus.IN_PROGRESS, Lock.CLOSED, 5_000, 5_000)
    assert (second.status, second.lock, second.missing) == (UnitStatus.COMPLETED, None, None)


def test_study_outside_of_the_times_of_a_unit_is_still_missing() -> None:
    minute = Completion(Rule.TIME, 60)
    studied = progress(1, minute, Evidence(outside_ms=50_000), study_ms=70_000)

    (explained,) = explain(course(timed(1, minute, Times(opens_at=NOW - 1))), [studied], NOW).units

    assert (explained.study_ms, explained.counted_study_ms, explained.percent) == (70_000, 20_000, 3_333)
    assert explained.missing == "40 more seconds of study"


def test_hidden_units_are_explained_to_staff_and_do_not_count() -> None:
    hidden = replace(unit(1, Completion()), is_hidden=True)

    staff, learner = (explain(course(hidden, unit(2, Completion())), [], NOW, with_hidden=each) for each in (True, False))

    assert [(each.unit.id, each.counted) for each in staff.units] == [(1, None), (2, 0)]
    assert [each.unit.id for each in learner.units] == [2]
    assert staff.required_units == learner.required_units == 1
