"""What all that goes to Valkey or Redis has in common: names of its own for each database, and little patience."""

import hashlib
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

import structlog

from headway.settings import Settings

WITHOUT_SECONDS = 2.0
"""After a failure nothing is asked of Valkey for so long: waiting for it would cost every request the timeout."""
TIMEOUT_SECONDS = 0.25

log = structlog.get_logger(__name__)

Found = TypeVar("Found")


class Breaker:
    """Keeps away from a Valkey that did not answer a moment ago."""

    def __init__(self) -> None:
        self._again_at = 0.0

    async def ask(self, ask: Callable[[], Awaitable[Found]]) -> Found:
        """Ask something of Valkey. Raises OSError while it does not answer."""
        from valkey.exceptions import ValkeyError  # noqa: PLC0415 - an optional dependency

        if monotonic() < self._again_at:
            raise ConnectionError("Valkey did not answer a moment ago.")
        try:
            return await ask()
        except (TimeoutError, ValkeyError, OSError) as error:
            if monotonic() >= self._again_at:
                # Of those that asked at the same time one tells.
                log.warning("Valkey does not answer; going on without it.", cause=repr(error))
            self._again_at = monotonic() + WITHOUT_SECONDS
            raise ConnectionError(str(error)) from error


def namespace(settings: Settings, *more: str) -> str:
    """Give what the names of all keys begin with: another for each database, and for each of `more`."""
    shape = " ".join(["1", settings.database_url, *more])
    return f"headway:{hashlib.sha256(shape.encode()).hexdigest()[:16]}"
