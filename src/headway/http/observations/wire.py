"""Events and heartbeats in requests: snake_case, ids as numbers."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from headway.courses.video import LONGEST_VIDEO_SECONDS
from headway.http.decoding import VERBATIM
from headway.http.params import LARGEST_INTEGER, Id, Timestamp
from headway.identity import MAX_USER_NAME
from headway.ids import MAX_EXTERNAL_ID
from headway.learning.model import MAX_TYPE_LENGTH, OPEN_TYPE_PATTERN, ActivityType
from headway.measures import LARGEST_SHARE

EventId = Annotated[
    str, Meta(min_length=1, max_length=100, description="The client's id of the event. Defaults to a new UUIDv7.")
]
ExternalId = Annotated[str, Meta(min_length=1, max_length=MAX_EXTERNAL_ID)]
"""What another system calls a course, a module or a unit."""
SessionId = Annotated[str, Meta(min_length=1, max_length=100)]
Seconds = Annotated[float, Meta(ge=0)]
PositiveSeconds = Annotated[float, Meta(gt=0)]
ShareInPercent = Annotated[float, Meta(ge=0, le=LARGEST_SHARE, description="0 to 100; up to 100.5 counts as 100.")]
VideoPosition = Annotated[float, Meta(ge=0, le=LONGEST_VIDEO_SECONDS)]
VideoSegments = Annotated[
    list[tuple[VideoPosition, VideoPosition]],
    Meta(max_length=200, description="What was played: `[from, to]` in seconds of the video, each `to` after its `from`."),
]
VideoDuration = Annotated[float, Meta(gt=0, le=LONGEST_VIDEO_SECONDS, description="The length of the whole video in seconds.")]
Count = Annotated[float, Meta(ge=0, le=LARGEST_INTEGER, multiple_of=1, description="A whole number; 5.0 is one.")]


ACTIVITY_TYPE_SCHEMA: dict[str, Any] = {
    "title": "ActivityType",
    "description": "What a learner can do: one of the known types, or any other word with a namespace, such as `x.page_print`.",
    "anyOf": [
        {"type": "string", "enum": sorted(ActivityType)},
        {"type": "string", "pattern": OPEN_TYPE_PATTERN, "maxLength": MAX_TYPE_LENGTH},
    ],
}


class EngagementMetricsBody(msgspec.Struct):
    """Measures of the learner's engagement with the content."""

    scroll_depth: ShareInPercent | None = None
    video_watch_percentage: ShareInPercent | None = None
    interaction_count: Count | None = None
    video_segments: VideoSegments | None = None
    video_duration_seconds: VideoDuration | None = None


class EventBody(msgspec.Struct):
    """An event that has no external ids."""

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


class TrackBody(EventBody):
    """An event."""

    course_external_id: ExternalId | None = None
    module_external_id: ExternalId | None = None
    unit_external_id: ExternalId | None = None


class ExternalTrackBody(TrackBody, kw_only=True):
    """An event whose course is named by its external id alone."""

    course_external_id: ExternalId
    course_id: Id | None = None  # type: ignore[assignment]


class HeartbeatBody(msgspec.Struct):
    """A heartbeat: the learner is on the page, and studies if `is_active` is true."""

    course_id: Id
    is_active: bool
    module_id: Id | None = None
    unit_id: Id | None = None
    timestamp: Timestamp | None = None
    active_seconds: Seconds | None = None
    session_id: SessionId | None = None
    sent_at: Timestamp | None = None
    event_id: EventId | None = None
    course_external_id: ExternalId | None = None
    module_external_id: ExternalId | None = None
    unit_external_id: ExternalId | None = None


class ExternalHeartbeatBody(HeartbeatBody, kw_only=True):
    """A heartbeat whose course is named by its external id alone."""

    course_external_id: ExternalId
    course_id: Id | None = None  # type: ignore[assignment]


class BatchBody(msgspec.Struct):
    """A batch of events and heartbeats, which are decoded one by one."""

    events: Annotated[list[msgspec.Raw], VERBATIM]


class BatchItemBody(EventBody):
    """An item of a batch whose kind is not known yet: an event, or with the fields of a heartbeat too."""

    activity_type: str  # type: ignore[assignment]
    is_active: bool | UnsetType = UNSET
    timestamp: Timestamp | None = None
    active_seconds: Seconds | None = None


class ExternalBatchItemBody(BatchItemBody, kw_only=True):
    """An item of a batch that may have external ids, and that of its course alone."""

    course_id: Id | None = None  # type: ignore[assignment]
    course_external_id: ExternalId | None = None
    module_external_id: ExternalId | None = None
    unit_external_id: ExternalId | None = None


class PlainBatchBody(msgspec.Struct):
    """A batch in which every item is as declared."""

    events: list[BatchItemBody]


class ExternalPlainBatchBody(msgspec.Struct):
    """A batch in which every item is as declared, with external ids."""

    events: list[ExternalBatchItemBody]


_USER_NAME = "Whose event it is: `id:5` (an account), `ext:…` (an external id), `email:…`, or an id of either kind."
UserName = Annotated[str, Meta(min_length=1, max_length=MAX_USER_NAME)]


class NamedUser(msgspec.Struct):
    """Whose event an item is, where somebody else reports it."""

    user: UserName


class NamedItemBody(ExternalBatchItemBody, kw_only=True):
    """An item of a batch that somebody else reports."""

    user: UserName


class PlainNamedBatchBody(msgspec.Struct):
    """A batch of others' events in which every item is as declared."""

    events: list[NamedItemBody]


_HEARTBEAT = {"properties": {"activity_type": {"const": "heartbeat"}}, "required": ["activity_type"]}
ITEM_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"$ref": "#/components/schemas/TrackBody"},
        {"$ref": "#/components/schemas/ExternalTrackBody"},
        {"allOf": [{"$ref": "#/components/schemas/HeartbeatBody"}, _HEARTBEAT]},
        {"allOf": [{"$ref": "#/components/schemas/ExternalHeartbeatBody"}, _HEARTBEAT]},
    ]
}
"""The JSON schema of an item of a batch. What it refers to is in the document as bodies of routes of their own."""
_USER = {
    "properties": {"user": {"type": "string", "minLength": 1, "maxLength": MAX_USER_NAME, "description": _USER_NAME}},
    "required": ["user"],
}
NAMED_ITEM_SCHEMA: dict[str, Any] = {"allOf": [ITEM_SCHEMA, _USER]}
"""The JSON schema of an item of a batch that somebody else reports."""
