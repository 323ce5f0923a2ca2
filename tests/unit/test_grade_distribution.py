"""How grades are distributed, against the statistics of the standard library."""

from collections import Counter
from statistics import fmean, median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.assessments.model import (
    BINS,
    CourseAssessment,
    GradeCount,
    GradeDistribution,
    Work,
    distribute,
    summarize_work,
)
from headway.courses.model import Assessment

DUE, NOW = 1_000, 2_000


@given(st.lists(st.integers(0, 40).map(lambda quarters: quarters / 2), min_size=1), st.sampled_from([20.0, 25.0, 1000.0]))
def test_the_figures_are_those_of_the_single_grades(grades: list[float], max_grade: float) -> None:
    found = distribute(Counter(grades), max_grade)

    assert found.total == len(grades) == sum(found.bins)
    assert (found.lowest, found.highest) == (min(grades), max(grades))
    assert found.mean == pytest.approx(fmean(grades))
    assert found.median == median(grades)
    for number, count in enumerate(found.bins):
        low, high = number / BINS * max_grade, (number + 1) / BINS * max_grade
        assert count == sum(low <= each < high or (each == max_grade and number == BINS - 1) for each in grades)


def test_no_grades_have_no_figures() -> None:
    assert distribute({}, 100) == GradeDistribution((0,) * 10, 0, 0, 0, 0, 0)


def test_a_grade_from_before_the_largest_one_was_lowered_is_in_the_last_bin() -> None:
    assert distribute({90: 2, 0: 1}, 50).bins == (1, 0, 0, 0, 0, 0, 0, 0, 0, 2)


def test_who_left_is_not_missing_and_has_work() -> None:
    counts = [
        GradeCount(is_graded=False, is_late=True, grade=None, learners=2),
        GradeCount(is_graded=True, is_late=False, grade=50, learners=1),
        GradeCount(is_graded=True, is_late=False, grade=None, learners=1),
    ]

    summary = summarize_work(counts, 100, enrolled=5, left=1)

    assert (summary.to_grade, summary.graded, summary.late, summary.missing, summary.handed_in) == (2, 2, 2, 2, 4)
    assert summary.grades.total == 1
    assert {work: summary.size_of(work) for work in Work} == {
        Work.ALL: 6,
        Work.TO_GRADE: 2,
        Work.MISSING: 2,
        Work.GRADED: 2,
        Work.LATE: 2,
    }


def test_what_waits_to_be_graded_comes_first_then_what_is_due_next() -> None:
    def assessment(name: str, due_at: int | None, to_grade: int) -> CourseAssessment:
        waiting = [GradeCount(is_graded=False, is_late=False, grade=None, learners=to_grade)] if to_grade else []
        stored = Assessment(1, 1, name, None, due_at, 100, 0, is_retired=False)
        return CourseAssessment(stored, summarize_work(waiting, 100, enrolled=5, left=0))

    in_order = [
        assessment("overdue, to grade", DUE, 1),
        assessment("to grade, due", NOW + 1, 1),
        assessment("to grade", None, 1),
        assessment("due next", NOW + 1, 0),
        assessment("due later", NOW + 2, 0),
        assessment("never due", None, 0),
        assessment("done", DUE, 0),
    ]

    shuffled = [in_order[n] for n in (3, 6, 0, 5, 2, 4, 1)]
    assert sorted(shuffled, key=lambda each: each.urgency(NOW)) == in_order
