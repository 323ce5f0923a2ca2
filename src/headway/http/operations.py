"""Health checks and metrics."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CONTENT_TYPE_LATEST

from headway.http.request import encode
from headway.http.routes import Operation, Route
from headway.telemetry import Metrics

_READY_TIMEOUT_SECONDS = 3.0


class Health(msgspec.Struct):
    """The state of the server: `ok`, or `unavailable` with the reason."""

    status: str
    reason: str | None = None


def operations(
    fault: Callable[[], Awaitable[str | None]], metrics: Metrics, *, metrics_are_public: bool
) -> list[HTTPRouteHandler]:
    """Return the routes. `fault` returns why the server cannot serve requests, or None if it can."""

    async def livez() -> Response[bytes]:
        """Report that the process is alive, without checking dependencies."""
        return _health(Health("ok"), 200)

    async def readyz() -> Response[bytes]:
        """Report whether the server can serve requests: the database has this version's schema and commits a write."""
        try:
            async with asyncio.timeout(_READY_TIMEOUT_SECONDS):
                reason = await fault()
        except TimeoutError:
            reason = "the database does not respond"
        if reason is None:
            return _health(Health("ok"), 200)
        response = _health(Health("unavailable", reason), 503)
        response.headers["Retry-After"] = "2"
        return response

    @get("/metrics", opt={"public": metrics_are_public})
    async def prometheus() -> Response[bytes]:
        """Return the metrics of all server processes in Prometheus' text format."""
        metrics.sample()
        page = await asyncio.to_thread(metrics.page)
        return Response(page, headers={"Content-Type": CONTENT_TYPE_LATEST})

    alive = _public("/livez", livez, {200: Health})
    ready = _public("/readyz", readyz, {200: Health, 503: Health})
    return [get("/livez", opt=alive)(livez), get(["/readyz", "/healthz"], opt=ready)(readyz), prometheus]


def _public(path: str, handler: Callable[..., Any], responses: dict[int, type[Health]]) -> dict[str, Any]:
    """Return the options of a public route that is in the OpenAPI document."""
    route = Route("GET", path, responses, public=True)
    return {"operation": Operation(route, inspect.getdoc(handler) or "", "Operations", {}), "public": True}


def _health(health: Health, status: int) -> Response[bytes]:
    return Response(encode(health), status_code=status, media_type="application/json")
