"""Middleware for requests that did not arrive as they should: incomplete, beyond a limit, or without HTTPS."""

import re
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from headway.errors import Forbidden
from headway.http.connections import CONNECTIONS, Connections, incoming_of
from headway.http.middleware import RESPONSE_HEADERS
from headway.http.problems import Problems

_HOST = re.compile(rb"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
_TARGET = re.compile(rb"/[!-~]*")
_PLAIN_PATHS = {"/livez", "/readyz", "/healthz", "/metrics"}
"""Paths of health checks and Prometheus, which call from the internal network."""
_HSTS = (b"strict-transport-security", b"max-age=31536000")


class Arrivals:
    """Answers requests that the protocol refused, and joins the protocols with the process's connections."""

    def __init__(self, app: ASGIApp, problems: Problems, connections: Connections) -> None:
        self.app = app
        self._problems = problems
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or answer with its error; one that the protocol finds later is raised to whoever reads the body."""
        fields: dict[str, Any] = scope  # type: ignore[assignment]
        if fields["type"] == "lifespan":
            fields.get("state", {})[CONNECTIONS] = self._connections
        incoming = incoming_of(scope) if fields["type"] == "http" else None
        if incoming is None or incoming.error is None:
            await self.app(scope, receive, send)
        else:
            await self._problems.reject(scope, receive, send, incoming.error)


class HttpsOnly:
    """Rejects requests that did not use HTTPS, except those of health checks and Prometheus.

    HTTPS may end at a trusted proxy. A plain GET or HEAD without credentials is redirected to the same URL with HTTPS.
    """

    def __init__(self, app: ASGIApp, problems: Problems) -> None:
        self.app = app
        self._problems = problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, redirect or reject a request."""
        fields: dict[str, Any] = scope  # type: ignore[assignment]
        if fields["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["scheme"] in {"https", "wss"}:
            # RFC 6797, section 7.1. The scope of a WebSocket has no list of response headers.
            fields.get(RESPONSE_HEADERS, []).append(_HSTS)
            await self.app(scope, receive, send)
        elif scope["type"] == ScopeType.WEBSOCKET:
            await send({"type": "websocket.close", "code": 1008, "reason": "HTTPS is required."})
        elif scope["path"] in _PLAIN_PATHS and not _has_credentials(scope):
            await self.app(scope, receive, send)
        elif (location := _location(scope)) is not None:
            headers = [(b"location", location), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 308, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await self._reject(scope, receive, send)

    async def _reject(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._problems.reject(scope, receive, send, Forbidden("HTTPS is required.", code="HTTPS_REQUIRED"))


def _has_credentials(scope: Scope) -> bool:
    return any(name == b"authorization" for name, _ in scope["headers"])


def _location(scope: Scope) -> bytes | None:
    """Return the HTTPS URL to redirect to, with host and path as received; None for requests to reject."""
    headers = scope["headers"]
    hosts = [value for name, value in headers if name == b"host"]
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    is_safe = scope["method"] in {"GET", "HEAD"} and not _has_credentials(scope)  # type: ignore[typeddict-item]
    if not is_safe or len(hosts) != 1 or not _HOST.fullmatch(hosts[0]) or not _TARGET.fullmatch(target):
        return None
    # The port of plain HTTP cannot be the port of HTTPS.
    return b"https://" + hosts[0].removesuffix(b":80") + target
