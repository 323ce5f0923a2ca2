"""Who may see what of a course and its learners."""

import msgspec

from headway.identity import CourseRole


class AccessFacts(msgspec.Struct, frozen=True):
    """What decides about the access of a caller to an existing course, or to a learner in it."""

    is_published: bool
    sees_all: bool
    """Whether the caller sees all data of all users."""
    can_teach: bool
    """Whether the caller's account may have a role in courses; without it, a course role does not count."""
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
    is_owner: bool = False
    """Whether the caller owns the course, or sees all."""
    sees_learner: bool = False


def decide(facts: AccessFacts | None) -> Access:
    """Decide about access; without facts there is no such course.

    A course that is not published exists for its staff, and for those who enrolled while it was. Learners see themselves, staff
    sees the learners of the course.
    """
    if facts is None:
        return Access()
    course_role = facts.course_role if facts.can_teach else None
    is_staff = facts.sees_all or course_role is not None
    is_owner = facts.sees_all or course_role is CourseRole.OWNER
    knows_course = facts.is_published or is_staff or (facts.is_own and facts.is_enrolled)
    return Access(knows_course, is_staff, is_owner, sees_learner=knows_course and (is_staff or facts.is_own))
