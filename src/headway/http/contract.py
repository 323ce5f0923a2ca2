"""What a contract is to the server, and how everything that goes wrong becomes one kind of value to render."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from litestar import Router

from headway.errors import FieldError, HeadwayError

_WORD = re.compile(r"_([a-z])")


class Problem(msgspec.Struct, frozen=True):
    """Something went wrong: all that an envelope can tell of it."""

    status: int
    code: str
    message: str
    request_id: str
    fields: tuple[FieldError, ...] = ()
    retry_after_seconds: int | None = None


class Contract(NamedTuple):
    """One of the HTTP contracts: where it lives and how it tells errors."""

    name: str
    prefixes: tuple[str, ...]
    router: Router
    status_of: Callable[[HeadwayError], int]
    """Says with which status this contract tells a domain error."""
    render_error: Callable[[Problem], Any]
    """Makes the body of an error: a struct of the contract's envelope."""
    error_schema: type[msgspec.Struct]
    error_statuses: tuple[int, ...]
    """Those that any of its routes may answer with, for the document."""

    def owns(self, path: str) -> bool:
        """Say whether a path lies under this contract."""
        return any(path == prefix or path.startswith(prefix + "/") for prefix in self.prefixes)


def camel_case(path: str) -> str:
    """Return a field's path in camel case: `parts[0].max_grade` becomes `parts[0].maxGrade`."""
    return _WORD.sub(lambda match: match[1].upper(), path)
