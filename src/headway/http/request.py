"""A request: its transaction, what a route's handler gets, decoded and checked, and what it returns."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar.types import Scope

from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.db.large_reads import LargeReads
from headway.errors import FieldError, Invalid
from headway.http.decoding import NUL, describe
from headway.http.paths import decode_parameter
from headway.idempotency.model import RequestKey, StoredResponse
from headway.idempotency.service import Idempotency
from headway.identity import NOBODY, Caller, Client
from headway.paging.service import Walk
from headway.text import nfc

_MAX_QUERY_PARAMETERS = 100
_MAX_USER_AGENT = 500
_MAX_LANGUAGES = 200

encode = msgspec.json.Encoder().encode

Body = TypeVar("Body")
Query = TypeVar("Query")
Result = TypeVar("Result")


class TransactionKind(Enum):
    """Which transaction a route's handler gets."""

    READ = "read"
    READ_LARGE = "large read"
    """A read whose result grows with what is stored: the handler and the rendering run in the thread of large reads."""
    WRITE = "write"


READ, READ_LARGE, WRITE = TransactionKind.READ, TransactionKind.READ_LARGE, TransactionKind.WRITE


class Transactions:
    """Opens the transactions of requests, which are committed before the response is sent."""

    def __init__(self, database: Database, idempotency: Idempotency, large_reads: LargeReads | None = None) -> None:
        self._database = database
        self._large_reads = large_reads
        self.idempotency = idempotency

    def read(self, *, single_statement: bool = False) -> AbstractAsyncContextManager[ReadTransaction]:
        """Open a read-only snapshot; `single_statement` saves PostgreSQL two round trips where one statement is run."""
        return self._database.read(single_statement=single_statement)

    async def read_large(self, scope: Scope, read: Callable[[ReadTransaction], Awaitable[Result]]) -> Result:
        """Return the result of `read` in a snapshot, in the thread of large reads; see `LargeReads.run`.

        A caller is an account, or a network address without one.
        """
        assert self._large_reads is not None  # noqa: S101 - a server has them
        caller: Caller | None = scope.get("user")
        client = scope["client"]
        return await self._large_reads.run(read, caller.user_id if caller is not None else client and client[0])

    def write(self) -> AbstractAsyncContextManager[WriteTransaction]:
        """Open a write transaction, committed at the end of the block."""
        return self._database.write()

    async def once(
        self, key: RequestKey, act: Callable[[WriteTransaction], Awaitable[StoredResponse]]
    ) -> tuple[StoredResponse, bool]:
        """Act in a write transaction that stores the response, or return the stored one and True.

        Raises KeyReused if the key belongs to another request, Conflict IDEMPOTENCY_KEY_IN_USE while the request is in flight.
        """
        async with self.read(single_statement=True) as snapshot:
            stored = await self.idempotency.find(snapshot, key)
        if stored is not None:
            return stored, True
        with self.idempotency.reserve(key):
            async with self.write() as tx:
                return await self.idempotency.once(tx, key, act)


class Response(NamedTuple):
    """A status and a JSON body; None for a response without a body."""

    status: int
    body: msgspec.Struct | msgspec.Raw | None = None
    is_replayed: bool = False
    """Whether this is the stored response to an earlier request with the same Idempotency-Key."""


Act = Callable[[WriteTransaction], Awaitable[Response]]


class EncodedRows:
    """The rows of a large response, each encoded as it is added, so that few of them exist as objects at once."""

    def __init__(self, *, max_bytes: int, field: str) -> None:
        self._max_bytes = max_bytes
        self._field = field
        self._size = 0
        self.rows: list[Any] = []
        """The rows as `msgspec.Raw`, to be put where the response has its list."""

    def add(self, row: msgspec.Struct) -> None:
        """Add a row. Raises Invalid, naming the field by which fewer rows are requested, if the response becomes too large."""
        content = encode(row)
        self._size += len(content)
        if self._size > self._max_bytes:
            message = f"requests a response of more than {self._max_bytes} bytes; request fewer at once"
            raise Invalid.field(self._field, message)
        self.rows.append(msgspec.Raw(content))


