"""Routes of the hot path: a POST of a JSON body, served as plain ASGI within the router.

Litestar's request handling (parameters, dependencies, response objects) was measured to cost a quarter of the processor time of
recording one event, and these routes need none of it. Authentication, error envelopes and the document are the same.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

import msgspec
from litestar import asgi
from litestar.exceptions import HTTPException
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from headway.http.openapi import Kind, documented
from headway.identity import Caller

_encode = msgspec.json.Encoder().encode


class Answer(NamedTuple):
    """A status and the struct that is its body."""

    status: int
    body: msgspec.Struct


Endpoint = Callable[[Caller, bytes], Awaitable[Answer]]


def post(
    path: str,
    endpoint: Endpoint,
    *,
    max_body_bytes: int,
    body: Kind,
    answers: Mapping[int, Kind | tuple[Kind, ...]],
    tag: str,
) -> ASGIRouteHandler:
    """Make a route that gives its caller and body to `endpoint`. What the endpoint raises is told by the contract.

    The route itself refuses other methods (405), bodies that say they are not JSON (415) and larger ones (413).
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        fields: dict[str, object] = scope  # type: ignore[assignment]
        if fields["method"] != "POST":
            raise HTTPException(status_code=405, headers={"Allow": "POST"})
        answer = await endpoint(scope["user"], await _read_body(scope, receive, max_body_bytes))
        content = _encode(answer.body)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": content, "more_body": False})

    opt = documented("post", endpoint, body=body, answers=answers, tag=tag)
    return asgi(path, opt=opt, copy_scope=False)(serve)


async def _read_body(scope: Scope, receive: Receive, max_body_bytes: int) -> bytes:
    """Read a body that is, or does not say that it is not, JSON. Raises HTTPException 413, 415."""
    for name, value in scope["headers"]:
        if name == b"content-type":
            media_type = value.partition(b";")[0].strip().lower()
            if media_type not in {b"", b"application/json"} and not media_type.endswith(b"+json"):
                raise HTTPException(status_code=415, detail="The body must be application/json.")
        elif name == b"content-length" and int(value) > max_body_bytes:
            raise HTTPException(status_code=413)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HTTPException(status_code=400, detail="The body is not complete.")
        part: bytes = message.get("body", b"")  # type: ignore[assignment]
        size += len(part)
        if size > max_body_bytes:
            raise HTTPException(status_code=413)
        parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)
