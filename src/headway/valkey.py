"""What all uses of Valkey or Redis share: a namespace for each database, a short timeout, and a circuit breaker."""

import hashlib
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

import structlog

from headway.settings import Settings

WITHOUT_SECONDS = 2.0
"""After a failure Valkey gets no request for this time: each would wait for the timeout."""
TIMEOUT_SECONDS = 0.25

log = structlog.get_logger(__name__)

Found = TypeVar("Found")


class Breaker:
    """A circuit breaker: no requests to a Valkey that failed a moment ago."""

    def __init__(self) -> None:
        self._again_at = 0.0

    async def ask(self, request: Callable[[], Awaitable[Found]]) -> Found:
        """Run a request to Valkey. Raises OSError while it does not answer."""
        from valkey.exceptions import ValkeyError  # noqa: PLC0415 - an optional dependency

        if monotonic() < self._again_at:
            raise ConnectionError("Valkey did not answer a moment ago.")
        try:
            return await request()
        except (TimeoutError, ValkeyError, OSError) as error:
            if monotonic() >= self._again_at:
                # Of concurrent requests one logs.
                log.warning("Valkey does not answer; going on without it.", cause=repr(error))
            self._again_at = monotonic() + WITHOUT_SECONDS
            raise ConnectionError(str(error)) from error


def namespace(settings: Settings, *parts: str) -> str:
    """Return the prefix of all keys, which differs by database and by `parts`."""
    shape = " ".join(["1", settings.database_url, *parts])
    return f"headway:{hashlib.sha256(shape.encode()).hexdigest()[:16]}"
