"""Routes of contracts: declared by decorators on the methods that handle them, and served from those declarations.

    class CourseRoutes:
        @get("/courses/{course_id:str}", responses={200: wire.One[wire.Course]}, transaction=READ)
        async def read(self, request: Request[None, None], tx: ReadTransaction) -> Response:
            "Read a course. The docstring describes the route in the OpenAPI document."

Litestar knows the routes and finds the one of a request; `http/serving.py` serves it.
"""

import asyncio
import functools
import hashlib
import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

import litestar
import msgspec
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.types import Receive, Scope

from headway import identity
from headway.db.database import ReadTransaction
from headway.http.connections import incoming_of
from headway.http.decoding import Decoder, decode_apart
from headway.http.middleware import CLIENT_CLOSED_REQUEST
from headway.http.path_names import PathNames
from headway.http.rate_limits import RateLimits
from headway.http.request import (
    READ,
    READ_LARGE,
    WRITE,
    Request,
    Response,
    TransactionKind,
    Transactions,
    decode_query,
    encode,
    is_known,
)
from headway.http.streams import Rest, Streamed, begin
from headway.limits.model import RateLimit
from headway.settings import Settings

Kind: TypeAlias = Any
"""A struct type, or a generic one of something."""
Handler = TypeVar("Handler", bound=Callable[..., Awaitable[Response | Streamed]])

_JSON = "application/json"
_MAX_LENGTH_DIGITS = 15
_LARGE_BYTES = 200_000
"""A response that is known to be larger is rendered in a thread."""
_WITHOUT_CONTENT = {204, 304}
"""Statuses of responses that have no content, not even an empty one."""
_NO_NAMES = PathNames({})
ENDPOINT = "endpoint"
"""The option of a Litestar handler that holds its endpoint, if Headway serves it."""


class Route(msgspec.Struct, frozen=True):
    """The declaration of a route: a decorator of the method that handles it, `handler(request) -> Response`."""

    method: str
    path: str
    responses: Mapping[int, Kind | tuple[Kind, ...]]
    """The struct of each status, `()` for a response without a body."""
    query: type[msgspec.Struct] | None = None
    body: Kind | None = None
    optional_body: bool = False
    """An empty body is read as `{}`."""
    public: bool = False
    """No token is required; the caller is known if there is one."""
    etag: bool = False
    """The response carries an ETag, and `If-None-Match` gives 304."""
    rate_limit: Callable[[Settings], RateLimit] | None = None
    """Of each caller; not for public routes."""
    idempotent: bool = False
    """The route takes an Idempotency-Key: the response is stored in the transaction of the effect."""
    transaction: TransactionKind | None = None
    """READ, READ_LARGE or WRITE; the handler is `handler(request, tx)`, and a WRITE is committed before the response is sent.

    An idempotent route without one calls `request.transact` for its effect.
    """
    streams: tuple[str, ...] = ()
    """The media types of the files that the route sends part by part, with 200; the handler returns `Streamed`."""
    other_bodies: tuple[Kind, ...] = ()
    """Other forms of the body that a raw route takes, for the OpenAPI document."""
    raw: bool = False
    """The handler is `handler(caller, body)` with the bytes of the body, for routes that are called very often."""
    media_types: tuple[str, ...] = ()
    """The types of a body that is a file; the handler takes its bytes from `request.raw_body`."""
    max_body_bytes: Callable[[Settings], int] | None = None
    """The most bytes of the body, in place of the setting for all routes."""
    verbatim: bool = False
    """The body is read, but not decoded: the handler takes the bytes from `request.raw_body`."""
    scope: identity.Scope | None = None
    """What an API key must allow to use the route; without it no key may."""

    def __call__(self, handler: Handler) -> Handler:
        """Declare a method as the handler of the route."""
        handler.route = self  # type: ignore[attr-defined]
        return handler


get = functools.partial(Route, "GET")
post = functools.partial(Route, "POST")
put = functools.partial(Route, "PUT")
patch = functools.partial(Route, "PATCH")
delete = functools.partial(Route, "DELETE")


class Rendered(NamedTuple):
    """A response as it is sent."""

    status: int
    headers: list[tuple[bytes, bytes]]
    content: bytes
    rest: Rest | None = None
    """What follows the content, in responses that are sent part by part."""


