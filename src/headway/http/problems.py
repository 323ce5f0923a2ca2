"""Error responses: in the envelope of the contract that owns the path, otherwise as RFC 9457 problem details."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import Receive, Scope, Send
from litestar.utils import normalize_path
from structlog.typing import FilteringBoundLogger

from headway.errors import (
    Conflict,
    Forbidden,
    HeadwayError,
    Invalid,
    KeyReused,
    NotFound,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from headway.http.contract import Contract, Problem
from headway.http.middleware import CLIENT_CLOSED_REQUEST, UNMATCHED
from headway.http.paths import allow
from headway.telemetry import Metrics, request_id

_log = structlog.get_logger(__name__)

_WEB_SOCKET = "websocket"
"""The method that the router names for paths of WebSockets."""
_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "REQUEST_TIMEOUT",
    413: "BODY_TOO_LARGE",
    414: "URI_TOO_LONG",
    415: "UNSUPPORTED_MEDIA_TYPE",
    431: "HEADERS_TOO_LARGE",
    CLIENT_CLOSED_REQUEST: "CLIENT_CLOSED_REQUEST",
}
_STATUSES: dict[type[HeadwayError], int] = {
    Invalid: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    KeyReused: 422,
    RateLimited: 429,
    Unavailable: 503,
}


ErrorPage = Callable[[Scope, Problem], tuple[bytes, dict[str, str]] | None]
"""Returns the page of an error and its headers; None where the path belongs to no page."""


class ProblemDetails(msgspec.Struct, omit_defaults=True):
    """An error outside the contracts: `application/problem+json` of RFC 9457."""

    title: str
    status: int
    code: str
    request_id: str
    type: str = "about:blank"
    detail: str | None = None
    errors: tuple[dict[str, str], ...] = ()


class Problems:
    """Converts exceptions to responses, logs and counts them."""

    def __init__(
        self, contracts: Sequence[Contract], metrics: Metrics, error_page: ErrorPage = lambda _scope, _problem: None
    ) -> None:
        self._contracts = contracts
        self._metrics = metrics
        self._error_page = error_page

    def respond(self, request: Request, error: Exception) -> Response[bytes]:  # type: ignore[type-arg]
        """Return the response for an exception of a route, the router or the authentication."""
        path = request.scope["path"]
        methods = _allowed_methods(error)
        if methods == [_WEB_SOCKET] and request.scope["method"] == "GET":
            error = HTTPException(status_code=426)
        contract = next((each for each in self._contracts if each.owns(path)), None)
        problem = self._problem(contract, error, request.scope)
        headers = {}
        if problem.retry_after_seconds is not None:
            headers["Retry-After"] = str(problem.retry_after_seconds)
        if problem.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        if problem.status == HTTPStatus.UPGRADE_REQUIRED:
            headers |= {"Upgrade": "websocket", "Connection": "Upgrade"}
        if methods:
            _name_route(request, methods[0])
            headers["Allow"] = allow("GET" if each == _WEB_SOCKET else each for each in methods)
        page = None if contract else self._error_page(request.scope, problem)
        if page is not None:
            return Response(page[0], status_code=problem.status, media_type="text/html", headers=headers | page[1])
        body = contract.render_error(problem) if contract else _details(problem)
        return Response(
            msgspec.json.encode(body),
            status_code=problem.status,
            media_type="application/json" if contract else "application/problem+json",
            headers=headers,
        )

    def note(self, scope: Scope, error: Exception) -> Problem:
        """Log and count an error outside the contracts that becomes part of a page."""
        return self._problem(None, error, scope)

    async def reject(self, scope: Scope, receive: Receive, send: Send, error: Exception) -> None:
        """Send the response for an exception, for middleware around the router."""
        request = Request[Any, Any, Any](scope, receive, send)
        response = self.respond(request, error)
        await response.to_asgi_response(app=None, request=request)(scope, receive, send)

    def _problem(self, contract: Contract | None, error: Exception, scope: Scope) -> Problem:
        current_id = request_id.get() or ""
        fields: dict[str, Any] = scope  # type: ignore[assignment]
        # The query string is not logged: it may contain personal data.
        log = _log.bind(method=fields["method"], path=fields["path"])
        if isinstance(error, HeadwayError):
            if error.__cause__ is not None and isinstance(error, Unavailable):
                self._keep(error, error.kind, fields)
            return self._domain_problem(contract, error, current_id, log)
        if isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            status = error.status_code
            message = error.detail if status in {400, 415, CLIENT_CLOSED_REQUEST} else HTTPStatus(status).phrase
            code = _CODES.get(status) or HTTPStatus(status).name
            log.info("refused", status=status, reason=error.detail)
            self._metrics.reject(code, ())
            return Problem(status, code, message, current_id)
        log.error("failed", exc_info=error)
        problem = Problem(500, "INTERNAL_ERROR", "Something went wrong on the server.", current_id)
        self._keep(error, problem.code, fields)
        return problem

    def _keep(self, error: Exception, code: str, scope: dict[str, Any]) -> None:
        """Keep an error for administrators; of the path only the route, which names nobody."""
        self._metrics.errors.note(error, code, method=scope["method"], route=scope.get("path_template") or UNMATCHED)

    def _domain_problem(
        self, contract: Contract | None, error: HeadwayError, current_id: str, log: FilteringBoundLogger
    ) -> Problem:
        fields = error.fields
        self._metrics.reject(error.kind, fields)
        errors = [f"{each.field}: {each.message}" for each in fields]
        if error.__cause__ is not None and isinstance(error, Unavailable):
            log.warning("refused", code=error.kind, reason=error.message, cause=repr(error.__cause__))
        else:
            log.info("refused", code=error.kind, reason=error.message, errors=errors)
        return Problem(
            status=contract.status_of(error) if contract else status_of(error),
            code=error.kind,
            message=error.message,
            request_id=current_id,
            fields=fields,
            retry_after_seconds=error.retry_after_seconds,
        )


def status_of(error: HeadwayError) -> int:
    """Return the default status of a domain error."""
    return next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), 500)


def _allowed_methods(error: Exception) -> list[str]:
    """Return the methods that the router names where it does not allow one; none for other errors."""
    headers = (error.headers or {}).items() if isinstance(error, HTTPException) else ()
    return [method for name, methods in headers if name.lower() == "allow" for method in methods.split(", ")]


def _name_route(request: Request, method: str) -> None:  # type: ignore[type-arg]
    """Set the route of a request whose method is not allowed, for metrics. The router sets it for other requests."""
    fields: dict[str, object] = request.scope  # type: ignore[assignment]
    if "path_template" not in fields:
        path = normalize_path(request.scope["path"])
        fields["path_template"] = request.app.asgi_router.handle_routing(path=path, method=method)[-1]


def _details(problem: Problem) -> ProblemDetails:
    return ProblemDetails(
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        code=problem.code,
        request_id=problem.request_id,
        detail=problem.message,
        errors=tuple({"field": each.field, "message": each.message} for each in problem.fields),
    )
