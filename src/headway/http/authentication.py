"""Authentication by bearer tokens. Headway signs its own as JWT (RFC 7519) with HS256, a fixed issuer, audience and type."""

import time
from hashlib import blake2b
from typing import Annotated, Any, NamedTuple

import jwt
import msgspec
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec import Meta

from headway import identity
from headway.accounts.api_keys import ApiKeys
from headway.accounts.key_model import PREFIX
from headway.accounts.model import Session, User
from headway.accounts.service import Accounts
from headway.bounded_cache import BoundedCache
from headway.errors import Forbidden, Unauthenticated
from headway.http import signed_tokens
from headway.http.identity_provider import IdentityProvider, ProviderKey
from headway.http.params import LARGEST_INTEGER
from headway.http.signed_tokens import Seconds, read_claims
from headway.identity import Caller
from headway.instants import SECOND, Clock

_ALGORITHM = "HS256"
_ISSUER = _AUDIENCE = "headway"
_AGAIN_AFTER_SECONDS = 1.0
_KEY_CACHE_BYTES = 1_000_000
"""Service accounts are few: this is room for 2,400 keys."""

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


class _Verified(msgspec.Struct, frozen=True, gc=False):
    """A token that was verified; what can end it is checked at each use."""

    user_id: int
    expires_at: int
    token_version: int | None = None
    session_id: str | None = None
    provider_key: ProviderKey | None = None
    """The key of the outside identity provider that verified it."""
    subject: str | None = None
    """Whom the outside provider says it is of: the external id of the account, as long as that has it."""


class Tokens:
    """Signs access tokens and verifies them."""

    def __init__(self, secret_key: str, clock: Clock, *, lifetime_seconds: int) -> None:
        self._key = secret_key
        self._clock = clock
        self.lifetime_seconds = lifetime_seconds

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
        claims = read_claims(self._decode(token, "access"), _AccessPayload)
        if claims.exp <= self._clock() // SECOND:
            raise Unauthenticated("The token has expired.")
        return AccessClaims(int(claims.sub), claims.ver, int(claims.exp), claims.sid)

    def read_refresh(self, token: str) -> RefreshClaims:
        """Verify a refresh token, but not whether it was used before. Raises Unauthenticated."""
        claims = read_claims(self._decode(token, "refresh"), _RefreshPayload)
        if claims.exp <= self._clock() // SECOND:
            raise Unauthenticated("The token has expired.")
        return RefreshClaims(int(claims.sub), claims.sid, claims.gen)

    def _sign(self, kind: str, user_id: int, expires_at: int, own: dict[str, Any]) -> str:
        payload = {"iss": _ISSUER, "aud": _AUDIENCE, "typ": kind, "sub": str(user_id), "exp": expires_at, **own}
        return jwt.encode(payload, self._key, algorithm=_ALGORITHM)

    def _decode(self, token: str, kind: str) -> dict[str, Any]:
        payload = signed_tokens.decode(token, self._key, algorithms=[_ALGORITHM], issuer=_ISSUER, audience=_AUDIENCE)
        if payload.get("typ") != kind:
            raise Unauthenticated(f"This is not {'an access' if kind == 'access' else 'a refresh'} token.")
        return payload


