"""What staff asks for when it enrolls many at once, invitations, and the verdict about each."""

from enum import StrEnum
from typing import NamedTuple, TypeAlias

from headway.accounts.model import User, is_email
from headway.enrollments.model import Enrollment
from headway.enrollments.seating import Waiting
from headway.errors import HeadwayError, Invalid
from headway.identity import MAX_USER_NAME, UserRef
from headway.instants import DAY, Instant

MAX_ITEMS = 500
"""How many can be enrolled at once."""
MAX_INVITATIONS = 10_000
"""How many invitations to a course there can be."""
INVITATION_LIFETIME = 180 * DAY
"""After this time an invitation is deleted: the address belongs to somebody who has not come."""


class Wanted(NamedTuple):
    """A place in a course for somebody, as staff asks for it."""

    user: str
    """`id:5`, `ext:S-17`, `email:ada@example.org`, or a bare id or external id."""
    access_until: Instant | None = None
    """When access is to end; None for the course's days of access, and for no change where somebody is enrolled."""
    may_wait: bool = False
    """Join the waiting list if no seat is free."""
    may_invite: bool = True
    """Invite an address that no account has."""

    @property
    def address(self) -> str | None:
        """The address that names the user, in the form in which it is stored; None for other names."""
        return UserRef.parse(self.user).email

    def check(self, now: Instant) -> None:
        """Reject a name that cannot be one, and access that ended. Raises Invalid."""
        if not 1 <= len(self.user) <= MAX_USER_NAME:
            raise Invalid.field("user", f"must have 1 to {MAX_USER_NAME} characters")
        if self.address is not None and not is_email(self.address):
            raise Invalid.field("user", "must be a valid e-mail address")
        if self.access_until is not None and self.access_until <= now:
            raise Invalid.field("expires_at", "must be in the future")


class Invitation(NamedTuple):
    """An address without an account, whose owner is enrolled in a course as soon as there is one."""

    id: int
    course_id: int
    email: str
    access_until: Instant | None
    invited_by: int | None
    invited_at: Instant
    mailed_at: Instant | None = None

    @property
    def ends_at(self) -> Instant:
        """When the invitation is no longer valid."""
        return self.invited_at + INVITATION_LIFETIME


class VerdictStatus(StrEnum):
    """What became of an item."""

    CREATED = "created"
    UPDATED = "updated"
    """Somebody who was enrolled before is again, or has other access."""
    UNCHANGED = "unchanged"
    REJECTED = "rejected"


Place: TypeAlias = Enrollment | Waiting | Invitation


class EnrollVerdict(NamedTuple):
    """What became of an item: a place, or the error that says why there is none."""

    status: VerdictStatus
    place: Place | None = None
    user: User | None = None
    error: HeadwayError | None = None


def rejected(error: HeadwayError, user: User | None = None) -> EnrollVerdict:
    """Return the verdict about an item that an error rejects."""
    return EnrollVerdict(VerdictStatus.REJECTED, None, user, error)
