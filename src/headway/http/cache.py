"""Cached responses, under keys that name the state they were made from.

Nothing is invalidated: a changed state has another key. So no response is stale, with any number of processes, whatever happens
to the cache.
"""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, NamedTuple

from headway.http.valkey import TIMEOUT_SECONDS, Breaker, namespace
from headway.settings import Settings
from headway.telemetry import Metrics


class Store(ABC):
    """A place for cached responses."""

    @abstractmethod
    async def get(self, key: str) -> bytes | None:
        """Return the value of a key, or None."""

    @abstractmethod
    async def set(self, key: str, value: bytes, *, seconds: int) -> None:
        """Store a value for at most `seconds`."""

    @abstractmethod
    async def close(self) -> None:
        """Release connections and memory."""


class _Kept(NamedTuple):
    value: bytes
    until: float


class MemoryStore(Store):
    """Responses in the memory of this process; the least recently used ones make room for new ones."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def get(self, key: str) -> bytes | None:
        """Return the value of a key that has not expired, or None."""
        kept = self._kept.get(key)
        if kept is None or kept.until <= monotonic():
            return None
        self._kept.move_to_end(key)
        return kept.value

    async def set(self, key: str, value: bytes, *, seconds: int) -> None:
        """Store a value."""
        self._forget(key)
        self._kept[key] = _Kept(value, monotonic() + seconds)
        self._bytes += _size(key, value)
        while self._bytes > self._max_bytes:
            self._forget(next(iter(self._kept)))

    async def close(self) -> None:
        """Remove everything."""
        self._kept.clear()
        self._bytes = 0

    def _forget(self, key: str) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= _size(key, kept.value)


def _size(key: str, value: bytes) -> int:
    # The overhead of an entry is about 200 bytes.
    return len(key) + len(value) + 200


class ValkeyStore(Store):
    """Responses in Valkey or Redis, shared by server processes."""

    def __init__(self, url: str, *, prefix: str) -> None:
        from valkey.asyncio import Valkey  # noqa: PLC0415 - an optional dependency

        self._prefix = prefix
        self._valkey: Any = Valkey.from_url(url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS)
        self._breaker = Breaker()

    async def get(self, key: str) -> bytes | None:
        """Return the value of a key, or None. Raises OSError while Valkey does not answer."""
        found: bytes | None = await self._breaker.ask(lambda: self._valkey.get(self._named(key)))
        return found

    async def set(self, key: str, value: bytes, *, seconds: int) -> None:
        """Store a value. Raises OSError while Valkey does not answer."""
        await self._breaker.ask(lambda: self._valkey.set(self._named(key), value, ex=seconds))

    async def close(self) -> None:
        """Close connections."""
        await self._valkey.aclose()

    def _named(self, key: str) -> str:
        return f"{self._prefix}:{key}"


class Cache:
    """Cached responses of one kind with their lifetime; hits, misses and failures are counted."""

    def __init__(self, store: Store, metrics: Metrics, *, kind: str, seconds: int) -> None:
        self._store = store
        self._kind = kind
        self._seconds = seconds
        self._outcomes = {name: metrics.cache_reads.labels(kind, name) for name in ("hit", "miss", "failure")}

    async def get(self, key: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """Return the response of a key, which names the state it is made from, or make it.

        Check access first: every caller gets the same response for the same key.
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
    """Open the store of the settings: memory, or Valkey shared by the servers of one database."""
    if settings.valkey_url is None:
        return MemoryStore(max_bytes=settings.cache_megabytes * 1_000_000)
    return ValkeyStore(settings.valkey_url, prefix=namespace(settings, settings.display_timezone))
