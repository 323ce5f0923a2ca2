"""A cache of responses, whose keys identify the state that a response was rendered from.

A changed state has another key, so entries are never invalidated and no response is stale, with any number of processes.
"""

from collections.abc import Awaitable, Callable
from sys import getsizeof
from time import monotonic
from typing import Any, NamedTuple, TypeAlias

from headway.bounded_cache import BoundedCache
from headway.settings import Settings
from headway.telemetry import Metrics
from headway.valkey import TIMEOUT_SECONDS, Breaker, namespace


class _Entry(NamedTuple):
    value: bytes
    expires_at: float
    """On the monotonic clock."""


class MemoryStore:
    """A store in the memory of this process; the responses go that were used the longest ago."""

    def __init__(self, *, max_bytes: int) -> None:
        self._entries: BoundedCache[str, _Entry] = BoundedCache(max_bytes, _size)

    async def get(self, key: str) -> bytes | None:
        """Return the value of a key that has not expired, or None."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires_at <= monotonic():
            self._entries.discard(key)
            return None
        return entry.value

    async def set(self, key: str, value: bytes, *, seconds: int) -> None:
        """Store a value, unless it is larger than the cache."""
        self._entries.put(key, _Entry(value, monotonic() + seconds))

    async def close(self) -> None:
        """Remove everything."""
        self._entries.clear()


def _size(key: str, entry: _Entry) -> int:
    return getsizeof(key) + getsizeof(entry) + getsizeof(entry.value) + getsizeof(entry.expires_at)


class ValkeyStore:
    """A store in Valkey or Redis, shared by server processes."""

    def __init__(self, url: str, *, prefix: str) -> None:
        from valkey.asyncio import Valkey  # noqa: PLC0415 - an optional dependency

        self._prefix = prefix
        self._valkey: Any = Valkey.from_url(url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS)
        self._breaker = Breaker()

    async def get(self, key: str) -> bytes | None:
        """Return the value of a key, or None. Raises OSError while Valkey does not respond."""
        value: bytes | None = await self._breaker.ask(lambda: self._valkey.get(self._full_key(key)))
        return value

    async def set(self, key: str, value: bytes, *, seconds: int) -> None:
        """Store a value. Raises OSError while Valkey does not respond."""
        await self._breaker.ask(lambda: self._valkey.set(self._full_key(key), value, ex=seconds))

    async def close(self) -> None:
        """Close connections."""
        await self._valkey.aclose()

    def _full_key(self, key: str) -> str:
        return f"{self._prefix}:{key}"


Store: TypeAlias = MemoryStore | ValkeyStore


class Cache:
    """A cache of one kind of response with its lifetime. It counts hits, misses and failures."""

    def __init__(self, store: Store, metrics: Metrics, *, kind: str, seconds: int) -> None:
        self._store = store
        self._kind = kind
        self._seconds = seconds
        self._outcomes = {name: metrics.cache_reads.labels(kind, name) for name in ("hit", "miss", "failure")}

    async def get(self, key: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """Return the cached response of a key, or call `make` and cache the result.

        Check access first: all callers get the same response for the same key.
        """
        key = f"{self._kind}:{key}"
        try:
            cached = await self._store.get(key)
        except OSError:
            self._outcomes["failure"].inc()
            return await make()
        self._outcomes["miss" if cached is None else "hit"].inc()
        if cached is not None:
            return cached
        response = await make()
        try:
            await self._store.set(key, response, seconds=self._seconds)
        except OSError:
            self._outcomes["failure"].inc()
        return response


def open_store(settings: Settings) -> Store:
    """Return the store of the settings: memory, or Valkey shared by the servers of one database."""
    if settings.valkey_url is None:
        return MemoryStore(max_bytes=settings.cache_megabytes * 1_000_000)
    return ValkeyStore(settings.valkey_url, prefix=namespace(settings, settings.display_timezone))
