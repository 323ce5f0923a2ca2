"""The errors of models and services. They carry no status: contracts map them to responses.

    HeadwayError
    ├── Invalid            the request breaks rules; names the fields
    ├── Unauthenticated    the caller is unknown, or the token is invalid
    ├── Forbidden          the caller lacks the permission
    ├── NotFound           the resource does not exist
    ├── Conflict           the state of the resource does not allow the request
    ├── KeyReused          an idempotency key was used for another request
    ├── RateLimited        too many requests; try again later
    └── Unavailable        a dependency does not respond; try again later
        ├── Overloaded     too much work is queued; try again later
        └── Raced          another transaction stored the same at the same time; try again
    OperatorError          a command cannot start; its message tells an operator what to change

An error has a stable `code` and a message for developers.
"""

import re
from collections.abc import Sequence
from typing import ClassVar

import msgspec

MAX_SHOWN_CHARACTERS = 200
"""How much of a client's name or value an error repeats."""
MAX_FIELD_ERRORS = 50
"""The largest number of fields that an error names."""
_WORD = re.compile(r"_([a-z])")


def shown(text: str) -> str:
    """Return a client's text as an error repeats it: cut to `MAX_SHOWN_CHARACTERS`."""
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}…"


class FieldError(msgspec.Struct, frozen=True):
    """An error of one field; `field` is its path in the body, such as `engagement_metrics.scroll_depth`."""

    field: str
    message: str


def camel_case(path: str) -> str:
    """Return a field's path in camel case: `parts[0].max_grade` becomes `parts[0].maxGrade`."""
    return _WORD.sub(lambda match: match[1].upper(), path)


class HeadwayError(Exception):
    """The base of all errors of models and services."""

    code: ClassVar[str] = "ERROR"
    retry_after_seconds: int | None = None

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        fields: Sequence[FieldError] = (),
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind = code or self.code
        self.fields = tuple(fields[:MAX_FIELD_ERRORS])
        if retry_after_seconds is not None:
            self.retry_after_seconds = retry_after_seconds


class OperatorError(Exception):
    """A command cannot start or go on; the message is one line that tells an operator what to change."""


class Invalid(HeadwayError):
    """The request breaks one or more rules; `fields` names the field of each, up to `MAX_FIELD_ERRORS`."""

    code = "VALIDATION_ERROR"

    def __init__(self, fields: Sequence[FieldError], message: str = "The request is not valid.") -> None:
        super().__init__(message, fields=fields)

    @classmethod
    def field(cls, field: str, message: str) -> "Invalid":
        """Return the error of a single field."""
        return cls([FieldError(field, message)])


class Unauthenticated(HeadwayError):
    """The caller is unknown, or the token is invalid, expired or revoked."""

    code = "UNAUTHENTICATED"


class Forbidden(HeadwayError):
    """The caller lacks the permission."""

    code = "FORBIDDEN"


class NotFound(HeadwayError):
    """The resource does not exist, or the caller may not know that it does."""

    code = "NOT_FOUND"


class Conflict(HeadwayError):
    """The state of the resource does not allow the request."""

    code = "CONFLICT"


class KeyReused(HeadwayError):
    """The idempotency key was used for another request."""

    code = "IDEMPOTENCY_KEY_REUSED"


class RateLimited(HeadwayError):
    """The caller exceeded a rate limit. Nothing was stored; retry after `retry_after_seconds`."""

    code = "RATE_LIMITED"


class Unavailable(HeadwayError):
    """A dependency, such as the database, does not respond; retry after `retry_after_seconds`."""

    code = "UNAVAILABLE"
    retry_after_seconds = 1


class Overloaded(Unavailable):
    """Too much work is queued; nothing of the request was stored."""

    code = "OVERLOADED"


class Raced(Unavailable):
    """Another transaction stored the same at the same time; nothing of this one is stored."""
