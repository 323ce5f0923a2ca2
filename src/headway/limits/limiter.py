"""Rate limiters: exact sliding windows in memory, in the database, or in Valkey."""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Mapping
from time import time
from typing import Any

from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter

from headway.db.database import Database, WriteTransaction
from headway.errors import RateLimited
from headway.instants import SECOND, Clock, Instant, SteadyClock
from headway.limits import store
from headway.limits.model import Decision, RateLimit, slide
from headway.telemetry import Metrics
from headway.valkey import TIMEOUT_SECONDS, Breaker


class RateLimiter(ABC):
    """Counts requests under keys."""

    @abstractmethod
    async def take(self, key: str, limit: RateLimit) -> Decision:
        """Count a request under a key if the limit allows it, and return the decision. Raises Unavailable."""

    @abstractmethod
    async def close(self) -> None:
        """Release memory or connections."""


class MemoryRateLimiter(RateLimiter):
    """Limits within this process. Nothing is awaited between reading and counting, so no request slips through."""

    def __init__(self, clock: Clock) -> None:
        self._clock = SteadyClock(clock)
        self._times: OrderedDict[str, tuple[list[Instant], Instant]] = OrderedDict()
        """By key the times that count and the end of the last window; the key that was used the longest ago is first."""

    async def take(self, key: str, limit: RateLimit) -> Decision:
        """Count a request under a key if the limit allows it, and return the decision."""
        now = self._clock()
        times, _ = self._times.pop(key, ([], 0))
        counted, decision = slide(times, now, limit)
        self._times[key] = (counted, counted[-1] + limit.window)
        while next(iter(self._times.values()))[1] <= now:
            self._times.popitem(last=False)
        return decision

    async def close(self) -> None:
        """Remove everything."""
        self._times.clear()


class DatabaseRateLimiter(RateLimiter):
    """Limits in the database, which hold across processes and restarts."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def take(self, key: str, limit: RateLimit) -> Decision:
        """Count a request under a key if the limit allows it, and return the decision. Raises Unavailable."""
        _, (decision,) = await self._take({key: limit})
        return decision

    async def take_all(self, limits: Mapping[str, RateLimit]) -> Instant:
        """Count a request under each key and return its time, which `give_back` takes; if any limit refuses, count nothing.

        Call it before the outcome is known, so that concurrent requests cannot slip through together. Raises RateLimited.
        """
        now, decisions = await self._take(limits)
        refusals = [decision for decision in decisions if not decision.is_allowed]
        if refusals:
            seconds = max(decision.reset_in_seconds for decision in refusals)
            raise RateLimited(f"Too many attempts; try again in {seconds} seconds.", retry_after_seconds=seconds)
        return now

    async def give_back(self, limits: Mapping[str, RateLimit], taken_at: Instant) -> None:
        """Remove a request that turns out not to count."""
        async with self._database.write() as tx:
            for key, limit in _by_stored_key(tx, limits):
                times = await store.lock_times(tx, key, taken_at)
                if taken_at in times:
                    times.remove(taken_at)
                    await store.set_times(tx, key, times, expires_at=taken_at + limit.window)

    async def close(self) -> None:
        """Do nothing: the database is closed by its owner."""

    async def _take(self, limits: Mapping[str, RateLimit]) -> tuple[Instant, list[Decision]]:
        now = self._clock()
        async with self._database.write() as tx:
            slid = [
                (key, limit, *slide(await store.lock_times(tx, key, now), now, limit))
                for key, limit in _by_stored_key(tx, limits)
            ]
            decisions = [decision for *_, decision in slid]
            if all(decision.is_allowed for decision in decisions):
                for key, limit, times, _ in slid:
                    await store.set_times(tx, key, times, expires_at=now + limit.window)
            await store.delete_expired(tx, now)
        return now, decisions


class ValkeyRateLimiter(RateLimiter):
    """Limits in Valkey or Redis, shared by server processes; while it does not answer each process limits by itself."""

    def __init__(self, url: str, *, prefix: str, fallback: MemoryRateLimiter, metrics: Metrics) -> None:
        self._storage = RedisStorage(
            url,
            implementation="valkey",
            key_prefix=f"{prefix}:limit",
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
        )
        self._limiter = MovingWindowRateLimiter(self._storage)
        self._breaker = Breaker()
        self._fallback = fallback
        self._fallbacks = metrics.rate_limit_fallbacks

    async def take(self, key: str, limit: RateLimit) -> Decision:
        """Count a request under a key if the limit allows it, and return the decision."""
        try:
            return await self._breaker.ask(lambda: self._take(key, limit))
        except OSError:
            self._fallbacks.inc()
            return await self._fallback.take(key, limit)

    async def close(self) -> None:
        """Close the connections."""
        bridge: Any = self._storage.bridge
        await bridge.get_connection().aclose()

    async def _take(self, key: str, limit: RateLimit) -> Decision:
        item = RateLimitItemPerSecond(limit.requests, limit.window_seconds)
        is_allowed = await self._limiter.hit(item, key)
        resets_at, remaining = await self._limiter.get_window_stats(item, key)
        return Decision(is_allowed, remaining if is_allowed else 0, int((resets_at - time()) * SECOND))


def _by_stored_key(tx: WriteTransaction, limits: Mapping[str, RateLimit]) -> list[tuple[str, RateLimit]]:
    """Sort limits by their stored keys: all transactions must lock them in the same order."""
    return sorted((store.stored_key(tx, key), limit) for key, limit in limits.items())
