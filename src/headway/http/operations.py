"""What operators and machines ask: is it alive, is it ready, how is it doing."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CONTENT_TYPE_LATEST

from headway.db.keyring import WrongKeyError
from headway.errors import Unavailable
from headway.http.openapi import documented
from headway.http.requests import json_answer
from headway.telemetry import Metrics

_READY_WITHIN_SECONDS = 3.0


class Health(msgspec.Struct):
    """How the server is: `ok`, or `unavailable` with what is wrong."""

    status: str
    reason: str | None = None


def operations(
    is_ready: Callable[[], Awaitable[bool]], metrics: Metrics, *, metrics_are_public: bool
) -> list[HTTPRouteHandler]:
    """Make the routes beside the contracts. `is_ready` says whether the database answers and has the right schema."""

    async def livez() -> Response[bytes]:
        """Say that the process answers; asks nothing of anybody else."""
        return json_answer(Health("ok"), 200)

    async def readyz() -> Response[bytes]:
        """Say whether requests can be served: the database answers and has this version's schema."""
        try:
            async with asyncio.timeout(_READY_WITHIN_SECONDS):
                reason = None if await is_ready() else "the database has another schema version"
        except WrongKeyError:
            reason = "the database has other keys"
        except (Unavailable, TimeoutError):
            reason = "the database does not answer"
        if reason is None:
            return json_answer(Health("ok"), 200)
        answer = json_answer(Health("unavailable", reason), 503)
        answer.headers["Retry-After"] = "2"
        return answer

    @get("/metrics", opt={"public": metrics_are_public})
    async def prometheus() -> Response[bytes]:
        """Give the metrics of all server processes in Prometheus' text format."""
        return Response(metrics.page(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    alive = documented("get", livez, answers={200: Health}, tag="Operations", is_public=True)
    ready = documented("get", readyz, answers={200: Health, 503: Health}, tag="Operations", is_public=True)
    return [get("/livez", opt=alive)(livez), get(["/readyz", "/healthz"], opt=ready)(readyz), prometheus]
