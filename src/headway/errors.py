"""What can go wrong in the domain, by kind; the contracts decide how each is told on the wire.

    HeadwayError
    ├── Invalid            the request breaks a rule; names the fields
    ├── Unauthenticated    nobody, or nobody any more
    ├── Forbidden          known, but without the right
    ├── NotFound           there is no such thing
    ├── Conflict           the state of things forbids it
    ├── KeyReused          the key of one request was given to another
    ├── RateLimited        tried too often; try again after some seconds
    └── Unavailable        not now; try again after some seconds
        └── Overloaded     more is waiting than may wait

An error carries a stable `code`, a message for people, and no status of any protocol.
"""

from collections.abc import Sequence
from typing import ClassVar

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field; `field` is its path in the body, such as `engagement_metrics.scroll_depth`."""

    field: str
    message: str


class HeadwayError(Exception):
    """Whatever a use case refuses to do, and why."""

    code: ClassVar[str] = "ERROR"
    retry_after_seconds: int | None = None

    def __init__(self, message: str, *, code: str | None = None, fields: Sequence[FieldError] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.kind = code or self.code
        self.fields = tuple(fields)


class Invalid(HeadwayError):
    """The request breaks one or more rules, each named with its field."""

    code = "VALIDATION_ERROR"

    def __init__(self, fields: Sequence[FieldError], message: str = "The request is not valid.") -> None:
        super().__init__(message, fields=fields)

    @classmethod
    def field(cls, field: str, message: str) -> "Invalid":
        """Build the error for a single field."""
        return cls([FieldError(field, message)])


class Unauthenticated(HeadwayError):
    """The caller is unknown, or its token has ended."""

    code = "UNAUTHENTICATED"


class Forbidden(HeadwayError):
    """The caller is known but has not the right."""

    code = "FORBIDDEN"


class NotFound(HeadwayError):
    """There is no such thing, or none that the caller may know of."""

    code = "NOT_FOUND"


class Conflict(HeadwayError):
    """The state of things forbids what was asked."""

    code = "CONFLICT"


class KeyReused(HeadwayError):
    """An idempotency key that belongs to one request came with another."""

    code = "IDEMPOTENCY_KEY_REUSED"


class RateLimited(HeadwayError):
    """This was tried too often; nothing was done, and may be tried again after `retry_after_seconds`."""

    code = "RATE_LIMITED"
    retry_after_seconds: int

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(HeadwayError):
    """The system cannot answer now; the same request may succeed after `retry_after_seconds`."""

    code = "UNAVAILABLE"
    retry_after_seconds: int

    def __init__(self, message: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Overloaded(Unavailable):
    """More work is waiting than may wait; nothing of the request was stored."""

    code = "OVERLOADED"
