"""Request and response bodies of disclosures."""

import msgspec

from headway.contracts.learner import wire
from headway.disclosures.model import RecordKind
from headway.http.params import DateBound, Moment
from headway.identity import Channel, Role


class DisclosuresQuery(wire.PageQuery, rename="camel"):
    """Filters of disclosures: of a learner, to a reader, at a time. `from` and `to` are inclusive; a date is the day in UTC."""

    learner_id: wire.Id | None = None
    reader_id: wire.Id | None = None
    from_: DateBound | None = msgspec.field(default=None, name="from")
    to: DateBound | None = None


class Disclosed(msgspec.Struct, rename="camel"):
    """Somebody who was shown a record, or whose record it is. A `name` of null is of nobody who has an account."""

    id: str
    name: str | None


class ShownCourse(msgspec.Struct):
    """The course of a record."""

    id: str
    title: str | None


class Disclosure(msgspec.Struct, rename="camel"):
    """What was shown to somebody on a day.

    `learner` is null for everybody's records, `course` for those of no course or of all, and `reader` for an operator at the
    command line. `channel` is how it was read, `role` the reader's role at that time; of a WEBHOOK, `keyId` is the webhook.
    """

    id: str
    learner: Disclosed | None
    reader: Disclosed | None
    role: Role
    kind: RecordKind
    course: ShownCourse | None
    channel: Channel
    key_id: str | None
    first_at: Moment
    last_at: Moment
    times: int