class Authentication:
    """Authenticates requests by their `Authorization: Bearer` header.

    Verified tokens are remembered by a digest: no other text than a verified one takes room, or is taken for it.
    """

    def __init__(
        self,
        tokens: Tokens,
        accounts: Accounts,
        api_keys: ApiKeys,
        identity_provider: IdentityProvider | None,
        clock: Clock,
        *,
        cache_bytes: int,
    ) -> None:
        self._tokens = tokens
        self._accounts = accounts
        self._api_keys = api_keys
        self._identity_provider = identity_provider
        self._clock = clock
        self._verified: BoundedCache[bytes, _Verified] = BoundedCache(cache_bytes, _size)
        self._keys: BoundedCache[bytes, tuple[int, int]] = BoundedCache(_KEY_CACHE_BYTES, lambda _digest, _key: 256)
        """Of API keys that were verified the account and the id."""

    async def caller(self, scope: Scope) -> Caller:
        """Return the caller of a request. Raises Unauthenticated; Unavailable while accounts or outside keys cannot be read."""
        token = _bearer_token(scope)
        return await self._key_caller(token) if token.startswith(PREFIX) else (await self.verify(token)).caller

    async def verify(self, token: str) -> Credential:
        """Verify a token, not an API key: sessions of browsers and live clients have tokens.

        Raises Unauthenticated; Unavailable while accounts or outside keys cannot be read.
        """
        digest = _digest(token)
        verified = self._verified.get(digest)
        if verified is not None and await self._is_valid(verified):
            caller = await self._caller(verified)
            if verified.subject in {None, caller.external_id}:
                return Credential(caller, verified.expires_at, verified.token_version)
        self._verified.discard(digest)
        verified = await self._verify(token)
        self._verified.put(digest, verified)
        return Credential(await self._caller(verified), verified.expires_at, verified.token_version)

    async def _caller(self, verified: _Verified) -> Caller:
        return await self._accounts.caller(verified.user_id, verified.token_version, verified.session_id)

    async def _key_caller(self, text: str) -> Caller:
        """Return the caller of an API key: like a token it is verified once, and whether it is still valid at each use."""
        digest = _digest(text)
        known = self._keys.get(digest)
        if known is None:
            known = await self._api_keys.verify(text)
            self._keys.put(digest, known)
        caller = await self._accounts.key_caller(*known)
        self._api_keys.note_use(known[1])
        return caller

    async def _verify(self, token: str) -> _Verified:
        if self._identity_provider is not None and self._identity_provider.issued(token):
            outside = await self._identity_provider.verify(token)
            user_id = await self._accounts.find_or_create_outside(outside.subject, name=outside.name, email=outside.email)
            return _Verified(user_id, outside.expires_at, provider_key=outside.key, subject=outside.subject)
        claims = self._tokens.verify(token)
        return _Verified(claims.user_id, claims.expires_at, claims.token_version, claims.session_id)

    async def _is_valid(self, verified: _Verified) -> bool:
        """Return whether a token that was verified before would be verified again."""
        if verified.expires_at <= self._clock() // SECOND:
            return False
        key = verified.provider_key
        return key is None or (self._identity_provider is not None and await self._identity_provider.is_current(key))

    async def admit(
        self, scope: Scope, receive: Receive, *, is_public: bool, key_scope: identity.Scope | None = None
    ) -> Receive:
        """Put the caller in `scope["user"]`, of a public route only if there is a token. Return what to receive the body with.

        An API key needs `key_scope`; without one the route takes none. Raises Unauthenticated; Forbidden INSUFFICIENT_SCOPE;
        Unavailable while accounts or outside keys cannot be read.
        """
        if is_public and not any(name == b"authorization" for name, _ in scope["headers"]):
            return receive
        scope["user"] = caller = await self.caller(scope)
        if caller.scopes is not None and key_scope not in caller.scopes:
            raise _insufficient(key_scope)
        return self._authenticate_again(scope, receive)

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """Reject requests without a caller unless the route is `public`."""

        async def authenticated(scope: Scope, receive: Receive, send: Send) -> None:
            if not scope["route_handler"].opt.get("public"):
                receive = await self.admit(scope, receive, is_public=False)
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


def _insufficient(key_scope: identity.Scope | None) -> Forbidden:
    """Return the error of an API key without the scope that a route needs (its code is that of RFC 6750, section 3.1)."""
    no_keys = "This route takes no API keys: no scope allows it."
    message = no_keys if key_scope is None else f"The API key lacks the scope {key_scope.value}."
    return Forbidden(message, code="INSUFFICIENT_SCOPE")


def _digest(token: str) -> bytes:
    return blake2b(token.encode(errors="surrogatepass"), digest_size=16).digest()


def _size(_digest: bytes, verified: _Verified) -> int:
    # The digest, the token's struct and two of its numbers; a session's id is ASCII, a subject may need four bytes a character.
    session = 0 if verified.session_id is None else 64 + len(verified.session_id)
    subject = 0 if verified.subject is None else 80 + 4 * len(verified.subject)
    return 192 + session + subject


def _bearer_token(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer" and token.strip():
                return token.strip()
            raise Unauthenticated("The Authorization header must be: Bearer <token>.")
    raise Unauthenticated("Access token required")