class Operation(NamedTuple):
    """A route for the OpenAPI document, kept in the `operation` option of its Litestar handler."""

    route: Route
    description: str
    tag: str
    path_schemas: Mapping[str, Mapping[str, Any]]
    """The JSON schemas of path parameters, by their names; those not named are any text."""


class Router(litestar.Router):
    """Routes with a prefix, for one server."""

    def __deepcopy__(self, _memo: object) -> "Router":
        # Litestar copies routers, as several servers could share one; to copy all routes takes as long as to make them.
        return self


class Placeholder(HTTPRouteHandler):
    """Stands for an endpoint among Litestar's routes: `Routing` serves it, so Litestar need not learn to call a function."""

    def __init__(self, methods: Sequence[str], path: str, options: dict[str, Any]) -> None:
        super().__init__(path, http_method=methods, opt=options)  # type: ignore[arg-type]
        self(_served_elsewhere)

    def on_registration(self, app: litestar.Litestar) -> None:
        """Do nothing: there is no function whose parameters could be wrong."""

    def create_kwargs_model(self, path_parameters: Any) -> Any:
        """Return None: there are no parameters."""


def placeholders(endpoints: Iterable[tuple[str, str, dict[str, Any]]]) -> Iterator[Placeholder]:
    """Yield the placeholder of each endpoint, which is given by its method, its path and its options.

    The first of a path stands for OPTIONS too, which `Routing` serves as well: otherwise Litestar makes a handler for it.
    """
    paths = set[str]()
    for method, path, options in endpoints:
        yield Placeholder([method] if path in paths else [method, "OPTIONS"], path, options)
        paths.add(path)


async def _served_elsewhere() -> bytes:
    raise AssertionError("An endpoint was left to Litestar.")


def make_router(  # noqa: PLR0913 - what all routes of a contract share
    prefix: str,
    tag: str,
    groups: Sequence[object],
    *,
    transactions: Transactions,
    settings: Settings,
    rate_limits: RateLimits | None = None,
    path_names: PathNames = _NO_NAMES,
) -> Router:
    """Make a router of the routes that the objects `groups` declare. Routes with a limit need `rate_limits`.

    `path_names` finds what paths name by external ids, before the handlers run. A group's `path_types`, if it has any, describe
    its path parameters by their names in the OpenAPI document.
    """
    endpoints = []
    for group in groups:
        path_schemas = {name: msgspec.json.schema(kind) for name, kind in getattr(group, "path_types", {}).items()}
        for route, handler in _declared(group):
            max_body_bytes = settings.max_body_bytes if route.max_body_bytes is None else route.max_body_bytes(settings)
            endpoint = Endpoint(route, handler, transactions, max_body_bytes, path_names)
            if route.rate_limit is not None:
                assert rate_limits is not None  # noqa: S101 - a limit without a limiter would limit nothing
                endpoint.check = functools.partial(rate_limits.take, route.rate_limit(settings))
            operation = Operation(route, inspect.getdoc(handler) or "", tag, path_schemas)
            endpoints.append((route.method, route.path, {"operation": operation, ENDPOINT: endpoint}))
    return Router(prefix, route_handlers=list(placeholders(endpoints)))


def _declared(group: object) -> Iterator[tuple[Route, Callable[..., Awaitable[Response | Streamed]]]]:
    for name, function in vars(type(group)).items():
        if isinstance(route := getattr(function, "route", None), Route):
            yield route, getattr(group, name)


