"""Users, their roles, and who is calling."""

from collections.abc import Sequence

import msgspec

from headway.identity import Role
from headway.instants import Instant, Milliseconds


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
