"""The points of a learner."""

import pytest

from headway.courses.completion import Completion, Evidence, Rule
from headway.learning.points import is_quiz_passed, points


def test_each_unit_quiz_and_course_has_its_points() -> None:
    assert points(completed_units=3, passed_quizzes=2, completed_courses=1) == 170
    assert points(completed_units=0, passed_quizzes=0, completed_courses=0) == 0


PASS_HALF = Completion(Rule.QUIZ, 50)


@pytest.mark.parametrize(
    ("met", "present", "score", "is_passed"),
    [
        (PASS_HALF, PASS_HALF, 50, True),
        # Declared complete, whatever the score.
        (None, PASS_HALF, None, False),
        (None, PASS_HALF, 49.99, False),
        # The rule was made stricter, or the unit no longer is a quiz: what was passed stays passed.
        (PASS_HALF, Completion(Rule.QUIZ, 90), 50, True),
        (PASS_HALF, Completion(Rule.VIEWED), 50, True),
        # Completed under another rule before the unit became a quiz: the score decides.
        (Completion(Rule.VIEWED), PASS_HALF, None, False),
        (Completion(Rule.VIEWED), PASS_HALF, 50, True),
        (Completion(Rule.MANUAL), Completion(Rule.MANUAL), 100, False),
    ],
)
def test_a_quiz_is_passed_by_its_score_alone(
    met: Completion | None, present: Completion, score: float | None, is_passed: bool
) -> None:
    assert is_quiz_passed(met, present, Evidence(quiz_score_percent=score)) is is_passed
