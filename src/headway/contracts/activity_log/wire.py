"""Request and response bodies of the contract: camelCase, ids as strings, `_id` with 24 hexadecimal digits."""

from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from headway.accounts.model import EMAIL_PATTERN
from headway.audit.model import EntryStatus, TargetType
from headway.http.pages import Cursor
from headway.http.params import DateBound, Limit, Moment
from headway.text import NOT_BLANK

Data = TypeVar("Data")

Word = Annotated[str, Meta(min_length=1, max_length=100)]
Text = Annotated[str, Meta(max_length=100, extra_json_schema={"minLength": 1, "pattern": NOT_BLANK})]
"""A required text: an empty one is reported as missing."""
Name = Annotated[str, Meta(max_length=200)]
Id = Annotated[str, Meta(min_length=1, max_length=255)]
EntryId = Annotated[str, Meta(pattern="^[0-9a-f]{24}$")]
Address = Annotated[str, Meta(max_length=100, extra_json_schema={"pattern": EMAIL_PATTERN})]
ActorRole = Literal["ADMIN", "INSTRUCTOR", "PARTICIPANT"]
Model = Literal["User", "Course", "Lesson", "Enrollment", "Cohort", "File", "Note", "Discussion"]


class ActorBody(msgspec.Struct, rename="camel"):
    """The user who performed the action."""

    name: Text
    email: Address
    user_id: Id | None = None
    role: ActorRole | None = None


class TargetBody(msgspec.Struct):
    """The object of the action. `model` defaults to the model of the type."""

    type: TargetType
    id: Id | None = None
    model: Model | None = None
    name: Name | None = None


class ContextBody(msgspec.Struct, rename="camel"):
    """Additional information about the action."""

    description: Annotated[str, Meta(max_length=500)] | None = None
    source: Annotated[str, Meta(max_length=100)] | None = None
    additional_info: dict[str, Any] | None = None


class ActivityBody(msgspec.Struct):
    """An activity to log. The actor defaults to the caller."""

    action: Text
    target: TargetBody
    actor: ActorBody | None = None
    context: ContextBody | None = None
    metadata: dict[str, Any] | None = None


class ActivitiesQuery(msgspec.Struct, rename="camel"):
    """Filters for a list of activities; `from` and `to` are inclusive. `cursor` is the `nextCursor` of the previous page."""

    action: Word | None = None
    actor_id: Id | None = None
    target_type: TargetType | None = None
    target_id: Id | None = None
    since: DateBound | None = msgspec.field(name="from", default=None)
    until: DateBound | None = msgspec.field(name="to", default=None)
    cursor: Cursor | None = None
    limit: Limit | None = None


class Actor(msgspec.Struct, rename="camel"):
    """The user who performed the action."""

    user_id: str | None
    name: str | None
    email: str | None
    role: str | None


class Target(msgspec.Struct):
    """The object of the action."""

    type: TargetType
    id: str | None
    model: str | None
    name: str | None


class Context(msgspec.Struct, rename="camel"):
    """Additional information about the action."""

    description: str | None
    source: str | None
    additional_info: dict[str, Any]


class Recorder(msgspec.Struct, rename="camel"):
    """The account that logged the activity; `userId` is null if the server did."""

    user_id: str | None
    role: str


class Activity(msgspec.Struct, rename="camel"):
    """An activity. `actorVerified` is true if the actor logged it or a caller with the right named the actor."""

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
    """The envelope of a page, the newest first; `nextCursor` is the cursor of the next page, or null on the last."""

    ok: bool = True
    data: Data
    next_cursor: str | None
    message: str


class FieldProblem(msgspec.Struct):
    """An error of one field."""

    field: str
    message: str


class Error(msgspec.Struct, kw_only=True, rename="camel"):
    """An error; `details` lists the invalid fields if there are several. `requestId` is set for status 500 only."""

    code: str
    message: str
    details: list[FieldProblem] | None = None
    request_id: str | UnsetType = UNSET


class LogFailure(msgspec.Struct, kw_only=True):
    """The envelope of every error."""

    ok: bool = False
    error: Error
