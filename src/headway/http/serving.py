"""Serving of endpoints: within their time, with their caller, and with errors in the envelope of their contract."""

from typing import Protocol

from litestar import types
from litestar.types import Receive, Send

from headway.http.authentication import Authentication
from headway.http.deadline import Deadline
from headway.http.problems import Problems
from headway.http.routes import Rendered
from headway.http.streams import WITHOUT_BODY, send_rest
from headway.identity import Scope


class Endpoint(Protocol):
    """What a route is served by."""

    takes_tokens: bool
    """Whether callers are known by bearer tokens; otherwise the endpoint knows them by itself."""
    is_public: bool
    """Whether there may be no caller."""
    key_scope: Scope | None
    """What an API key must allow; without it the route takes none."""

    async def respond(self, scope: types.Scope, receive: Receive) -> Rendered:
        """Return the response to a request."""


class Serving:
    """Runs the endpoints that Litestar finds, without its request and response objects and its middleware: they were measured
    to cost a third of the processor time of a request.
    """

    def __init__(self, deadline: Deadline, authentication: Authentication, problems: Problems) -> None:
        self._deadline = deadline
        self._authentication = authentication
        self._problems = problems

    async def serve(self, endpoint: Endpoint, scope: types.Scope, receive: Receive, send: Send) -> None:
        """Serve a request. The response is sent when the request's work and time are over: then only the client counts."""
        try:
            with self._deadline.watch(receive) as watch:
                receive = watch.receive
                if endpoint.takes_tokens:
                    receive = await self._authentication.admit(
                        scope, receive, is_public=endpoint.is_public, key_scope=endpoint.key_scope
                    )
                status, headers, content, rest = await endpoint.respond(scope, receive)
        except Exception as error:  # noqa: BLE001 - it becomes a response, and is logged
            await self._problems.reject(scope, receive, send, error)
        else:
            await send({"type": "http.response.start", "status": status, "headers": headers})
            if rest is not None and WITHOUT_BODY in scope:
                await rest.parts.aclose()
                rest = None
            await send({"type": "http.response.body", "body": content, "more_body": rest is not None})
            if rest is not None:
                await send_rest(rest, scope, receive, send, self._deadline, self._problems)
