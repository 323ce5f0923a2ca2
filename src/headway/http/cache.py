"""Answers that are costly to make, kept for a while under keys that name the state they were made from.

Nothing is ever taken out because something changed: what is asked for then has another key. So no answer is stale, with however
many processes, whatever happens to the cache.
"""

import hashlib
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, NamedTuple

import structlog

from headway.settings import Settings
from headway.telemetry import Metrics

_WITHOUT_SECONDS = 2.0
"""After a failure nothing is asked of Valkey for so long: waiting for it would cost every request the timeout."""
_TIMEOUT_SECONDS = 0.25

log = structlog.get_logger(__name__)


class Store(ABC):
    """Where answers are kept."""

    @abstractmethod
    async def get(self, key: str) -> bytes | None:
        """Give what is kept under a key."""

    @abstractmethod
    async def set(self, key: str, value: bytes, *, seconds: int) -> None:
        """Keep something for so long at most."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of what is held."""


class _Kept(NamedTuple):
    value: bytes
    until: float


class MemoryStore(Store):
    """Answers in this process; what was not asked for the longest makes room for what is new."""

    def __init__(self, *, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def get(self, key: str) -> bytes | None:
        """Give what is kept under a key and is not too old."""
        kept = self._kept.get(key)
        if kept is None or kept.until <= monotonic():
            return None
        self._kept.move_to_end(key)
        return kept.value

    async def set(self, key: str, value: bytes, *, seconds: int) -> None:
        """Keep something."""
        self._forget(key)
        self._kept[key] = _Kept(value, monotonic() + seconds)
        self._bytes += _size(key, value)
        while self._bytes > self._most_bytes:
            self._forget(next(iter(self._kept)))

    async def close(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._bytes = 0

    def _forget(self, key: str) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= _size(key, kept.value)


def _size(key: str, value: bytes) -> int:
    # Beside the texts themselves an entry costs about this.
    return len(key) + len(value) + 200


class ValkeyStore(Store):
    """Answers in Valkey or Redis, shared by server processes. While it does not answer there are none."""

    def __init__(self, url: str, *, namespace: str) -> None:
        from valkey.asyncio import Valkey  # noqa: PLC0415 - an optional dependency

        self._namespace = namespace
        self._valkey: Any = Valkey.from_url(url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS)
        self._again_at = 0.0

    async def get(self, key: str) -> bytes | None:
        """Give what is kept under a key. Raises OSError while Valkey does not answer."""
        found: bytes | None = await self._ask(lambda: self._valkey.get(self._named(key)))
        return found

    async def set(self, key: str, value: bytes, *, seconds: int) -> None:
        """Keep something. Raises OSError while Valkey does not answer."""
        await self._ask(lambda: self._valkey.set(self._named(key), value, ex=seconds))

    async def close(self) -> None:
        """Let go of connections."""
        await self._valkey.aclose()

    async def _ask(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        from valkey.exceptions import ValkeyError  # noqa: PLC0415 - an optional dependency

        if monotonic() < self._again_at:
            raise ConnectionError("Valkey did not answer a moment ago.")
        try:
            return await ask()
        except (TimeoutError, ValkeyError, OSError) as error:
            self._again_at = monotonic() + _WITHOUT_SECONDS
            log.warning("Valkey does not answer; going on without it.", cause=repr(error))
            raise ConnectionError(str(error)) from error

    def _named(self, key: str) -> str:
        return f"headway:{self._namespace}:{key}"


class Cache:
    """Answers of one kind, kept for so many seconds; how often one was there is counted."""

    def __init__(self, store: Store, metrics: Metrics, *, kind: str, seconds: int) -> None:
        self._store = store
        self._kind = kind
        self._seconds = seconds
        self._outcomes = {name: metrics.cache_reads.labels(kind, name) for name in ("hit", "miss", "failure")}

    async def get(self, key: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """Give the answer under a key, which names the state that it is made from, or make it.

        Who may have it is to be decided before: whoever asks for the same key gets the same answer.
        """
        key = f"{self._kind}:{key}"
        try:
            found = await self._store.get(key)
        except OSError:
            self._outcomes["failure"].inc()
            return await make()
        self._outcomes["miss" if found is None else "hit"].inc()
        if found is not None:
            return found
        made = await make()
        try:
            await self._store.set(key, made, seconds=self._seconds)
        except OSError:
            self._outcomes["failure"].inc()
        return made


def open_store(settings: Settings) -> Store:
    """Give the store of the settings: Valkey where there is one, shared by those who have the same database."""
    if settings.valkey_url is None:
        return MemoryStore(most_bytes=settings.cache_megabytes * 1_000_000)
    shape = f"1 {settings.database_url} {settings.display_timezone}"
    return ValkeyStore(settings.valkey_url, namespace=hashlib.sha256(shape.encode()).hexdigest()[:16])
