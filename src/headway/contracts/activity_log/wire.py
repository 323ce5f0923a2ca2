"""Bodies and answers exactly as they are on the wire: camelCase, ids as texts, `_id` with 24 hexadecimal digits."""

from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from headway.audit.model import EntryStatus, TargetType

Data = TypeVar("Data")

Word = Annotated[str, Meta(min_length=1, max_length=100)]
Text = Annotated[str, Meta(max_length=100, extra_json_schema={"minLength": 1})]
"""A word that has to be there: what is empty is told as what is left out."""
Name = Annotated[str, Meta(max_length=200)]
Id = Annotated[str, Meta(min_length=1, max_length=255)]
EntryId = Annotated[str, Meta(pattern="^[0-9a-f]{24}$")]
Address = Annotated[str, Meta(max_length=100, extra_json_schema={"minLength": 1, "format": "email"})]
Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
ActorRole = Literal["ADMIN", "INSTRUCTOR", "PARTICIPANT"]
Model = Literal["User", "Course", "Lesson", "Enrollment", "Cohort", "File", "Note", "Discussion"]


class ActorBody(msgspec.Struct, rename="camel"):
    """Who is said to have done it."""

    name: Text
    email: Address
    user_id: Id | None = None
    role: ActorRole | None = None


class TargetBody(msgspec.Struct):
    """What it was done to. The model follows from the type."""

    type: TargetType
    id: Id | None = None
    model: Model | None = None
    name: Name | None = None


class ContextBody(msgspec.Struct, rename="camel"):
    """What is to be told beside it."""

    description: Annotated[str, Meta(max_length=500)] | None = None
    source: Annotated[str, Meta(max_length=100)] | None = None
    additional_info: dict[str, Any] | None = None


class ActivityBody(msgspec.Struct):
    """An activity to be logged; without an actor it is the caller's own."""

    action: Text
    target: TargetBody
    actor: ActorBody | None = None
    context: ContextBody | None = None
    metadata: dict[str, Any] | None = None


class ActivitiesQuery(msgspec.Struct, rename="camel"):
    """Which activities are wanted; `from` and `to` both count. `cursor` is the `nextCursor` of the page before."""

    action: Word | None = None
    actor_id: Id | None = None
    target_type: TargetType | None = None
    target_id: Id | None = None
    since: Moment | None = msgspec.field(name="from", default=None)
    until: Moment | None = msgspec.field(name="to", default=None)
    cursor: Annotated[str, Meta(pattern="^[0-9]{1,18}$")] | None = None
    limit: Annotated[int, Meta(ge=1)] | None = None


class Actor(msgspec.Struct, rename="camel"):
    """Who is said to have done it."""

    user_id: str | None
    name: str | None
    email: str | None
    role: str | None


class Target(msgspec.Struct):
    """What it was done to."""

    type: TargetType
    id: str | None
    model: str | None
    name: str | None


class Context(msgspec.Struct, rename="camel"):
    """What is told beside it."""

    description: str | None
    source: str | None
    additional_info: dict[str, Any]


class Recorder(msgspec.Struct, rename="camel"):
    """The account that was authenticated when it was logged; none where Headway logged it by itself."""

    user_id: str | None
    role: str


class Activity(msgspec.Struct, rename="camel"):
    """An entry of the log. `actorVerified` says that the actor is who logged it, or was named by one who may."""

    id: EntryId = msgspec.field(name="_id")
    action: str
    actor: Actor
    target: Target
    context: Context
    metadata: dict[str, Any]
    status: EntryStatus
    performed_at: Moment
    ip_address: str | None
    user_agent: str | None
    created_at: Moment
    updated_at: Moment
    recorded_by: Recorder
    actor_verified: bool


class One(msgspec.Struct, Generic[Data], kw_only=True):
    """The envelope of success."""

    ok: bool = True
    data: Data
    message: str


class Page(msgspec.Struct, Generic[Data], kw_only=True, rename="camel"):
    """The envelope of a page, the newest first; `nextCursor` asks for the next one, and is null where there is none."""

    ok: bool = True
    data: Data
    next_cursor: str | None
    message: str


class FieldProblem(msgspec.Struct):
    """What is wrong with one field."""

    field: str
    message: str


class Error(msgspec.Struct, kw_only=True, rename="camel"):
    """What went wrong; `details` lists the fields at fault where there are several. A 500 tells a request id alone."""

    code: str
    message: str
    details: list[FieldProblem] | None = None
    request_id: str | UnsetType = UNSET


class LogFailure(msgspec.Struct, kw_only=True):
    """The envelope of every error."""

    ok: bool = False
    error: Error
