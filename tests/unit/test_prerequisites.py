"""Which prerequisites a learner is asked for, and what staff is told of the others."""

from typing import Any

import pytest

from headway.courses.model import CourseTree, NewCourse, Prerequisite
from headway.courses.prerequisites import for_learners, for_staff, missing, names

NOW = 1_000
OPEN = Prerequisite(5, "Basics", True, None, None, True, True)


def prerequisite(**given: Any) -> Prerequisite:
    fields = {name: getattr(OPEN, name) for name in OPEN.__struct_fields__}
    return Prerequisite(**fields | given)


STATES: dict[str, dict[str, Any]] = {
    "open": {},
    "ends later": {"ends_at": NOW + 1, "enroll_until": NOW + 1},
    "closed": {"enroll_until": NOW},
    "not published": {"is_published": False},
    "ended": {"ends_at": NOW},
    "all units retired": {"has_required_units": False},
    "no units yet": {"has_units": False, "has_required_units": False},
}


@pytest.mark.parametrize(
    ("state", "asked_of_strangers", "asked_of_enrolled", "listed", "warning"),
    [
        ("open", True, True, True, None),
        ("ends later", True, True, True, None),
        (
            "closed",
            False,
            True,
            True,
            "enrollment in “Basics” (5) has closed: only learners who are enrolled in it are asked for it",
        ),
        ("not published", False, False, False, "“Basics” (5) is not published: learners are not asked for it"),
        ("ended", False, False, False, "“Basics” (5) has ended: learners are not asked for it"),
        ("all units retired", False, False, False, "“Basics” (5) has no required units: learners are not asked for it"),
        ("no units yet", True, True, True, "“Basics” (5) has no units yet: nobody can complete it"),
    ],
)
def test_what_nobody_can_complete_any_more_is_not_asked_for(
    state: str, *, asked_of_strangers: bool, asked_of_enrolled: bool, listed: bool, warning: str | None
) -> None:
    needed = prerequisite(**STATES[state])
    course = NewCourse("Advanced", prerequisites=(needed.course_id,))
    tree = CourseTree(6, course, 0, 1, "Tutor", [], [], [], [needed])

    assert missing([needed], completed=(), enrolled=(), now=NOW) == [needed] * asked_of_strangers
    assert missing([needed], completed=(), enrolled=(5,), now=NOW) == [needed] * asked_of_enrolled
    assert missing([needed], completed=(5,), enrolled=(), now=NOW) == []
    assert for_learners(tree, NOW).course.prerequisites == (5,) * listed
    assert for_learners(tree, NOW).warnings == ()
    assert for_staff(tree, NOW).course.prerequisites == (5,)
    assert for_staff(tree, NOW).warnings == (() if warning is None else (warning,))


def test_courses_are_named_by_title_and_id() -> None:
    many = [prerequisite(course_id=i, title=f"Course {i}") for i in range(1, 14)]

    assert names(many[:2]) == "“Course 1” (1), “Course 2” (2)"
    assert names(many).endswith("“Course 10” (10) and 3 more")
