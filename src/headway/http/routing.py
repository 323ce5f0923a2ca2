"""Routes as contracts write them: what is asked comes in as one value, decoded and checked, and one answer goes out."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.handlers import HTTPRouteHandler

from headway.errors import FieldError, Invalid
from headway.http.decoding import Decoder, plain
from headway.http.openapi import Kind, documented
from headway.http.requests import json_body
from headway.idempotency.model import NOBODY, StoredResponse
from headway.idempotency.service import Idempotency
from headway.identity import Caller, Client
from headway.limits.model import RateLimit

_NUL = "must not contain NUL characters"
_MAX_USER_AGENT = 500
_encode = msgspec.json.Encoder().encode

_DECORATORS = {"GET": get, "POST": post, "PATCH": patch, "DELETE": delete}

Body = TypeVar("Body")
Query = TypeVar("Query")


class Asked(NamedTuple, Generic[Query, Body]):
    """A request as an endpoint sees it."""

    by: Caller | None
    """Who asks; None where nobody has to be known. See `caller`."""
    path: Mapping[str, str]
    query: Query
    body: Body
    client: Client
    """Where the request comes from."""
    key: str | None
    """Its Idempotency-Key, and `asks` what tells the request from others."""
    asks: tuple[bytes, ...]

    @property
    def caller(self) -> Caller:
        """Who asks; only for routes that want a caller."""
        assert self.by is not None  # noqa: S101 - the authentication lets nobody else through
        return self.by


class Answer(NamedTuple):
    """A status and the struct that is its body; None where there is nothing to tell."""

    status: int
    body: msgspec.Struct | msgspec.Raw | None = None
    is_repeated: bool = False


Endpoint = Callable[[Asked[Any, Any]], Awaitable[Answer]]


class Routes:
    """Makes the routes of a contract. `repeats` keeps answers of POSTs that carry an Idempotency-Key."""

    def __init__(self, tag: str, idempotency: Idempotency) -> None:
        self._tag = tag
        self._idempotency = idempotency

    def add(  # noqa: PLR0913 - all of them are keywords of one declaration
        self,
        method: str,
        path: str,
        endpoint: Endpoint,
        *,
        answers: Mapping[int, Kind],
        query: type[msgspec.Struct] | None = None,
        body: type[msgspec.Struct] | None = None,
        is_body_optional: bool = False,
        limit: RateLimit | None = None,
        is_public: bool = False,
        is_kept: bool = True,
        takes_key: bool = False,
        has_etag: bool = False,
    ) -> HTTPRouteHandler:
        """Make a route. A public one knows its caller if there is one; `is_kept=False` is for answers that hold secrets.

        An optional body that is empty is read as `{}`. A `limit` is of each caller, and not for public routes.

        `takes_key` says of a route that is not kept as a whole that it keeps the answer by itself, with `once`.
        """
        decoder = Decoder(body) if body is not None else None
        is_kept = is_kept and method == "POST"

        async def serve(request: Request[Any, Any, Any]) -> Response[bytes]:
            raw = await json_body(request) if decoder is not None else b""
            asked = Asked(
                by=request.scope.get("user"),
                # No database is asked for a NUL character; what it is replaced by is in no id.
                path={name: value.replace("\0", "\ufffd") for name, value in request.path_params.items()},
                query=None if query is None else _read_query(request, query),
                body=None if decoder is None else _read_body(decoder, b"{}" if is_body_optional and not raw else raw),
                client=_client(request),
                key=_read_key(request),
                asks=(method.encode(), request.scope["path"].encode(), request.scope["query_string"], raw),
            )
            is_once = is_kept and asked.key is not None
            answer = await (self.once(asked, lambda: endpoint(asked)) if is_once else endpoint(asked))
            return _respond(answer, request.headers.get("if-none-match") if has_etag else None, has_etag=has_etag)

        opt = documented(
            method.lower(),
            endpoint,
            query=query,
            body=body,
            answers=answers,
            tag=self._tag,
            is_public=is_public,
            takes_key=is_kept or takes_key,
            is_body_optional=is_body_optional,
        )
        opt |= {"knows_callers": is_public, "limit": limit}
        # The status is the answer's own; this one keeps Litestar from asking for another kind of function.
        made: HTTPRouteHandler = _DECORATORS[method](path, status_code=200, opt=opt)(serve)
        return made

    async def once(self, asked: Asked[Any, Any], act: Callable[[], Awaitable[Answer]]) -> Answer:
        """Act once for the request's Idempotency-Key, which it must have, and give the same answer ever after."""
        assert asked.key is not None  # noqa: S101 - the caller looks first
        digest = self._idempotency.digest(*asked.asks)

        async def keep() -> StoredResponse:
            answer = await act()
            return StoredResponse(digest, answer.status, (b"" if answer.body is None else _encode(answer.body)).decode())

        user_id, key = NOBODY, asked.key
        if asked.by is not None:
            user_id = asked.by.user_id
        else:
            # Strangers must not come upon each other's keys.
            key = self._idempotency.digest(asked.client.address.encode(), key.encode())
        kept, is_repeated = await self._idempotency.once(user_id, key, digest, keep)
        return Answer(kept.status, msgspec.Raw(kept.body.encode()) if kept.body else None, is_repeated)


