"""Shared code for Valkey and Redis: a namespace for each database, a short timeout, and a circuit breaker."""

import hashlib
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

import structlog

from headway.settings import Settings

WITHOUT_SECONDS = 2.0
"""The time without requests to Valkey after a failure: each would wait for the timeout."""
TIMEOUT_SECONDS = 0.25

log = structlog.get_logger(__name__)

Reply = TypeVar("Reply")


class Breaker:
    """A circuit breaker: rejects requests to Valkey for a time after a failure."""

    def __init__(self) -> None:
        self._again_at = 0.0

    async def ask(self, request: Callable[[], Awaitable[Reply]]) -> Reply:
        """Run a request to Valkey. Raises OSError while it does not respond."""
        from valkey.exceptions import ValkeyError  # noqa: PLC0415 - an optional dependency

        if monotonic() < self._again_at:
            raise ConnectionError("Valkey did not respond a moment ago.")
        try:
            return await request()
        except (TimeoutError, ValkeyError, OSError) as error:
            if monotonic() >= self._again_at:
                # Only one of several concurrent requests logs.
                log.warning("Valkey does not respond; continuing without it.", cause=repr(error))
            self._again_at = monotonic() + WITHOUT_SECONDS
            raise ConnectionError(str(error)) from error


def namespace(settings: Settings, *parts: str) -> str:
    """Return the prefix of all keys, which depends on the database and on `parts`."""
    shape = " ".join(["1", settings.database_url, *parts])
    return f"headway:{hashlib.sha256(shape.encode()).hexdigest()[:16]}"
