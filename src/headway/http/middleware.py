"""The outermost middleware: request ids, metrics, the access log, and the security headers of every response."""

import itertools
import re
import time
from typing import Any

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import Counter, Histogram

from headway.ids import NewId
from headway.telemetry import Metrics, request_id

log = structlog.get_logger(__name__)

_ACCEPTABLE_ID = re.compile(rb"[A-Za-z0-9._-]{1,100}")
UNMATCHED = "unmatched"
CLIENT_CLOSED_REQUEST = 499
"""The status of a request whose client left before it was complete, as in nginx. Nobody receives it."""
_UNTIMED = {408, CLIENT_CLOSED_REQUEST}
"""Statuses of requests that clients did not complete: their time says nothing about the server."""
RESPONSE_HEADERS = "headway_headers"
"""The key in a request's scope of a list of headers to add to the response, also to an error."""
_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
"""The default headers of every response."""


class RequestMiddleware:
    """Sets request ids and headers, and counts and logs requests."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, new_id: NewId, access_log: bool) -> None:
        self.app = app
        self._metrics = metrics
        # Unique to this process. Appending a number costs a tenth of generating another id.
        self._id_prefix = new_id()
        self._numbers = itertools.count(1)
        self._access_log = access_log
        self._meters: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request. Of WebSockets, only the handshake is counted."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, self._counting_handshake(scope, send))
            return
        started = time.perf_counter()
        current_id = self._request_id(scope)
        token = request_id.set(current_id)
        status = 500
        waited = 0.0
        extra_headers: list[tuple[bytes, bytes]] = []
        scope[RESPONSE_HEADERS] = extra_headers  # type: ignore[literal-required]

        async def receive_timed() -> Any:
            nonlocal waited
            began = time.perf_counter()
            message = await receive()
            waited += time.perf_counter() - began
            return message

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *extra_headers,
                    *(header for header in _SECURITY_HEADERS if header[0] not in present),
                    (b"x-request-id", current_id.encode()),
                ]
            await send(message)

        try:
            await self.app(scope, receive_timed, send_with_id)
        finally:
            # The time that a client takes to send its body is not the server's.
            self._count(scope, status, time.perf_counter() - started - waited)
            request_id.reset(token)

    def _counting_handshake(self, scope: Scope, send: Send) -> Send:
        started = time.perf_counter()
        is_answered = False

        async def send_counted(message: Message) -> None:
            nonlocal is_answered
            if not is_answered and message["type"].startswith("websocket."):
                is_answered = True
                # Closing before accepting rejects the handshake.
                status = 101 if message["type"] == "websocket.accept" else 403
                self._count(scope, status, time.perf_counter() - started)
            await send(message)

        return send_counted

    def _request_id(self, scope: Scope) -> str:
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
        if status not in _UNTIMED:
            meters[1].observe(seconds)
        if self._access_log:
            log.info(
                "request", method=fields.get("method", "GET"), path=fields["path"], status=status, seconds=round(seconds, 6)
            )
