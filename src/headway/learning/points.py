"""The points of a learner (learner contract, section 2.1): each unit, quiz and course counts once."""

POINTS_OF_UNIT, POINTS_OF_QUIZ, POINTS_OF_COURSE = 10, 20, 100


def points(*, completed_units: int, passed_quizzes: int, completed_courses: int) -> int:
    """Return the points for completed units, passed quiz units and tutorial quizzes, and completed courses."""
    return POINTS_OF_UNIT * completed_units + POINTS_OF_QUIZ * passed_quizzes + POINTS_OF_COURSE * completed_courses
