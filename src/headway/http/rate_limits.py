"""How often a caller may ask a route: exact sliding windows, in the place that all server processes share."""

from abc import ABC, abstractmethod
from collections import OrderedDict
from time import time
from typing import Any, NamedTuple

from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from litestar.types import ASGIApp, Receive, Scope, Send

from headway.db.database import Database
from headway.errors import RateLimited
from headway.http.middleware import RESPONSE_HEADERS
from headway.http.valkey import TIMEOUT_SECONDS, Breaker, namespace
from headway.identity import Caller
from headway.instants import SECOND, Clock, Instant
from headway.limits.limiter import Attempts, Limit
from headway.limits.sliding_window import Standing, slide
from headway.settings import Settings
from headway.telemetry import Metrics


class RateLimit(NamedTuple):
    """So many requests of a caller to a route within any stretch of so many seconds."""

    name: str
    requests: int
    window_seconds: int = 60


class Windows(ABC):
    """Where it is kept how often something was asked."""

    @abstractmethod
    async def take(self, key: str, limit: RateLimit) -> Standing:
        """Count a request under a key, if the limit lets it through."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of what is held."""


class MemoryWindows(Windows):
    """Windows of this process. Nothing is awaited between looking and counting, so no request slips through."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._times: OrderedDict[str, tuple[list[Instant], Instant]] = OrderedDict()
        """By key the times that count, and until when; what was asked for the longest ago comes first."""

    async def take(self, key: str, limit: RateLimit) -> Standing:
        """Count a request under a key, if the limit lets it through."""
        now, window = self._clock(), limit.window_seconds * SECOND
        times, _ = self._times.pop(key, ([], 0))
        counted, standing = slide(times, now, limit=limit.requests, window=window)
        self._times[key] = (counted, counted[-1] + window)
        while next(iter(self._times.values()))[1] <= now:
            self._times.popitem(last=False)
        return standing

    async def close(self) -> None:
        """Forget everything."""
        self._times.clear()


class DatabaseWindows(Windows):
    """Windows in the database, for processes that share nothing else."""

    def __init__(self, attempts: Attempts) -> None:
        self._attempts = attempts

    async def take(self, key: str, limit: RateLimit) -> Standing:
        """Count a request under a key, if the limit lets it through. Raises Unavailable."""
        return await self._attempts.count(Limit(f"rate {key}", limit.requests, limit.window_seconds * SECOND))

    async def close(self) -> None:
        """Nothing is held."""


class ValkeyWindows(Windows):
    """Windows in Valkey or Redis, shared by server processes; while it does not answer each has its own."""

    def __init__(self, url: str, *, prefix: str, own: MemoryWindows, metrics: Metrics) -> None:
        self._storage = RedisStorage(
            url,
            implementation="valkey",
            key_prefix=f"{prefix}:limit",
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
        )
        self._limiter = MovingWindowRateLimiter(self._storage)
        self._breaker = Breaker()
        self._own = own
        self._fallbacks = metrics.rate_limit_fallbacks

    async def take(self, key: str, limit: RateLimit) -> Standing:
        """Count a request under a key, if the limit lets it through."""
        try:
            return await self._breaker.ask(lambda: self._take(key, limit))
        except OSError:
            self._fallbacks.inc()
            return await self._own.take(key, limit)

    async def close(self) -> None:
        """Let go of connections."""
        bridge: Any = self._storage.bridge
        await bridge.get_connection().aclose()

    async def _take(self, key: str, limit: RateLimit) -> Standing:
        item = RateLimitItemPerSecond(limit.requests, limit.window_seconds)
        is_let_through = await self._limiter.hit(item, key)
        opens_at, left = await self._limiter.get_window_stats(item, key)
        return Standing(is_let_through, left if is_let_through else 0, int((opens_at - time()) * SECOND))


class RateLimits:
    """Stands between the authentication and the routes that have a limit."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """Count a request before anything else of it is looked at, so that refused ones count too.

        Every answer of a route with a limit says how it stands, in `RateLimit-Policy` and `RateLimit` (of the IETF's draft
        "RateLimit header fields for HTTP"); over the limit it is RateLimited.
        """

        async def limited(scope: Scope, receive: Receive, send: Send) -> None:
            limit: RateLimit | None = scope["route_handler"].opt.get("limit")
            if limit is not None:
                await self._take(limit, scope)
            await app(scope, receive, send)

        return limited

    async def close(self) -> None:
        """Let go of what is held."""
        await self._windows.close()

    async def _take(self, limit: RateLimit, scope: Scope) -> None:
        caller: Caller = scope["user"]
        fields: dict[str, object] = scope  # type: ignore[assignment]
        standing = await self._windows.take(f"{caller.user_id} {fields['method']} {fields['path_template']}", limit)
        seconds = standing.opens_in_seconds
        policy = f'"{limit.name}";q={limit.requests};w={limit.window_seconds}'
        headers: list[tuple[bytes, bytes]] = scope[RESPONSE_HEADERS]  # type: ignore[literal-required]
        headers.append((b"ratelimit-policy", policy.encode()))
        headers.append((b"ratelimit", f'"{limit.name}";r={standing.left};t={seconds}'.encode()))
        if not standing.is_let_through:
            raise RateLimited(f"Too many requests; try again in {seconds} seconds.", retry_after_seconds=seconds)


def open_windows(settings: Settings, database: Database, clock: Clock, metrics: Metrics) -> Windows:
    """Give the windows of the settings: exact for all processes that may share the database."""
    if settings.valkey_url is not None:
        own = MemoryWindows(clock)
        return ValkeyWindows(settings.valkey_url, prefix=namespace(settings), own=own, metrics=metrics)
    return MemoryWindows(clock) if settings.is_sqlite else DatabaseWindows(Attempts(database, clock))
