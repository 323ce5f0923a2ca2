"""Answers that are costly to make, kept for a while under keys that name the state they were made from.

Nothing is ever taken out because something changed: what is asked for then has another key. So no answer is stale, with however
many processes, whatever happens to the cache.
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

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
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
        while self._bytes > self._max_bytes:
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

    def __init__(self, url: str, *, prefix: str) -> None:
        from valkey.asyncio import Valkey  # noqa: PLC0415 - an optional dependency

        self._prefix = prefix
        self._valkey: Any = Valkey.from_url(url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS)
        self._breaker = Breaker()

    async def get(self, key: str) -> bytes | None:
        """Give what is kept under a key. Raises OSError while Valkey does not answer."""
        found: bytes | None = await self._breaker.ask(lambda: self._valkey.get(self._named(key)))
        return found

    async def set(self, key: str, value: bytes, *, seconds: int) -> None:
        """Keep something. Raises OSError while Valkey does not answer."""
        await self._breaker.ask(lambda: self._valkey.set(self._named(key), value, ex=seconds))

    async def close(self) -> None:
        """Let go of connections."""
        await self._valkey.aclose()

    def _named(self, key: str) -> str:
        return f"{self._prefix}:{key}"


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
        return MemoryStore(max_bytes=settings.cache_megabytes * 1_000_000)
    return ValkeyStore(settings.valkey_url, prefix=namespace(settings, settings.display_timezone))
