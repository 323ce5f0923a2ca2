"""Roles, callers, and the clients of callers."""

from enum import StrEnum

import msgspec


class Role(StrEnum):
    """The role of an account. `CourseRole` is the role in one course."""

    PARTICIPANT = "PARTICIPANT"
    INSTRUCTOR = "INSTRUCTOR"
    ADMIN = "ADMIN"
    SYSTEM = "SYSTEM"


class CourseRole(StrEnum):
    """The role of a member of staff in one course."""

    OWNER = "owner"
    INSTRUCTOR = "instructor"


class Caller(msgspec.Struct, frozen=True):
    """The account of a request's bearer token, and the session that the token belongs to, if any.

    `name` and `email` are recorded in audit entries, without reading the account again.
    """

    user_id: int
    role: Role
    external_id: str | None = None
    session_id: str | None = None
    name: str = ""
    email: str | None = None

    @property
    def sees_all(self) -> bool:
        """Whether the account may see everybody's data."""
        return self.role in {Role.ADMIN, Role.SYSTEM}


class Client(msgspec.Struct, frozen=True):
    """The client of a request: its network address and user agent."""

    address: str
    user_agent: str | None = None
