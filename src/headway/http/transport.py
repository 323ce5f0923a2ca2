"""HTTPS and nothing else: plain requests are led to it or refused, before anything of them is acted upon."""

import re
from typing import Any

from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from headway.errors import Forbidden
from headway.http.middleware import RESPONSE_HEADERS
from headway.http.problems import Problems

_HOST = re.compile(rb"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
_TARGET = re.compile(rb"/[!-~]*")
_OPEN = {"/livez", "/readyz", "/healthz", "/metrics"}
"""What is asked from within: by probes and by Prometheus."""
_STRICT = (b"strict-transport-security", b"max-age=31536000")


class HttpsOnly:
    """Lets only requests through that came by HTTPS, to this server or to a trusted proxy, and those of probes and Prometheus.

    Others that carry no credentials and change nothing are led to the same address by HTTPS; the rest is refused.
    """

    def __init__(self, app: ASGIApp, problems: Problems) -> None:
        self.app = app
        self._problems = problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, lead it on, or refuse it."""
        fields: dict[str, Any] = scope  # type: ignore[assignment]
        if fields["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["scheme"] in {"https", "wss"}:
            # RFC 6797, section 7.1; a WebSocket's handshake has no such list.
            fields.get(RESPONSE_HEADERS, []).append(_STRICT)
            await self.app(scope, receive, send)
        elif scope["type"] == ScopeType.WEBSOCKET:
            await send({"type": "websocket.close", "code": 1008, "reason": "HTTPS is required."})
        elif scope["path"] in _OPEN and not _has_credentials(scope):
            await self.app(scope, receive, send)
        elif (location := _location(scope)) is not None:
            headers = [(b"location", location), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 308, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request[Any, Any, Any](scope, receive, send)
        response = self._problems.respond(request, Forbidden("HTTPS is required.", code="HTTPS_REQUIRED"))
        await response.to_asgi_response(app=None, request=request)(scope, receive, send)


def _has_credentials(scope: Scope) -> bool:
    return any(name == b"authorization" for name, _ in scope["headers"])


def _location(scope: Scope) -> bytes | None:
    """Give the address by HTTPS of a request that may be led there, exactly as the client named it; None for others."""
    headers = scope["headers"]
    hosts = [value for name, value in headers if name == b"host"]
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    is_safe = scope["method"] in {"GET", "HEAD"} and not _has_credentials(scope)  # type: ignore[typeddict-item]
    if not is_safe or len(hosts) != 1 or not _HOST.fullmatch(hosts[0]) or not _TARGET.fullmatch(target):
        return None
    # What is said to be the port of plain HTTP cannot be that of HTTPS.
    return b"https://" + hosts[0].removesuffix(b":80") + target
