"""Bodies of enrolling by staff: enrolling many at once, invitations, and waiting lists."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from headway.contracts.learner.wire import Enrollment, LearnerFieldProblem
from headway.enrollments.enrolling_model import MAX_ITEMS
from headway.http.decoding import VERBATIM
from headway.http.params import Moment, Timestamp
from headway.identity import MAX_USER_NAME


class EnrollmentItem(msgspec.Struct, rename="camel"):
    """Somebody to enroll.

    `user` is `id:5`, `ext:S-17` or `email:ada@example.org`. With `waitlist` the user waits if no seat is free; without
    `invite` an address without an account is rejected.
    """

    user: Annotated[str, Meta(min_length=1, max_length=MAX_USER_NAME)]
    expires_at: Timestamp | None = None
    waitlist: bool = False
    invite: bool = True


_ITEM = msgspec.json.schema(EnrollmentItem)["$defs"]["EnrollmentItem"]


class EnrollmentsBody(msgspec.Struct):
    """Users to enroll, who are decoded one by one: each has a verdict of its own."""

    items: Annotated[
        list[msgspec.Raw], VERBATIM, Meta(extra_json_schema={"items": _ITEM, "minItems": 1, "maxItems": MAX_ITEMS})
    ]


class EnrollmentVerdict(msgspec.Struct, rename="camel", omit_defaults=True):
    """What became of an item: `status` is `created`, `updated`, `unchanged` or `rejected`.

    `place` is `enrolled`, `waitlisted` or `invited`; a rejected item has a `code` and a `message` instead.
    """

    index: int
    status: str
    place: str | UnsetType = UNSET
    learner_id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    enrollment: Enrollment | UnsetType = UNSET
    position: int | UnsetType = UNSET
    invitation_id: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    message: str | UnsetType = UNSET
    errors: list[LearnerFieldProblem] | UnsetType = UNSET


class VerdictCounts(msgspec.Struct):
    """How many items have each status."""

    created: int
    updated: int
    unchanged: int
    rejected: int


class EnrollmentVerdicts(msgspec.Struct, kw_only=True):
    """The envelope of verdicts, in the order of the items."""

    status: str = "success"
    data: list[EnrollmentVerdict]
    metadata: VerdictCounts


class Invitation(msgspec.Struct, rename="camel"):
    """An invited address without an account; the invitation is deleted at `validUntil`.

    `expiresAt` is when the access of the learner will end.
    """

    id: str
    course_id: str
    email: str
    expires_at: Moment | None
    invited_by: str | None
    invited_at: Moment
    valid_until: Moment
    mailed_at: Moment | None


class WaitingLearner(msgspec.Struct, rename="camel"):
    """A learner on the waiting list of a course; positions count from 1. Disabled accounts keep their places."""

    course_id: str
    learner_id: str
    name: str
    position: int
    waiting_since: Moment
    disabled: bool


class OwnPlace(msgspec.Struct, rename="camel"):
    """The caller's place on the waiting list of a course."""

    course_id: str
    position: int
    waiting_since: Moment


class PositionBody(msgspec.Struct):
    """The place to move a learner to, from 1; a place beyond the last one is the last."""

    position: Annotated[int, Meta(ge=1, le=1_000_000_000)]


class AdmitBody(msgspec.Struct, rename="camel"):
    """With `addSeat` the course gets one seat more if none is free."""

    add_seat: bool = False
