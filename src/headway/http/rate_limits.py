"""The rate limits of routes: headers on every answer, 429 over the limit."""

from litestar.types import Scope

from headway.db.database import Database
from headway.errors import RateLimited
from headway.http.middleware import RESPONSE_HEADERS
from headway.identity import Caller
from headway.instants import Clock
from headway.limits.limiter import DatabaseRateLimiter, MemoryRateLimiter, RateLimiter, ValkeyRateLimiter
from headway.limits.model import RateLimit
from headway.settings import Settings
from headway.telemetry import Metrics
from headway.valkey import namespace


class RateLimits:
    """Enforces the limits of routes."""

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter

    async def close(self) -> None:
        """Close the limiter."""
        await self._limiter.close()

    async def take(self, limit: RateLimit, scope: Scope) -> None:
        """Count a request of a caller. Raises RateLimited over the limit.

        Every response of a route with a limit carries `RateLimit-Policy` and `RateLimit` (the IETF's draft "RateLimit header
        fields for HTTP").
        """
        caller: Caller = scope["user"]
        fields: dict[str, object] = scope  # type: ignore[assignment]
        key = f"route {caller.user_id} {fields['method']} {fields['path_template']}"
        decision = await self._limiter.take(key, limit)
        seconds = decision.reset_in_seconds
        policy = f'"{limit.name}";q={limit.requests};w={limit.window_seconds}'
        headers: list[tuple[bytes, bytes]] = scope[RESPONSE_HEADERS]  # type: ignore[literal-required]
        headers.append((b"ratelimit-policy", policy.encode()))
        headers.append((b"ratelimit", f'"{limit.name}";r={decision.remaining};t={seconds}'.encode()))
        if not decision.is_allowed:
            raise RateLimited(f"Too many requests; try again in {seconds} seconds.", retry_after_seconds=seconds)


def open_rate_limiter(settings: Settings, database: Database, clock: Clock, metrics: Metrics) -> RateLimiter:
    """Return the limiter of the settings, exact for all processes that may share the database."""
    if settings.valkey_url is not None:
        fallback = MemoryRateLimiter(clock)
        return ValkeyRateLimiter(settings.valkey_url, prefix=namespace(settings), fallback=fallback, metrics=metrics)
    return MemoryRateLimiter(clock) if settings.is_sqlite else DatabaseRateLimiter(database, clock)
