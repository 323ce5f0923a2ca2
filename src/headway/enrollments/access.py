"""The one decision about access to a course, and to what learners do in it."""

import msgspec

from headway.identity import CourseRole


class AccessFacts(msgspec.Struct, frozen=True):
    """What decides about the access of a caller to an existing course, or to a learner in it."""

    is_published: bool
    sees_all: bool
    """Whether the caller sees all data of all users."""
    course_role: CourseRole | None
    """The role of the caller in the staff of the course."""
    is_own: bool
    """Whether the learner is the caller."""
    is_enrolled: bool
    """Whether the learner has an enrollment in the course, in whichever status."""


class Access(msgspec.Struct, frozen=True):
    """What a caller may see of a course. Nobody may see anything of a course that does not exist."""

    knows_course: bool = False
    """Without it, the course does not exist for the caller."""
    is_staff: bool = False
    """Whether the caller belongs to the staff of the course, or sees all."""
    sees_learner: bool = False


def decide(facts: AccessFacts | None) -> Access:
    """Decide about access; without facts there is no such course.

    A course that is not published exists for its staff, and for those who enrolled while it was. Learners see themselves, staff
    sees the learners of the course.
    """
    if facts is None:
        return Access()
    is_staff = facts.sees_all or facts.course_role is not None
    knows_course = facts.is_published or is_staff or (facts.is_own and facts.is_enrolled)
    return Access(knows_course, is_staff, sees_learner=knows_course and (is_staff or facts.is_own))
