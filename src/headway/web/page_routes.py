"""Routes of pages: declared by decorators on the methods that handle them, as the routes of contracts are.

    class LearnersPages:
        @get("/app/courses/{course_id:str}/learners", query=LearnersQuery, transaction=READ_LARGE)
        async def show(self, request: PageRequest[LearnersQuery, None], tx: ReadTransaction) -> Page:
            return Page("course/learners.html", {"learners": ...})

        @post("/app/courses/{course_id:str}/message", form=MessageForm, page="show", transaction=WRITE)
        async def send(self, request: PageRequest[None, MessageForm], tx: WriteTransaction) -> Redirect:
            return Redirect(f"/app/courses/{request.path['course_id']}/learners", notice=request.text("Message sent."))

A GET shows, a POST acts and redirects. If a POST fails, its page is shown again, with the errors and what was typed. A GET
from a place in a list that is no longer known leads to the begin of the list.
"""

import asyncio
import functools
import gzip
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

import msgspec
from litestar.types import Receive, Scope

from headway.db.database import ReadTransaction, WriteTransaction
from headway.errors import HeadwayError, Invalid, Unavailable
from headway.http.contract import Problem
from headway.http.decoding import decode_apart
from headway.http.paths import decode_parameter
from headway.http.problems import Problems
from headway.http.request import READ, READ_LARGE, WRITE, TransactionKind, Transactions, accepts_gzip, client_of, read_header
from headway.http.routes import ENDPOINT, Rendered, Router, placeholders, read_body
from headway.http.streams import Streamed, begin
from headway.identity import Caller, Client
from headway.paging.service import Walk
from headway.text import nfc
from headway.web.forms import FILE_FORM_TYPE, FORM_TYPE, Failed, SentFile, decode_form, split_file
from headway.web.rendering import Pages
from headway.web.sessions import BrowserSessions, check_origin, leave_notice, take_notice
from headway.web.texts import Viewer

Query = TypeVar("Query")
Form = TypeVar("Form")
Result = TypeVar("Result")
Handler = TypeVar("Handler", bound=Callable[..., Awaitable["Page | Redirect | Download | Streamed"]])
SIGN_IN_PATH = "/app/sign-in"
_COMPRESSION = 4
_SMALLEST_COMPRESSED = 1_000
_PLACES = frozenset({"cursor", "after", "page", "invited"})
"""Parameters that name a place in a list."""
_SHOWN_AGAIN = {400: 422, 401: 422}
"""Statuses of a page that shows a form again; the others stay."""


class Page(NamedTuple):
    """A page to render: a template and what it shows."""

    template: str
    context: Mapping[str, Any] = {}
    status: int = 200


class Redirect(NamedTuple):
    """The page to show next, which also shows the notice."""

    location: str
    notice: str | None = None
    is_good: bool = True
    """The notice tells of a success."""


class Download(NamedTuple):
    """A file to save."""

    name: str
    content: bytes
    media_type: str = "text/csv; charset=utf-8"


class PageRoute(msgspec.Struct, frozen=True):
    """The declaration of a route: a decorator of the method that handles it."""

    method: str
    path: str
    query: type[msgspec.Struct] | None = None
    form: type[msgspec.Struct] | None = None
    page: str | None = None
    """The method of the same group that shows the page of the form, in case that it fails."""
    takes_file: bool = False
    """The form has a field `file`, and is sent as `multipart/form-data`; the file is `request.file`."""
    public: bool = False
    """Nobody has to be signed in."""
    transaction: TransactionKind | None = None
    """READ, READ_LARGE or WRITE, as for contracts: the handler is `handler(request, tx)`; without one, `handler(request)`."""

    def __call__(self, handler: Handler) -> Handler:
        """Declare a method as the handler of the route."""
        handler.page_route = self  # type: ignore[attr-defined]
        return handler


get = functools.partial(PageRoute, "GET")
post = functools.partial(PageRoute, "POST")


class PageRequest(Generic[Query, Form]):
    """A request as the handler of a page sees it."""

    def __init__(
        self, scope: Scope, transactions: Transactions, viewer: Viewer, caller: Caller | None, query: Query, form: Form
    ) -> None:
        self.scope = scope
        self._transactions = transactions
        self.viewer = viewer
        self.optional_caller = caller
        self.query = query
        self.form = form
        self.walk: Walk | None = None
        """The walk through a list whose rows move; the order that it fixes is stored before the page is sent."""
        self.file: SentFile | None = None
        """The file that came with the form, on routes that take one."""
        self.failed: Failed | None = None
        """The form that is shown again, because it was refused."""
        self.path = {name: nfc(decode_parameter(value)) for name, value in scope["path_params"].items()}

    @property
    def caller(self) -> Caller:
        """Who is signed in; not on public pages."""
        assert self.optional_caller is not None  # noqa: S101 - the endpoint has made sure
        return self.optional_caller

    @property
    def client(self) -> Client:
        """The client, whose language is the one in which the page is shown."""
        return msgspec.structs.replace(client_of(self.scope), languages=self.viewer.language)

    @property
    def url(self) -> str:
        """The path and the query of the URL, as it was requested."""
        query = self.scope["query_string"].decode("latin-1")
        path = self.scope["raw_path"].decode("latin-1")
        return f"{path}?{query}" if query else path

    def text(self, message: str, **values: object) -> str:
        """Return a text of the catalogue in the language of the viewer."""
        return self.viewer.text(message, **values)

    def read(self) -> AbstractAsyncContextManager[ReadTransaction]:
        """Open a read transaction, for handlers without one."""
        return self._transactions.read()

    async def read_large(self, read: Callable[[ReadTransaction], Awaitable[Result]]) -> Result:
        """Return the result of `read` in a snapshot, in the thread of large reads, for handlers without a transaction."""
        return await self._transactions.read_large(self.scope, read)

    def write(self) -> AbstractAsyncContextManager[WriteTransaction]:
        """Open a write transaction, for handlers without one; it is committed at the end of the block."""
        return self._transactions.write()


