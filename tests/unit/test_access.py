"""Who may see what of a course: every combination of facts."""

from itertools import product

import pytest

from headway.enrollments.access import Access, AccessFacts, decide
from headway.identity import CourseRole, Role

NOTHING = Access(knows_course=False, is_staff=False, sees_learner=False)
COURSE_ALONE = Access(knows_course=True, is_staff=False, sees_learner=False)
OWN = Access(knows_course=True, is_staff=False, sees_learner=True)
STAFF = Access(knows_course=True, is_staff=True, sees_learner=True)
OWNER = Access(knows_course=True, is_staff=True, is_owner=True, sees_learner=True)


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
def test_learners_and_staff_whose_account_may_not_teach_see_themselves_and_courses_that_are_published_or_theirs(
    is_published: bool, is_own: bool, is_enrolled: bool, access: Access
) -> None:
    for can_teach, role in [(False, None), (True, None), (False, CourseRole.OWNER), (False, CourseRole.INSTRUCTOR)]:
        facts = AccessFacts(
            is_published=is_published,
            sees_all=False,
            can_teach=can_teach,
            course_role=role,
            is_own=is_own,
            is_enrolled=is_enrolled,
        )
        assert decide(facts) == access


@pytest.mark.parametrize(
    ("sees_all", "can_teach", "role", "access"),
    [
        (True, False, None, OWNER),
        (True, True, CourseRole.INSTRUCTOR, OWNER),
        (False, True, CourseRole.OWNER, OWNER),
        (False, True, CourseRole.INSTRUCTOR, STAFF),
    ],
)
def test_staff_and_those_who_see_all_see_every_learner_of_every_course(
    sees_all: bool, can_teach: bool, role: CourseRole | None, access: Access
) -> None:
    for is_published, is_own, is_enrolled in product([True, False], repeat=3):
        facts = AccessFacts(
            is_published=is_published,
            sees_all=sees_all,
            can_teach=can_teach,
            course_role=role,
            is_own=is_own,
            is_enrolled=is_enrolled,
        )
        assert decide(facts) == access


def test_instructors_and_administrators_may_teach() -> None:
    assert [role for role in Role if role.can_teach] == [Role.INSTRUCTOR, Role.ADMIN]
