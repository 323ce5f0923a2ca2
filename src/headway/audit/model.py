"""The activity log: who did what to what, and the chain that shows whether an entry was changed or is missing."""

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from headway.identity import Client, Role
from headway.instants import Instant


class TargetType(StrEnum):
    """What can be acted upon."""

    USER = "USER"
    COURSE = "COURSE"
    LESSON = "LESSON"
    ENROLLMENT = "ENROLLMENT"
    COHORT = "COHORT"
    FILE = "FILE"
    NOTE = "NOTE"
    DISCUSSION = "DISCUSSION"
    SYSTEM = "SYSTEM"
    OTHER = "OTHER"

    @property
    def model(self) -> str | None:
        """The name of its model; what is not a thing of its own has none."""
        return None if self in {TargetType.SYSTEM, TargetType.OTHER} else self.value.capitalize()


class ActivityStatus(StrEnum):
    """What came of it."""

    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"


class Actor(msgspec.Struct, frozen=True):
    """Who is said to have done it."""

    user_id: str | None
    name: str | None
    email: str | None
    role: str | None


class Target(msgspec.Struct, frozen=True):
    """What it was done to."""

    type: TargetType
    id: str | None = None
    model: str | None = None
    name: str | None = None


class Context(msgspec.Struct, frozen=True):
    """What is told beside it; `additional_info` is the client's own."""

    description: str | None = None
    source: str | None = None
    additional_info: dict[str, Any] = {}


class NewAuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry to be written. `recorded_by` is the account that was authenticated, none for Headway itself."""

    action: str
    actor: Actor
    is_actor_verified: bool
    recorded_by: int | None
    recorded_role: Role
    target: Target
    context: Context = Context()
    metadata: dict[str, Any] = {}
    status: ActivityStatus = ActivityStatus.SUCCESS
    client: Client | None = None


class Activity(msgspec.Struct, frozen=True):
    """An entry in its place."""

    seq: int
    id: str
    performed_at: Instant
    told: NewAuditEntry


class Link(msgspec.Struct, frozen=True, array_like=True):
    """What the hash of an entry is made of: all that is stored of it, its content by a hash of its own.

    So the content can be encrypted anew, and the chain stays as it is.
    """

    seq: int
    id: str
    action: str
    actor_id: str | None
    is_actor_verified: bool
    recorded_by: int | None
    recorded_role: str
    target_type: str
    target_id: str | None
    status: str
    performed_at: Instant
    content_hash: str
    previous_hash: str

    def values(self) -> tuple[Any, ...]:
        """Give all of it, in the order of its fields."""
        return msgspec.structs.astuple(self)

    def hash(self) -> str:
        """Give the SHA-256 of it as a JSON array, as hexadecimal digits."""
        return sha256(msgspec.json.encode(self))


class Head(msgspec.Struct, frozen=True):
    """The newest entry of the log, signed: kept elsewhere it shows later whether the log still holds what it held."""

    seq: int
    hash: str
    at: Instant
    signature: str

    @property
    def signed(self) -> str:
        """What the signature is made of."""
        return f"{self.seq} {self.hash} {self.at}"


GENESIS = "0" * 64
"""What stands in the first entry for the hash of the one before."""


def sha256(content: bytes) -> str:
    """Give a SHA-256 as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


class Filter(NamedTuple):
    """Which entries are wanted; None stands for any. Instants are from the first on, and before the second."""

    action: str | None = None
    actor_id: str | None = None
    target_type: TargetType | None = None
    target_id: str | None = None
    since: Instant | None = None
    until: Instant | None = None


class Party(NamedTuple):
    """A user as the log knows one: the ids that an actor may have been given, and the one of who recorded."""

    actor_ids: Sequence[str]
    user_id: int
