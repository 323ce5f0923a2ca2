"""Request and response bodies of webhooks."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from headway.contracts.learner.course_wire import CourseId
from headway.http.pages import Cursor, NextCursor
from headway.http.params import Limit, Moment
from headway.http.schemas import text
from headway.text import MAX_URL_LENGTH, URL_PATTERN
from headway.webhooks.announcements import SUBSCRIBABLE, EventType
from headway.webhooks.model import MAX_DESCRIPTION, DeliveryStatus, DisabledReason

_WITHOUT_FRAGMENT = URL_PATTERN.replace("[/?#]", "[/?]").replace("#-;", "$-;")
"""`#` is among the characters from `#` to `;`."""
Url = Annotated[
    str,
    Meta(
        description="An https URL whose host has a public address.",
        extra_json_schema={"minLength": 1, "maxLength": MAX_URL_LENGTH, "pattern": _WITHOUT_FRAGMENT},
    ),
]
Event = Annotated[EventType, Meta(extra_json_schema={"enum": list(SUBSCRIBABLE)})]
Events = Annotated[list[Event], Meta(min_length=1, max_length=len(SUBSCRIBABLE), description="What to send.")]
Description = Annotated[str, text(MAX_DESCRIPTION)]


class WebhookBody(msgspec.Struct, rename="camel"):
    """A webhook to create. Without `events` it gets all, without a `courseId` those of all courses."""

    url: Url
    events: Events | None = None
    course_id: CourseId | None = None
    description: Description | None = None


class WebhookChangeBody(msgspec.Struct, rename="camel"):
    """Changes of a webhook; a field that is left out stays as it is. A `courseId` of null is for all courses."""

    url: Url | UnsetType = UNSET
    events: Events | UnsetType = UNSET
    course_id: CourseId | UnsetType | None = UNSET
    description: Description | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


class Webhook(msgspec.Struct, rename="camel", kw_only=True):
    """A webhook. `pending` is the number of deliveries that wait, counted up to 10,000, the oldest of them since `oldestAt`.

    Nothing is sent before `pausedUntil`, because the receiver has asked for that.
    """

    id: str
    url: str
    events: list[EventType]
    course_id: str | None
    description: str | None
    enabled: bool
    disabled_at: Moment | None
    disabled_reason: DisabledReason | None
    paused_until: Moment | None
    created_at: Moment
    updated_at: Moment
    pending: int
    oldest_at: Moment | None


class NewWebhook(Webhook, rename="camel", kw_only=True):
    """A webhook with its new secret, which is shown this once."""

    secret: str


class Attempt(msgspec.Struct, rename="camel"):
    """An attempt to deliver: the status of the answer, or an error, and the beginning of what was answered."""

    at: Moment
    took_milliseconds: int
    status: int | None
    error: str | None
    excerpt: str | None


class Delivery(msgspec.Struct, rename="camel", kw_only=True):
    """One delivery with its latest attempts, the newest last. `webhookId` is the header `webhook-id` of all of them."""

    id: str
    webhook_id: str
    type: EventType
    timestamp: Moment
    data: dict[str, Any]
    """The fields that are sent, without external ids."""
    status: DeliveryStatus
    next_attempt_at: Moment | None
    ended_at: Moment | None
    attempts: list[Attempt]


class DeliveriesQuery(msgspec.Struct):
    """Which deliveries to list."""

    status: DeliveryStatus | None = None
    limit: Limit | None = None
    cursor: Cursor | None = None


class DeliveryPaging(msgspec.Struct, rename="camel"):
    """The page of a list that is not counted."""

    limit: int
    next_cursor: NextCursor


class Deliveries(msgspec.Struct, kw_only=True):
    """The envelope of a list of deliveries."""

    status: str = "success"
    data: list[Delivery]
    metadata: DeliveryPaging
