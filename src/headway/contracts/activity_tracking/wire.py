"""Bodies and answers exactly as they are on the wire."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from headway.learning.model import ActivityType

Id = Annotated[int, Meta(ge=1, le=2**53 - 1, description="A positive integer.")]
EventId = Annotated[
    str,
    Meta(min_length=1, max_length=100, description="The client's own id of the event; a UUIDv7 is assigned if absent."),
]
SessionId = Annotated[str, Meta(min_length=1, max_length=100)]
Seconds = Annotated[float, Meta(ge=0)]
PositiveSeconds = Annotated[float, Meta(gt=0)]
ShareInPercent = Annotated[float, Meta(ge=0, le=100)]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Timestamp = Annotated[
    str, Meta(extra_json_schema={"format": "date-time"}, description="ISO 8601; without an offset it is UTC.")
]


class EngagementMetricsBody(msgspec.Struct):
    """How the learner engaged with the content."""

    scroll_depth: ShareInPercent | None = None
    video_watch_percentage: ShareInPercent | None = None
    interaction_count: Count | None = None


class TrackBody(msgspec.Struct):
    """One activity event."""

    activity_type: ActivityType
    course_id: Id
    module_id: Id | None = None
    unit_id: Id | None = None
    duration_seconds: PositiveSeconds | None = None
    engagement_metrics: EngagementMetricsBody | None = None
    start_time: Timestamp | None = None
    end_time: Timestamp | None = None
    event_id: EventId | None = None
    session_id: SessionId | None = None
    sent_at: Timestamp | None = None
    metadata: dict[str, Any] | None = None


class HeartbeatBody(msgspec.Struct):
    """A sign that the learner is still here."""

    course_id: Id
    is_active: bool
    module_id: Id | None = None
    unit_id: Id | None = None
    timestamp: Timestamp | None = None
    active_seconds: Seconds | None = None
    sent_at: Timestamp | None = None
    event_id: EventId | None = None


class BatchHeartbeatBody(HeartbeatBody, tag_field="activity_type", tag="heartbeat"):
    """A heartbeat within a batch."""


class BatchBody(msgspec.Struct):
    """Events and heartbeats, each judged by itself; read one by one."""

    events: list[msgspec.Raw]


class BatchBodySchema(msgspec.Struct):
    """What `BatchBody` documents: each item is an event, or a heartbeat with `activity_type: "heartbeat"`."""

    events: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=500)]


class FieldProblem(msgspec.Struct):
    """What is wrong with one field."""

    field: str
    message: str


class Failure(msgspec.Struct):
    """The envelope of every error."""

    message: str
    errors: list[FieldProblem]
    success: bool = False
    request_id: str | UnsetType = UNSET


class TrackData(msgspec.Struct):
    """What became of an event: `accepted`, or `duplicate` if it was stored before."""

    event_id: str
    status: str
    received_at: str


class TrackAnswer(msgspec.Struct):
    """The answer to `track`."""

    message: str
    data: TrackData
    success: bool = True


class HeartbeatData(msgspec.Struct):
    """When the heartbeat came and in how many seconds the next one is wanted."""

    received_at: str
    next_heartbeat_seconds: int


class HeartbeatAnswer(msgspec.Struct):
    """The answer to `heartbeat`."""

    message: str
    data: HeartbeatData
    success: bool = True


class ItemResult(msgspec.Struct):
    """The verdict on one item of a batch: `accepted`, `duplicate`, `conflict` or `rejected`."""

    index: int
    event_id: str | None
    status: str
    errors: list[FieldProblem] | UnsetType = UNSET


class BatchData(msgspec.Struct):
    """How many items met which verdict, and each one's."""

    accepted: int
    duplicates: int
    conflicts: int
    rejected: int
    results: list[ItemResult]


class BatchAnswer(msgspec.Struct):
    """The answer to `batch`; `success` is false where every item was rejected."""

    message: str
    data: BatchData
    success: bool = True
