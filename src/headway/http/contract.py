"""The interface of a contract: its routes and its rendering of errors."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from litestar import Router

from headway.errors import (
    Conflict,
    FieldError,
    Forbidden,
    HeadwayError,
    Invalid,
    KeyReused,
    NotFound,
    RateLimited,
    Unauthenticated,
    Unavailable,
)

_WORD = re.compile(r"_([a-z])")


_STATUSES: dict[type[HeadwayError], int] = {
    Invalid: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    KeyReused: 422,
    RateLimited: 429,
    Unavailable: 503,
}


class Problem(msgspec.Struct, frozen=True):
    """An error to render in a contract's envelope."""

    status: int
    code: str
    message: str
    request_id: str
    fields: tuple[FieldError, ...] = ()
    retry_after_seconds: int | None = None


def status_of(error: HeadwayError) -> int:
    """Return the default status of a domain error."""
    return next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), 500)


class Contract(NamedTuple):
    """One of the HTTP contracts."""

    prefixes: tuple[str, ...]
    router: Router
    render_error: Callable[[Problem], Any]
    """Returns the body of an error response: a struct of the contract's envelope."""
    error_schema: type[msgspec.Struct]
    error_statuses: tuple[int, ...]
    """The statuses of errors that all routes may return, for the OpenAPI document."""
    status_of: Callable[[HeadwayError], int] = status_of
    """Returns the status of a domain error."""

    def owns(self, path: str) -> bool:
        """Return whether a path belongs to this contract."""
        return any(path == prefix or path.startswith(prefix + "/") for prefix in self.prefixes)


def camel_case(path: str) -> str:
    """Return a field's path in camel case: `parts[0].max_grade` becomes `parts[0].maxGrade`."""
    return _WORD.sub(lambda match: match[1].upper(), path)