def _respond(answer: Answer, known_etag: str | None, *, has_etag: bool) -> Response[bytes]:
    headers = {"Idempotency-Replayed": "true"} if answer.is_repeated else {}
    if answer.body is None:
        return Response(b"", status_code=answer.status, headers=headers)
    content = _encode(answer.body)
    if has_etag:
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
        known = {each.strip().removeprefix("W/") for each in (known_etag or "").split(",")}
        if etag in known or "*" in known:
            return Response(b"", status_code=304, headers=headers)
    return Response(content, status_code=answer.status, media_type="application/json", headers=headers)


def _read_body(decoder: Decoder, raw: bytes) -> Any:
    """Read the body. Raises Invalid, also for texts with NUL characters, which PostgreSQL cannot take.

    Lists and what is in them are checked where their rules are, which name the place.
    """
    body = decoder.decode(raw)
    if b"u0000" in raw:
        texts = msgspec.json.decode(raw, type=dict[str, Any]).items()
        errors = [FieldError(name, _NUL) for name, text in texts if isinstance(text, str) and "\0" in text]
        if errors:
            raise Invalid(errors)
    return body


def _read_query(request: Request[Any, Any, Any], kind: type[msgspec.Struct]) -> Any:
    """Read the query into a struct. Raises Invalid naming every parameter that is wrong."""
    given = request.query_params
    values: dict[str, Any] = {}
    errors: list[FieldError] = []
    for field in msgspec.structs.fields(kind):
        text = given.get(field.encode_name)
        if text is None:
            continue
        try:
            value = msgspec.convert(text, field.type, strict=False)
            # The text `null` is not nothing, but a text.
            values[field.name] = msgspec.convert(text, field.type) if value is None else value
        except msgspec.ValidationError as error:
            errors.append(FieldError(field.encode_name, plain(str(error))))
        if "\0" in text:
            errors.append(FieldError(field.encode_name, _NUL))
    if errors:
        raise Invalid(errors)
    return kind(**values)


def _client(request: Request[Any, Any, Any]) -> Client:
    """Say where a request comes from; a proxy is believed only where the server that runs this trusts it."""
    user_agent = request.headers.get("user-agent")
    address = request.client.host if request.client else ""
    return Client(address, None if user_agent is None else user_agent.replace("\0", "\ufffd")[:_MAX_USER_AGENT])


def _read_key(request: Request[Any, Any, Any]) -> str | None:
    key: str | None = request.headers.get("idempotency-key")
    if key is not None and not (1 <= len(key) <= 255 and key.isascii() and key.isprintable()):
        raise Invalid.field("Idempotency-Key", "must have 1 to 255 printable ASCII characters")
    return key
