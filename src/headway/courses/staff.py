"""The staff of courses, and courses as their staff see them in a list."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from headway.courses.model import CourseKind
from headway.identity import CourseRole, Role
from headway.instants import Instant


class TaughtCourse(NamedTuple):
    """A course as its staff see it in a list."""

    id: int
    title: str
    kind: CourseKind
    is_published: bool
    starts_at: Instant | None
    ends_at: Instant | None
    role: CourseRole | None
    """The caller's role in the course; None for those who see all courses."""
    enrollments: int
    """All of them, whatever their status, as course statistics count them."""


class StaffMember(msgspec.Struct, frozen=True):
    """A user with a role in a course."""

    user_id: int
    course_id: int
    name: str
    role: CourseRole
    account_role: Role
    is_disabled: bool
    since: Instant
    """When the role was given."""

    @property
    def counts(self) -> bool:
        """Whether the role gives rights: the account can be used, and may have a role in courses."""
        return self.account_role.can_teach and not self.is_disabled


def keeps_owner(before: Iterable[StaffMember], after: Iterable[StaffMember]) -> bool:
    """Return whether a change of staff leaves an owner, and one whose role counts if there was one before."""
    owners_before, owners = ([each for each in some if each.role is CourseRole.OWNER] for some in (before, after))
    had_rights, has_rights = (any(each.counts for each in some) for some in (owners_before, owners))
    return bool(owners) and (has_rights or not had_rights)
