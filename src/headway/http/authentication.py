"""Authentication by bearer tokens."""

from litestar.types import ASGIApp, Receive, Scope, Send

from headway.accounts.service import Accounts
from headway.errors import Unauthenticated
from headway.http.identity_provider import IdentityProvider
from headway.http.tokens import Tokens
from headway.identity import Caller


class Authentication:
    """Authenticates requests by their `Authorization: Bearer` header."""

    def __init__(self, tokens: Tokens, accounts: Accounts, outside: IdentityProvider | None) -> None:
        self._tokens = tokens
        self._accounts = accounts
        self._outside = outside

    async def caller(self, scope: Scope) -> Caller:
        """Return the caller of a request. Raises Unauthenticated; Unavailable while accounts or outside keys cannot be read."""
        return await self.caller_of(_bearer_token(scope))

    async def caller_of(self, token: str) -> Caller:
        """Return the caller of a token. Raises Unauthenticated; Unavailable while accounts or outside keys cannot be read."""
        if self._outside is not None and self._outside.issued(token):
            claims = await self._outside.verify(token)
            return await self._accounts.outside_caller(claims.subject, name=claims.name)
        verified = self._tokens.verify(token)
        return await self._accounts.caller(verified.user_id, verified.token_version, verified.session_id)

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """Put the caller in `scope["user"]`, and reject requests without one unless the route is `public`.

        With the option `optional_caller`, a public route gets the caller of a request that has a token.
        """

        async def authenticated(scope: Scope, receive: Receive, send: Send) -> None:
            opt = scope["route_handler"].opt
            has_caller = opt.get("optional_caller") and any(name == b"authorization" for name, _ in scope["headers"])
            if has_caller or not opt.get("public"):
                scope["user"] = await self.caller(scope)
            await app(scope, receive, send)

        return authenticated


def _bearer_token(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer" and token.strip():
                return token.strip()
            raise Unauthenticated("The Authorization header must be: Bearer <token>.")
    raise Unauthenticated("Access token required")