class PageContext(NamedTuple):
    """What all pages need."""

    transactions: Transactions
    sessions: BrowserSessions
    pages: Pages
    problems: Problems
    max_form_bytes: int
    max_file_bytes: int


def page_router(groups: Sequence[object], context: PageContext) -> Router:
    """Make a router of the pages that the objects `groups` declare."""
    endpoints = []
    for group in groups:
        for route, handler in declared_pages(group):
            shown = None if route.page is None else getattr(group, route.page)
            endpoint = PageEndpoint(route, handler, shown, context)
            endpoints.append((route.method, route.path, {ENDPOINT: endpoint}))
    return Router("/", route_handlers=list(placeholders(endpoints)))


def declared_pages(group: object) -> Iterator[tuple[PageRoute, Callable[..., Awaitable[Any]]]]:
    """Return the routes that an object declares, with their handlers."""
    for name, function in inspect.getmembers(type(group), inspect.isfunction):
        if isinstance(route := getattr(function, "page_route", None), PageRoute):
            yield route, getattr(group, name)


class PageEndpoint:
    """A page and its handler."""

    takes_tokens: bool = False
    key_scope: None = None
    is_public: bool = True

    def __init__(
        self,
        route: PageRoute,
        handler: Callable[..., Awaitable[Any]],
        shown: Callable[..., Awaitable[Any]] | None,
        context: PageContext,
    ) -> None:
        self.route = route
        self._handler = handler
        self._shown = shown
        self._context = context

    async def respond(self, scope: Scope, receive: Receive) -> Rendered:
        """Read the request, run the handler in its transaction, and render what it returns."""
        context, route = self._context, self.route
        if route.method == "POST":
            check_origin(scope)
        caller = await context.sessions.caller(scope)
        scope["user"] = caller
        if caller is None and not route.public:
            return _to_sign_in(scope)
        body, file = await self._read_form(scope, receive)
        viewer = context.pages.viewer(scope)
        request: PageRequest[Any, Any] = PageRequest(scope, context.transactions, viewer, caller, None, None)
        request.file = file
        try:
            if route.query is not None:
                request.query = decode_form(scope["query_string"], route.query)
            if route.form is not None:
                request.form = await decode_apart(functools.partial(decode_form, kind=route.form), body)
            return await self._run(self._handler, route.transaction, request)
        except Unavailable:
            raise
        except HeadwayError as error:
            if self._shown is not None:
                return await self._show_again(request, error, body)
            rest = _without_place(scope["query_string"], error)
            if rest is None:
                raise
            return _redirect((scope["raw_path"] + b"?" + rest).decode("latin-1"))

    async def _read_form(self, scope: Scope, receive: Receive) -> tuple[bytes, SentFile | None]:
        """Read a form, urlencoded, and the file that comes with it on a route that takes one."""
        if self.route.form is None:
            return b"", None
        if not self.route.takes_file:
            return await read_body(scope, receive, self._context.max_form_bytes, (FORM_TYPE,)), None
        body = await read_body(scope, receive, self._context.max_file_bytes, (FILE_FORM_TYPE, FORM_TYPE))
        content_type = read_header(scope, b"content-type") or ""
        # A form that is sent otherwise comes without a file.
        return split_file(content_type, body) if content_type.lower().startswith(FILE_FORM_TYPE) else (body, None)

    async def _show_again(self, request: PageRequest[Any, Any], error: HeadwayError, body: bytes) -> Rendered:
        """Show the page of a form that was refused, with what was typed."""
        problem = self._context.problems.note(request.scope, error)
        request.failed = Failed.of(problem, body)
        query = request.scope["query_string"]
        try:
            rendered = await self._show(request, query)
        except Invalid as unknown:
            rest = _without_place(query, unknown)
            if rest is None:
                raise
            rendered = await self._show(request, rest)
        return rendered._replace(status=_SHOWN_AGAIN.get(problem.status, problem.status))

    async def _show(self, request: PageRequest[Any, Any], query: bytes) -> Rendered:
        """Render the page of the form with a query."""
        assert self._shown is not None  # noqa: S101 - checked by the callers
        shown: PageRoute = self._shown.page_route  # type: ignore[attr-defined]
        request.query = None if shown.query is None else decode_form(query, shown.query)
        return await self._run(self._shown, shown.transaction, request)

    async def _run(
        self, handler: Callable[..., Awaitable[Any]], kind: TransactionKind | None, request: PageRequest[Any, Any]
    ) -> Rendered:
        transactions = self._context.transactions
        if kind is READ_LARGE:

            async def read_and_render(tx: ReadTransaction) -> Rendered:
                return self._render(await handler(request, tx), request)

            rendered = await transactions.read_large(request.scope, read_and_render)
            if request.walk is not None and request.walk.new_order is not None:
                async with transactions.write() as writing:
                    await request.walk.save(writing)
            return rendered
        if kind is WRITE:
            async with transactions.write() as writing:
                result = await handler(request, writing)
        elif kind is READ:
            async with transactions.read() as reading:
                result = await handler(request, reading)
        else:
            result = await handler(request)
        if isinstance(result, Streamed):
            return Rendered(200, *await begin(result, request.scope))
        if isinstance(result, Page):
            return await asyncio.to_thread(self._render, result, request)
        return self._render(result, request)

    def _render(self, result: "Page | Redirect | Download", request: PageRequest[Any, Any]) -> Rendered:
        if isinstance(result, Redirect):
            if result.notice is not None:
                leave_notice(request.scope, result.notice, is_good=result.is_good)
            return _redirect(result.location)
        if isinstance(result, Download):
            disposition = f"attachment; filename*=UTF-8''{quote(result.name)}"
            headers = [(b"content-disposition", disposition.encode())]
            return compressed(request.scope, Rendered(200, headers, result.content), result.media_type)
        pages = self._context.pages
        values = {**result.context, "request": request, "user": request.optional_caller, "notice": take_notice(request.scope)}
        text = pages.render(result.template, request.viewer, values)
        return compressed(request.scope, Rendered(result.status, pages.headers, text.encode()), pages.MEDIA_TYPE)


