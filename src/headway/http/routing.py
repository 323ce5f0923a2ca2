"""What a request asks for, and who serves it. HEAD is GET without a body, OPTIONS names the methods."""

from collections.abc import Mapping
from typing import Any

from litestar import Litestar
from litestar._asgi.utils import is_valid_host
from litestar.config.cors import CORSConfig
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.routes import BaseRoute, HTTPRoute
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from litestar.utils import normalize_path

from headway.http.middleware import RESPONSE_HEADERS
from headway.http.paths import LONGEST_PART, allow, routable
from headway.http.request import read_header
from headway.http.routes import ENDPOINT
from headway.http.serving import Endpoint, Serving
from headway.http.streams import WITHOUT_BODY


class Routing:
    """Middleware around the router, which serves Headway's endpoints; Litestar serves the other routes."""

    def __init__(self, litestar: Litestar, serving: Serving) -> None:
        self.app: ASGIApp = litestar
        self._serve = serving.serve
        self._route = litestar.asgi_router.handle_routing
        self._cors = litestar.cors_config
        self._methods: dict[str, set[str]] = {}
        for route in litestar.routes:
            self._methods.setdefault(route.path_format, set()).update(_methods_of(route))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        fields: dict[str, Any] = scope  # type: ignore[assignment]
        raw_path: bytes = fields.get("raw_path", b"")
        if b"%" in raw_path or len(raw_path) > LONGEST_PART:
            fields["path"] = routable(raw_path)
        method = fields.get("method")
        if method == "HEAD":
            await self._serve_head(scope, receive, send)
        elif method == "OPTIONS" and (template := self._template(fields["path"])) in self._methods:
            fields["path_template"] = template
            await self._serve_options(scope, receive, send, allow(self._methods[template]))
        else:
            await self._dispatch(scope, receive, send)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request with the endpoint of its route; let Litestar serve what has none, also with an error."""
        fields: dict[str, Any] = scope  # type: ignore[assignment]
        found = self._find(fields)
        if found is None:
            await self.app(scope, receive, send)
            return
        endpoint, fields["path"], fields["path_params"], fields["path_template"] = found
        if self._cors is not None and (origin := read_header(scope, b"origin")) is not None:
            fields[RESPONSE_HEADERS] += _cors_headers(self._cors, origin)
        await self._serve(endpoint, scope, receive, send)

    def _find(self, scope: dict[str, Any]) -> tuple[Endpoint, str, dict[str, Any], str] | None:
        """Return the endpoint of a request, its path, its path's parameters and the template of its path."""
        if scope["type"] != ScopeType.HTTP or not _has_valid_host(scope):
            return None
        try:
            _, handler, path, parameters, template = self._route(path=normalize_path(scope["path"]), method=scope["method"])
        except HTTPException:
            return None
        endpoint = handler.opt.get(ENDPOINT)
        return None if endpoint is None else (endpoint, path, parameters, template)

    async def _serve_head(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the headers that GET would (RFC 9110, section 9.3.2)."""

        async def send_without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        # The server has to know that it was HEAD: it checks the length of the body.
        fields: dict[str, Any] = scope  # type: ignore[assignment]
        as_get: Any = {**scope, "method": "GET", WITHOUT_BODY: True}
        try:
            await self._dispatch(as_get, receive, send_without_body)
        finally:
            if "path_template" in as_get:
                fields["path_template"] = as_get["path_template"]

    async def _serve_options(self, scope: Scope, receive: Receive, send: Send, allowed: str) -> None:
        header = (b"allow", allowed.encode())

        async def send_with_allow(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], header]
            await send(message)

        if self._is_for_cors(dict(scope["headers"])):
            await self.app(scope, receive, send_with_allow)
            return
        await send({"type": "http.response.start", "status": 204, "headers": [header]})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _is_for_cors(self, headers: Mapping[bytes, bytes]) -> bool:
        """Return whether a browser asks for a page: before another request, or where the page may read the answer."""
        origin = headers.get(b"origin")
        if self._cors is None or origin is None:
            return False
        return b"access-control-request-method" in headers or self._cors.is_origin_allowed(origin.decode("latin-1"))

    def _template(self, path: str) -> str:
        """Return the template of the route that serves a path; for a path without one, the path itself."""
        path = normalize_path(path)
        try:
            template: str = self._route(path=path, method="OPTIONS")[-1]
        except HTTPException:
            return path
        return template


def _has_valid_host(scope: dict[str, Any]) -> bool:
    """Return whether Litestar takes the Host of a request: it looks at the first, and refuses what is none (RFC 9112, 3.2)."""
    for name, value in scope["headers"]:
        if name == b"host":
            return is_valid_host(value)
    return True


def _methods_of(route: BaseRoute) -> set[str]:
    # The handshake of a WebSocket is a GET.
    return set(route.methods) if isinstance(route, HTTPRoute) else {"GET"}


def _cors_headers(cors: CORSConfig, origin: str) -> list[tuple[bytes, bytes]]:
    """Return the headers by which a browser lets a page of an origin read a response, as Litestar does for its own routes."""
    headers = [(name.lower(), value) for name, value in cors.simple_headers.items()]
    if not cors.is_allow_all_origins and cors.is_origin_allowed(origin):
        headers += [("access-control-allow-origin", origin), ("vary", "Origin")]
    return [(name.encode(), value.encode("latin-1")) for name, value in headers]
