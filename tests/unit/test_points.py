"""The points of a learner."""

from headway.learning.model import points


def test_each_unit_quiz_and_course_has_its_points() -> None:
    assert points(completed_units=3, passed_quizzes=2, completed_courses=1) == 170
    assert points(completed_units=0, passed_quizzes=0, completed_courses=0) == 0
