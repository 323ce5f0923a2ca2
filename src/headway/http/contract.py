"""The interface of a contract: its routes and its rendering of errors."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from litestar import Router

from headway.errors import FieldError, HeadwayError


class Problem(msgspec.Struct, frozen=True):
    """An error to render in a contract's envelope."""

    status: int
    code: str
    message: str
    request_id: str
    fields: tuple[FieldError, ...] = ()
    retry_after_seconds: int | None = None


class Contract(NamedTuple):
    """One of the HTTP contracts."""

    prefixes: tuple[str, ...]
    router: Router
    status_of: Callable[[HeadwayError], int]
    """Returns the status of a domain error."""
    render_error: Callable[[Problem], Any]
    """Returns the body of an error response: a struct of the contract's envelope."""
    error_schema: type[msgspec.Struct]
    error_statuses: tuple[int, ...]
    """The statuses of errors that all routes may return, for the OpenAPI document."""
    schemas: Mapping[str, dict[str, Any]] = {}
    """The JSON schemas of types that are wider than they say, by their names in the OpenAPI document."""

    def owns(self, path: str) -> bool:
        """Return whether a path belongs to this contract."""
        return any(path == prefix or path.startswith(prefix + "/") for prefix in self.prefixes)
