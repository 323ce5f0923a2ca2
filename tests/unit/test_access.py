"""Who may see what of a course: every combination of facts."""

from itertools import product

import pytest

from headway.enrollments.model import Access, AccessFacts, decide
from headway.identity import CourseRole

NOTHING = Access(knows_course=False, is_staff=False, sees_learner=False)
COURSE_ALONE = Access(knows_course=True, is_staff=False, sees_learner=False)
OWN = Access(knows_course=True, is_staff=False, sees_learner=True)
STAFF = Access(knows_course=True, is_staff=True, sees_learner=True)


def test_a_course_that_does_not_exist_shows_nothing() -> None:
    assert decide(None) == NOTHING


@pytest.mark.parametrize(
    ("is_published", "is_own", "is_enrolled", "access"),
    [
        (True, True, True, OWN),
        (True, True, False, OWN),
        (True, False, True, COURSE_ALONE),
        (True, False, False, COURSE_ALONE),
        (False, True, True, OWN),
        (False, True, False, NOTHING),
        (False, False, True, NOTHING),
        (False, False, False, NOTHING),
    ],
)
def test_learners_see_themselves_and_courses_that_are_published_or_theirs(
    is_published: bool, is_own: bool, is_enrolled: bool, access: Access
) -> None:
    facts = AccessFacts(is_published=is_published, sees_all=False, course_role=None, is_own=is_own, is_enrolled=is_enrolled)

    assert decide(facts) == access


@pytest.mark.parametrize(("sees_all", "role"), [(True, None), (False, CourseRole.OWNER), (False, CourseRole.INSTRUCTOR)])
def test_staff_and_those_who_see_all_see_every_learner_of_every_course(sees_all: bool, role: CourseRole | None) -> None:
    for is_published, is_own, is_enrolled in product([True, False], repeat=3):
        facts = AccessFacts(
            is_published=is_published, sees_all=sees_all, course_role=role, is_own=is_own, is_enrolled=is_enrolled
        )
        assert decide(facts) == STAFF