class Endpoint:
    """A route and its handler."""

    takes_tokens: bool = True

    def __init__(
        self,
        route: Route,
        handler: Callable[..., Awaitable[Any]],
        transactions: Transactions,
        max_body_bytes: int,
        path_names: PathNames = _NO_NAMES,
    ) -> None:
        self.route = route
        self._path_names = path_names
        self.is_public = route.public
        self.key_scope = route.scope
        self._handler = handler
        self._transactions = transactions
        self._max_body_bytes = max_body_bytes
        is_decoded = not route.raw and not route.verbatim
        self._decoder = Decoder(route.body) if route.body is not None and is_decoded else None
        self.check: Callable[[Scope], Awaitable[None]] | None = None
        """Runs before the query and the body are read, so that rejected requests count against a limit too."""

    async def respond(self, scope: Scope, receive: Receive) -> Rendered:
        """Read the request, run the handler in its transaction, and render the response."""
        route = self.route
        if self.check is not None:
            await self.check(scope)
        if route.raw:
            return _render(await self._handler(scope["user"], await read_body(scope, receive, self._max_body_bytes)))
        raw_body = b""
        if self._decoder is not None or route.verbatim or route.media_types:
            raw_body = await read_body(scope, receive, self._max_body_bytes, route.media_types or (_JSON,))
        query = None if route.query is None else decode_query(scope["query_string"], route.query)
        body = None
        if self._decoder is not None:
            body = await decode_apart(self._decoder.decode, b"{}" if route.optional_body and not raw_body else raw_body)
        made = Request(scope, self._transactions, query, body, raw_body, is_idempotent=route.idempotent)
        if route.transaction is READ_LARGE:

            async def read_and_render(tx: ReadTransaction) -> Rendered:
                return self._render(await self._handle(made, tx), scope)

            rendered = await self._transactions.read_large(scope, read_and_render)
            await made.save_walk()
            return rendered
        response = await self._run(made)
        if isinstance(response, Streamed):
            return Rendered(200, *await begin(response, scope))
        if isinstance(response.body, msgspec.Raw) and len(response.body) > _LARGE_BYTES:
            return await asyncio.to_thread(self._render, response, scope)
        return self._render(response, scope)

    async def _run(self, request: Request[Any, Any]) -> Response | Streamed:
        if self.route.transaction is WRITE:
            return await request.transact(lambda tx: self._handle(request, tx))
        if self.route.transaction is READ:
            async with self._transactions.read() as tx:
                return await self._handle(request, tx)
        if self._path_names.are_in(request):
            async with self._transactions.read(single_statement=True) as snapshot:
                await self._path_names.resolve(snapshot, request)
        result: Response | Streamed = await self._handler(request)
        return result

    async def _handle(self, request: Request[Any, Any], tx: Any) -> Response:
        await self._path_names.resolve(tx, request)
        handled: Response = await self._handler(request, tx)
        return handled

    def _render(self, response: Response, scope: Scope) -> Rendered:
        return _with_etag(response, scope) if self.route.etag else _render(response)


def _render(response: Response) -> Rendered:
    headers = [(b"idempotency-replayed", b"true")] if response.is_replayed else []
    content = b""
    if response.body is not None:
        content = encode(response.body)
        headers.append((b"content-type", b"application/json"))
    if response.status not in _WITHOUT_CONTENT:
        headers.append((b"content-length", b"%d" % len(content)))
    return Rendered(response.status, headers, content)


def _with_etag(response: Response, scope: Scope) -> Rendered:
    """Render a response with its ETag, or 304 if the client has it."""
    rendered = _render(response)
    etag = f'"{hashlib.sha256(rendered.content).hexdigest()[:32]}"'
    headers = [(b"etag", etag.encode()), (b"cache-control", b"private, no-cache")]
    if is_known(scope, etag):
        return Rendered(304, headers, b"")
    return rendered._replace(headers=rendered.headers + headers)


async def read_body(scope: Scope, receive: Receive, max_body_bytes: int, expected: Sequence[str] = (_JSON,)) -> bytes:
    """Read a body of an expected type; a missing Content-Type counts as that, and types that are written as JSON as JSON.

    Raises HTTPException 400, 413, 415, 499, and the error for which the protocol does not take the rest.
    """
    for name, value in scope["headers"]:
        if name == b"content-type":
            media_type = value.partition(b";")[0].strip().lower()
            is_json = _JSON in expected and media_type.endswith(b"+json")
            if media_type not in {b"", *(each.encode() for each in expected)} and not is_json:
                raise HTTPException(status_code=415, detail=f"The body must be {' or '.join(expected)}.")
        elif name == b"content-length":
            if not value.isdigit():
                raise HTTPException(status_code=400, detail="The Content-Length must be a number.")
            if len(value) > _MAX_LENGTH_DIGITS or int(value) > max_body_bytes:
                raise HTTPException(status_code=413)
    incoming = incoming_of(scope)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if incoming is not None and incoming.error is not None:
            raise incoming.error
        if message["type"] == "http.disconnect":
            raise HTTPException(status_code=CLIENT_CLOSED_REQUEST, detail="The client left before its body was complete.")
        part: bytes = message.get("body", b"")  # type: ignore[assignment]
        size += len(part)
        if size > max_body_bytes:
            raise HTTPException(status_code=413)
        parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)
