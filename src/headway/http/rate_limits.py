"""The rate limits of routes: headers on every answer, 429 over the limit."""

from litestar.types import ASGIApp, Receive, Scope, Send

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
    """The middleware between authentication and the routes that have a limit."""

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """Count a request before its parameters and body are read, so that refused ones count too.

        Answers of a route with a limit carry `RateLimit-Policy` and `RateLimit` (the IETF's draft "RateLimit header fields
        for HTTP"). Over the limit it raises RateLimited.
        """

        async def limited(scope: Scope, receive: Receive, send: Send) -> None:
            limit: RateLimit | None = scope["route_handler"].opt.get("limit")
            if limit is not None:
                await self._take(limit, scope)
            await app(scope, receive, send)

        return limited

    async def close(self) -> None:
        """Close the limiter."""
        await self._limiter.close()

    async def _take(self, limit: RateLimit, scope: Scope) -> None:
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
