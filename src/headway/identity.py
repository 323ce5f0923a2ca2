"""Who is calling: roles, callers, and the clients they call from."""

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


class Caller(msgspec.Struct, frozen=True):
    """The account of a request's bearer token, and the session that the token belongs to, if any.

    `name` and `email` are for the audit log: whoever records an entry names the actor without reading the account again.
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
    """Where a request comes from: its network address, and what the program calls itself."""

    address: str
    user_agent: str | None = None