class Request(Generic[Query, Body]):
    """A request as the handler of a route sees it.

    `path` holds the path parameters, `query` and `body` the structs that the route declares, None where it declares none.
    """

    __slots__ = ("_is_idempotent", "_scope", "_transactions", "body", "idempotency_key", "path", "query", "raw_body", "walk")

    def __init__(
        self, scope: Scope, transactions: Transactions, query: Query, body: Body, raw_body: bytes, *, is_idempotent: bool
    ) -> None:
        self._scope = scope
        self._transactions = transactions
        self.raw_body = raw_body
        self._is_idempotent = is_idempotent
        parameters: Mapping[str, str] = scope["path_params"]
        self.path = {name: nfc(decode_parameter(value)) for name, value in parameters.items()}
        self.query = query
        self.body = body
        self.idempotency_key = read_idempotency_key(scope)
        self.walk: Walk | None = None

    @property
    def url_path(self) -> str:
        """The path of the URL."""
        return self._scope["path"]

    @property
    def caller(self) -> Caller:
        """The caller; only on routes that require one."""
        caller: Caller = self._scope["user"]
        return caller

    @property
    def optional_caller(self) -> Caller | None:
        """The caller of a public route, None for a request without a token."""
        caller: Caller | None = self._scope.get("user")
        return caller

    @property
    def client(self) -> Client:
        """The client; see `client_of`."""
        return client_of(self._scope)

    @property
    def accept_language(self) -> str | None:
        """The languages that the client takes (RFC 9110, section 12.5.4)."""
        return read_header(self._scope, b"accept-language")

    def read(self, *, single_statement: bool = False) -> AbstractAsyncContextManager[ReadTransaction]:
        """Open a read transaction, for handlers without one; `single_statement` if one statement is run in it."""
        return self._transactions.read(single_statement=single_statement)

    async def read_large(self, read: Callable[[ReadTransaction], Awaitable[Result]]) -> Result:
        """Return the result of `read` in a snapshot, in the thread of large reads, for handlers without a transaction."""
        return await self._transactions.read_large(self._scope, read)

    async def save_walk(self) -> None:
        """Store the order that the walk through a list has fixed, if it has."""
        if self.walk is not None and self.walk.new_order is not None:
            async with self._transactions.write() as tx:
                await self.walk.save(tx)

    async def transact(self, act: Act) -> Response:
        """Run `act` in a write transaction, which is committed when this returns.

        On an idempotent route with an Idempotency-Key the response is stored in that transaction; a repeated request gets
        the stored response, and `act` does not run. Raises KeyReused, Conflict IDEMPOTENCY_KEY_IN_USE.
        """
        if not self._is_idempotent or self.idempotency_key is None:
            async with self._transactions.write() as tx:
                return await act(tx)

        async def act_and_store(tx: WriteTransaction) -> StoredResponse:
            response = await act(tx)
            return StoredResponse(response.status, "" if response.body is None else encode(response.body).decode())

        stored, is_replayed = await self._transactions.once(self._request_key(self.idempotency_key), act_and_store)
        return Response(stored.status, msgspec.Raw(stored.body.encode()) if stored.body else None, is_replayed)

    def _request_key(self, key: str) -> RequestKey:
        scope, digest = self._scope, self._transactions.idempotency.digest
        method: str = scope["method"]  # type: ignore[typeddict-item]
        parts = method.encode(), scope["path"].encode(), scope["query_string"], self.raw_body
        if (caller := self.optional_caller) is not None:
            # With another role it is another request: what an administrator was told is not for a learner.
            return RequestKey(caller.user_id, key, digest(*parts, caller.role.encode()))
        # Callers without an account must not come upon each other's keys.
        return RequestKey(NOBODY, digest(self.client.address.encode(), key.encode()), digest(*parts))


def client_of(scope: Scope) -> Client:
    """Return a request's client: its address, User-Agent and languages; a proxy is believed only where the server trusts it."""
    user_agent = read_header(scope, b"user-agent")
    address = scope["client"][0] if scope["client"] else ""
    agent = None if user_agent is None else user_agent.replace("\0", "\ufffd")[:_MAX_USER_AGENT]
    return Client(address, agent, (read_header(scope, b"accept-language") or "")[:_MAX_LANGUAGES] or None)


def read_header(scope: Scope, name: bytes) -> str | None:
    """Return the first header of a lower-case name."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def is_known(scope: Scope, etag: str) -> bool:
    """Return whether the client has what an ETag names, so that 304 is the answer (RFC 9110, section 13.1.2)."""
    known = {each.strip().removeprefix("W/") for each in (read_header(scope, b"if-none-match") or "").split(",")}
    return etag.removeprefix("W/") in known or "*" in known


def accepts_gzip(scope: Scope) -> bool:
    """Return whether a response may be compressed with gzip (RFC 9110, section 12.5.3)."""
    weights: dict[str, bool] = {}
    for each in (read_header(scope, b"accept-encoding") or "").lower().split(","):
        name, _, weight = each.replace(" ", "").partition(";q=")
        weights[name] = weight.strip("0.") != "" or weight == ""
    return weights.get("gzip", weights.get("*", False))


def read_idempotency_key(scope: Scope) -> str | None:
    """Return the Idempotency-Key. Raises Invalid."""
    key = read_header(scope, b"idempotency-key")
    if key is not None and not (1 <= len(key) <= 255 and key.isascii() and key.isprintable()):
        raise Invalid.field("Idempotency-Key", "must have 1 to 255 printable ASCII characters")
    return key


def decode_query(query_string: bytes, kind: type[msgspec.Struct]) -> Any:
    """Convert query parameters to a struct. Raises Invalid naming every declared parameter that is wrong.

    Of a parameter that is given several times the first counts.
    """
    parameters = _first_values(query_string)
    values: dict[str, Any] = {}
    errors: list[FieldError] = []
    for field in msgspec.structs.fields(kind):
        text = parameters.get(field.encode_name)
        if text is None:
            continue
        try:
            text.encode()
            text = nfc(text)
            value = msgspec.convert(text, field.type, strict=False)
            # In a query, `null` is a string.
            values[field.name] = msgspec.convert(text, field.type) if value is None else value
        except UnicodeEncodeError:
            errors.append(FieldError(field.encode_name, "must be UTF-8"))
        except msgspec.ValidationError as error:
            errors.append(FieldError(field.encode_name, describe(str(error))))
        if "\0" in text:
            errors.append(FieldError(field.encode_name, NUL))
    if errors:
        raise Invalid(errors)
    return kind(**values)


def _first_values(query_string: bytes) -> dict[str, str]:
    """Parse a query string; bytes that are not UTF-8 become surrogates. Raises Invalid."""
    try:
        pairs = parse_qsl(
            query_string.decode(errors="surrogateescape"),
            keep_blank_values=True,
            errors="surrogateescape",
            max_num_fields=_MAX_QUERY_PARAMETERS,
        )
    except ValueError:
        raise Invalid.field("query", f"must not have more than {_MAX_QUERY_PARAMETERS} parameters") from None
    return dict(reversed(pairs))
