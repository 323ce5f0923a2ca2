"""The outermost layer: a request id for every request, its time and status counted, and an access line if wanted."""

import itertools
import re
import time
from typing import Any

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import Counter, Histogram

from headway.domain.ids import NewId
from headway.telemetry import Metrics, request_id

log = structlog.get_logger(__name__)

_ACCEPTABLE_ID = re.compile(rb"[A-Za-z0-9._-]{1,100}")
UNMATCHED = "unmatched"
MORE_HEADERS = "headway_headers"
"""The key in a request's scope of the list of headers that its answer gets, whatever the answer is."""


class Edge:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, new_id: NewId, access_log: bool) -> None:
        self.app = app
        self._metrics = metrics
        # Unique to this process; a number behind it costs a tenth of another random id.
        self._id_prefix = new_id()
        self._numbers = itertools.count(1)
        self._access_log = access_log
        self._meters: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; other kinds of connection pass through."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        identity = self._identity(scope)
        token = request_id.set(identity)
        status = 500
        more: list[tuple[bytes, bytes]] = []
        scope[MORE_HEADERS] = more  # type: ignore[literal-required]

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *more, (b"x-request-id", identity.encode())]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            self._count(scope, status, time.perf_counter() - started)
            request_id.reset(token)

    def _identity(self, scope: Scope) -> str:
        for name, value in scope["headers"]:
            if name == b"x-request-id" and _ACCEPTABLE_ID.fullmatch(value):
                return value.decode()
        return f"{self._id_prefix}-{next(self._numbers)}"

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        fields: dict[str, Any] = scope  # type: ignore[assignment]
        endpoint = fields.get("path_template") or UNMATCHED
        meters = self._meters.get((endpoint, status))
        if meters is None:
            meters = self._meters[endpoint, status] = (
                self._metrics.requests.labels(endpoint, str(status)),
                self._metrics.request_seconds.labels(endpoint),
            )
        meters[0].inc()
        meters[1].observe(seconds)
        if self._access_log:
            log.info("request", method=fields["method"], path=fields["path"], status=status, seconds=round(seconds, 6))
