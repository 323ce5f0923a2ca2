"""Users, their roles, and who is calling."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from headway.domain.instants import Instant, Milliseconds


class Role(StrEnum):
    """What an account may do everywhere; rights in a single course are `CourseRole`."""

    PARTICIPANT = "PARTICIPANT"
    INSTRUCTOR = "INSTRUCTOR"
    ADMIN = "ADMIN"
    SYSTEM = "SYSTEM"


class CourseRole(StrEnum):
    """What a member of staff is in one course."""

    OWNER = "owner"
    INSTRUCTOR = "instructor"


class NewUser(msgspec.Struct, frozen=True):
    """An account to be made."""

    role: Role
    name: str
    email: str | None = None
    external_id: str | None = None
    password_hash: str | None = None
    interests: Sequence[str] = ()


class User(msgspec.Struct, frozen=True):
    """An account. `external_id` is the subject of an outside identity provider."""

    id: int
    role: Role
    name: str
    email: str | None
    external_id: str | None
    token_version: int
    is_disabled: bool


class Profile(msgspec.Struct, frozen=True):
    """What an account shows of itself, and what follows from the learner's work."""

    user: User
    interests: list[str]
    learning_goals: list[str]
    course_ids: list[int]
    """Courses to which the learner has access."""
    study_ms: Milliseconds
    points: int
    created_at: Instant


POINTS_OF_UNIT, POINTS_OF_QUIZ, POINTS_OF_COURSE = 10, 20, 100
"""For each completed unit, each passed quiz and each completed course, once."""


class Session(msgspec.Struct, frozen=True):
    """A sign-in. Its refresh token is the one of the newest generation; `expires_at` is when that one ends."""

    user: User
    id: str
    generation: int
    expires_at: Instant


class Caller(msgspec.Struct, frozen=True):
    """The account that a request's bearer token stands for, and the sign-in that the token came from, if any."""

    user_id: int
    role: Role
    external_id: str | None = None
    session_id: str | None = None

    @property
    def sees_all(self) -> bool:
        """Whether the account may see everybody's data."""
        return self.role in {Role.ADMIN, Role.SYSTEM}