def compressed(scope: Scope, rendered: Rendered, media_type: str) -> Rendered:
    """Return a response with its length and type; it is compressed where the client takes it and it pays."""
    headers, content = (
        [*rendered.headers, (b"content-type", media_type.encode()), (b"vary", b"Accept-Encoding")],
        rendered.content,
    )
    if len(content) > _SMALLEST_COMPRESSED and accepts_gzip(scope):
        content = gzip.compress(content, _COMPRESSION, mtime=0)
        headers.append((b"content-encoding", b"gzip"))
    return Rendered(rendered.status, [*headers, (b"content-length", b"%d" % len(content))], content)


def error_page(pages: Pages, scope: Scope, problem: Problem) -> tuple[bytes, dict[str, str]] | None:
    """Return the page of an error and its headers; None where the path belongs to no page."""
    path = scope["path"]
    if path != "/app" and not path.startswith("/app/"):
        return None
    viewer = pages.viewer(scope)
    text = pages.render("error.html", viewer, {"problem": problem, "user": scope.get("user"), "request": None, "notice": None})
    return text.encode(), {name.decode(): value.decode() for name, value in pages.headers}


def safe_next(text: str | None) -> str:
    """Return the page to go to after signing in: only one of this server's own pages."""
    if not text or not text.startswith("/app") or "\\" in text or any(ord(each) < 32 for each in text):
        return "/app"
    parts = urlsplit(text)
    is_page = not parts.scheme and not parts.netloc and (parts.path == "/app" or parts.path.startswith("/app/"))
    return text if is_page else "/app"


def _to_sign_in(scope: Scope) -> Rendered:
    """Send the browser to the page where to sign in, and from there back; a part of a page has the whole page go there."""
    path = scope["raw_path"].decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    back = path if not query else f"{path}?{query}"
    location = SIGN_IN_PATH if scope["method"] == "POST" or path == "/app" else f"{SIGN_IN_PATH}?next={quote(back, safe='')}"  # type: ignore[typeddict-item]
    if read_header(scope, b"hx-request") == "true":
        return Rendered(401, [(b"hx-redirect", location.encode()), (b"content-length", b"0")], b"")
    return _redirect(location)


def _without_place(query: bytes, error: HeadwayError) -> bytes | None:
    """Return a query without its place in a list, if that is all that an error is about; else None."""
    wrong = {each.field for each in error.fields}
    if not wrong or not wrong <= _PLACES:
        return None
    fields = query.split(b"&")
    rest = [each for each in fields if each.partition(b"=")[0].decode("latin-1") not in wrong]
    return b"&".join(rest) if len(rest) < len(fields) else None


def _redirect(location: str) -> Rendered:
    headers = [(b"location", location.encode("ascii", "xmlcharrefreplace")), (b"content-length", b"0")]
    return Rendered(303, headers, b"")
