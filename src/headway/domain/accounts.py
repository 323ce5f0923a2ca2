"""Users, their roles, and who is calling."""

from enum import StrEnum

import msgspec


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


class User(msgspec.Struct, frozen=True):
    """An account. `external_id` is the subject of an outside identity provider."""

    id: int
    role: Role
    name: str
    email: str | None
    external_id: str | None
    token_version: int
    is_disabled: bool


class Caller(msgspec.Struct, frozen=True):
    """The account that a request's bearer token stands for."""

    user_id: int
    role: Role
    external_id: str | None = None
