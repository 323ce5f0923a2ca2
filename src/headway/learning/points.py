"""The points of a learner, and the quizzes that were passed, which give some."""

from headway.courses.completion import COMPLETE, Completion, Evidence, Rule, percent_by_rule

POINTS_OF_UNIT, POINTS_OF_QUIZ, POINTS_OF_COURSE = 10, 20, 100


def points(*, completed_units: int, passed_quizzes: int, completed_courses: int) -> int:
    """Return the points of a learner (learner contract, section 2.1): each unit, quiz and course counts once.

    They are for completed units (declared ones too), passed quiz units and tutorial quizzes, and completed courses.
    """
    return POINTS_OF_UNIT * completed_units + POINTS_OF_QUIZ * passed_quizzes + POINTS_OF_COURSE * completed_courses


def is_quiz_passed(met: Completion | None, present: Completion, evidence: Evidence) -> bool:
    """Return whether a unit's quiz was passed by its score, under the rule that was met or under the present one.

    Where a unit was only declared complete, or completed under another rule before it became a quiz, the score has yet to pass.
    """
    if met is not None and met.rule is Rule.QUIZ:
        return True
    return present.rule is Rule.QUIZ and percent_by_rule(present, evidence, 0) == COMPLETE
