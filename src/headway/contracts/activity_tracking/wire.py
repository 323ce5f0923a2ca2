"""Request and response bodies of the contract: snake_case, ids as numbers."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from headway.http.observations.wire import ITEM_SCHEMA
from headway.learning.model import Outcome

Item = Annotated[dict[str, Any], Meta(extra_json_schema=ITEM_SCHEMA)]


class BatchBodySchema(msgspec.Struct):
    """A batch. Each item is an event, or a heartbeat with `activity_type: "heartbeat"`, and gets its own verdict."""

    events: Annotated[list[Item], Meta(min_length=1, extra_json_schema={"maxItems": "${max_batch_events}"})]


class FieldProblem(msgspec.Struct):
    """An error of one field."""

    field: str
    message: str


class Failure(msgspec.Struct):
    """The envelope of every error."""

    message: str
    errors: list[FieldProblem]
    success: bool = False
    request_id: str | UnsetType = UNSET


class TrackData(msgspec.Struct):
    """The verdict on an event: `accepted`, or `duplicate` if it was stored before."""

    event_id: str
    status: str
    received_at: str


class TrackAnswer(msgspec.Struct):
    """The response to an event."""

    message: str
    data: TrackData
    success: bool = True


class HeartbeatData(msgspec.Struct):
    """The time at which the heartbeat was received, and the seconds until the next one is due."""

    received_at: str
    next_heartbeat_seconds: int


class HeartbeatAnswer(msgspec.Struct):
    """The response to a heartbeat."""

    message: str
    data: HeartbeatData
    success: bool = True


class ItemResult(msgspec.Struct):
    """The verdict on one item of a batch: `accepted`, `duplicate`, `conflict` or `rejected`."""

    index: int
    event_id: str | None
    status: Outcome
    errors: list[FieldProblem] | UnsetType = UNSET


class BatchData(msgspec.Struct):
    """The number of items by verdict, and the verdict on each item."""

    accepted: int
    duplicates: int
    conflicts: int
    rejected: int
    results: list[ItemResult]


class BatchAnswer(msgspec.Struct):
    """The response to a batch; `success` is false if every item was rejected."""

    message: str
    data: BatchData
    success: bool = True
