"""Authentication by bearer tokens. Headway signs its own as JWT (RFC 7519) with HS256, a fixed issuer, audience and type."""

import time
from typing import Annotated, Any, NamedTuple

import jwt
import msgspec
from cachetools import LRUCache
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec import Meta

from headway.accounts.model import Session, User
from headway.accounts.service import Accounts
from headway.errors import Unauthenticated
from headway.http import signed_tokens
from headway.http.identity_provider import IdentityProvider
from headway.http.params import LARGEST_INTEGER
from headway.http.signed_tokens import Seconds, read_claims
from headway.identity import Caller
from headway.instants import SECOND, Clock

_ALGORITHM = "HS256"
_ISSUER = _AUDIENCE = "headway"
_MAX_REMEMBERED = 10_000
_AGAIN_AFTER_SECONDS = 1.0

_UserId = Annotated[str, Meta(pattern="^[1-9][0-9]{0,15}\\Z")]
_SessionId = Annotated[str, Meta(pattern="^[!-~]{1,100}\\Z")]
_Count = Annotated[int, Meta(ge=0, le=LARGEST_INTEGER)]


class _AccessPayload(msgspec.Struct):
    sub: _UserId
    exp: Seconds
    ver: _Count
    sid: _SessionId | None = None


class _RefreshPayload(msgspec.Struct):
    sub: _UserId
    exp: Seconds
    sid: _SessionId
    gen: _Count


class AccessClaims(NamedTuple):
    """The claims of an access token; `expires_at` in seconds since 1970.

    The token ends when the account's `token_version` changes. `session_id` is the sign-in that issued it, if one did.
    """

    user_id: int
    token_version: int
    expires_at: int
    session_id: str | None = None


class RefreshClaims(NamedTuple):
    """The claims of a refresh token: each generation of a session has one."""

    user_id: int
    session_id: str
    generation: int


class Credential(NamedTuple):
    """A verified token: its caller, and what ends it; `expires_at` in seconds since 1970."""

    caller: Caller
    expires_at: int
    token_version: int | None
    """The version of the account's tokens that it belongs to; None for a token of an outside identity provider."""


class Tokens:
    """Signs access tokens and verifies them; a bounded cache remembers verified ones until they expire."""

    def __init__(self, secret_key: str, clock: Clock, *, lifetime_seconds: int) -> None:
        self._key = secret_key
        self._clock = clock
        self.lifetime_seconds = lifetime_seconds
        self._verified: LRUCache[str, AccessClaims] = LRUCache(_MAX_REMEMBERED)

    def issue(self, user: User, *, lifetime_seconds: int | None = None, session_id: str | None = None) -> str:
        """Sign an access token for an account."""
        now = self._clock() // SECOND
        lifetime_seconds = self.lifetime_seconds if lifetime_seconds is None else lifetime_seconds
        own = {"ver": user.token_version, "sid": session_id} if session_id else {"ver": user.token_version}
        return self._sign("access", user.id, now + lifetime_seconds, {"iat": now, **own})

    def issue_refresh(self, session: Session) -> str:
        """Sign the refresh token of a session's generation; the same generation always gets the same token."""
        own = {"sid": session.id, "gen": session.generation}
        return self._sign("refresh", session.user.id, session.expires_at // SECOND, own)

    def verify(self, token: str) -> AccessClaims:
        """Check signature, algorithm, issuer, audience, type and expiry. Raises Unauthenticated."""
        claims = self._verified.get(token)
        if claims is None:
            claims = self._read_access(token)
            self._verified[token] = claims
        if claims.expires_at <= self._clock() // SECOND:
            self._verified.pop(token, None)
            raise Unauthenticated("The token has expired.")
        return claims

    def read_refresh(self, token: str) -> RefreshClaims:
        """Verify a refresh token, but not whether it was used before. Raises Unauthenticated."""
        claims = read_claims(self._decode(token, "refresh"), _RefreshPayload)
        if claims.exp <= self._clock() // SECOND:
            raise Unauthenticated("The token has expired.")
        return RefreshClaims(int(claims.sub), claims.sid, claims.gen)

    def _read_access(self, token: str) -> AccessClaims:
        claims = read_claims(self._decode(token, "access"), _AccessPayload)
        return AccessClaims(int(claims.sub), claims.ver, int(claims.exp), claims.sid)

    def _sign(self, kind: str, user_id: int, expires_at: int, own: dict[str, Any]) -> str:
        payload = {"iss": _ISSUER, "aud": _AUDIENCE, "typ": kind, "sub": str(user_id), "exp": expires_at, **own}
        return jwt.encode(payload, self._key, algorithm=_ALGORITHM)

    def _decode(self, token: str, kind: str) -> dict[str, Any]:
        payload = signed_tokens.decode(token, self._key, algorithms=[_ALGORITHM], issuer=_ISSUER, audience=_AUDIENCE)
        if payload.get("typ") != kind:
            raise Unauthenticated(f"This is not {'an access' if kind == 'access' else 'a refresh'} token.")
        return payload


class Authentication:
    """Authenticates requests by their `Authorization: Bearer` header."""

    def __init__(self, tokens: Tokens, accounts: Accounts, identity_provider: IdentityProvider | None) -> None:
        self._tokens = tokens
        self._accounts = accounts
        self._identity_provider = identity_provider

    async def caller(self, scope: Scope) -> Caller:
        """Return the caller of a request. Raises Unauthenticated; Unavailable while accounts or outside keys cannot be read."""
        return (await self.verify(_bearer_token(scope))).caller

    async def verify(self, token: str) -> Credential:
        """Verify a token. Raises Unauthenticated; Unavailable while accounts or outside keys cannot be read."""
        if self._identity_provider is not None and self._identity_provider.issued(token):
            outside = await self._identity_provider.verify(token)
            caller = await self._accounts.outside_caller(outside.subject, name=outside.name)
            return Credential(caller, outside.expires_at, None)
        claims = self._tokens.verify(token)
        caller = await self._accounts.caller(claims.user_id, claims.token_version, claims.session_id)
        return Credential(caller, claims.expires_at, claims.token_version)

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """Put the caller in `scope["user"]`, and reject requests without one unless the route is `public`.

        With the option `optional_caller`, a public route gets the caller of a request that has a token.
        """

        async def authenticated(scope: Scope, receive: Receive, send: Send) -> None:
            opt = scope["route_handler"].opt
            has_caller = opt.get("optional_caller") and any(name == b"authorization" for name, _ in scope["headers"])
            if has_caller or not opt.get("public"):
                scope["user"] = await self.caller(scope)
                receive = self._authenticate_again(scope, receive)
            await app(scope, receive, send)

        return authenticated

    def _authenticate_again(self, scope: Scope, receive: Receive) -> Receive:
        """Authenticate a second time at the end of a body that took long to arrive: rights may have ended meanwhile."""
        deadline = time.monotonic() + _AGAIN_AFTER_SECONDS

        async def received() -> Any:
            message = await receive()
            if time.monotonic() > deadline and message["type"] == "http.request" and not message.get("more_body"):
                scope["user"] = await self.caller(scope)
            return message

        return received


def _bearer_token(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer" and token.strip():
                return token.strip()
            raise Unauthenticated("The Authorization header must be: Bearer <token>.")
    raise Unauthenticated("Access token required")
