"""What a request asks for: paths are decoded after they are routed, HEAD is GET without a body, OPTIONS names the methods."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from litestar import Litestar
from litestar.exceptions import HTTPException
from litestar.routes import ASGIRoute, BaseRoute, HTTPRoute
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from litestar.utils import normalize_path

_LONGEST_PART = 1_000
"""In characters. An id has 255, each of which takes three where it is a slash."""


def allow(methods: Iterable[str]) -> str:
    """Return the value of an Allow header: HEAD goes with GET, and OPTIONS with everything."""
    names = {*methods, "OPTIONS"}
    return ", ".join(sorted(names | {"HEAD"} if "GET" in names else names))


def routable(raw_path: bytes) -> str:
    """Decode a path, but keep the slashes and percent signs within its parts encoded: `/a%2Fb/%41` is `/a%2Fb/A`.

    What is not UTF-8 becomes U+FFFD, which is part of no id. Parts are cut where they are too long for any id, because the
    router remembers paths.
    """
    parts = raw_path.decode("latin-1").split("/")
    return "/".join(unquote(part).replace("%", "%25").replace("/", "%2F")[:_LONGEST_PART] for part in parts)


def decode_parameter(value: str) -> str:
    """Decode a parameter of a path that was routed. No database can store a NUL character; it becomes U+FFFD too."""
    return value.replace("%2F", "/").replace("%25", "%").replace("\0", "\ufffd")


class Routing:
    """Middleware directly around the router."""

    def __init__(self, litestar: Litestar) -> None:
        self.app: ASGIApp = litestar
        self._route = litestar.asgi_router.handle_routing
        self._cors = litestar.cors_config
        self._methods: dict[str, set[str]] = {}
        for route in litestar.routes:
            self._methods.setdefault(route.path_format, set()).update(_methods_of(route))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        fields: dict[str, Any] = scope  # type: ignore[assignment]
        raw_path: bytes = fields.get("raw_path", b"")
        if b"%" in raw_path or len(raw_path) > _LONGEST_PART:
            fields["path"] = routable(raw_path)
        method = fields.get("method")
        if method == "HEAD":
            await self._serve_head(scope, receive, send)
        elif method == "OPTIONS" and (template := self._template(fields["path"])) in self._methods:
            fields["path_template"] = template
            await self._serve_options(scope, receive, send, allow(self._methods[template]))
        else:
            await self.app(scope, receive, send)

    async def _serve_head(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the headers that GET would (RFC 9110, section 9.3.2)."""

        async def send_without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        # The server has to know that it was HEAD: it checks the length of the body.
        fields: dict[str, Any] = scope  # type: ignore[assignment]
        as_get: Any = {**scope, "method": "GET"}
        try:
            await self.app(as_get, receive, send_without_body)
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


def _methods_of(route: BaseRoute) -> set[str]:
    if isinstance(route, HTTPRoute):
        return set(route.methods)
    if isinstance(route, ASGIRoute):
        return {route.route_handler.opt["operation"].route.method}
    # The handshake of a WebSocket.
    return {"GET"}
