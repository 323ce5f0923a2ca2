"""Request and response bodies of events that services report for learners.

The items are those of activity tracking, in its spelling; the rest is in that of this contract.
"""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from headway.contracts.learner import wire
from headway.http.observations.wire import NAMED_ITEM_SCHEMA
from headway.learning.model import Outcome

Item = Annotated[dict[str, Any], Meta(extra_json_schema=NAMED_ITEM_SCHEMA)]


class EventsBody(msgspec.Struct):
    """Events and heartbeats of learners, each with its `user`. Each gets its own verdict."""

    events: Annotated[list[Item], Meta(min_length=1, extra_json_schema={"maxItems": "${max_batch_events}"})]


class ItemResult(msgspec.Struct, rename="camel"):
    """The verdict on one item: `accepted`, `duplicate`, `conflict` or `rejected`, and why it was not accepted.

    `errors` name the fields as items spell them.
    """

    index: int
    event_id: str | None
    status: Outcome
    code: str | UnsetType = UNSET
    errors: list[wire.LearnerFieldProblem] | UnsetType = UNSET


class EventsData(msgspec.Struct):
    """The number of items by verdict, and the verdict on each item."""

    accepted: int
    duplicates: int
    conflicts: int
    rejected: int
    results: list[ItemResult]
