"""Signing in through an OpenID Connect provider."""

import msgspec

from headway.errors import NotFound, Unauthenticated
from headway.http.openid_connect import FLOW_LIFETIME, Answer, OpenIdConnect
from headway.http.request import read_header
from headway.instants import SECOND
from headway.services import Services
from headway.web.page_routes import Page, PageRequest, Redirect, get, safe_next
from headway.web.sessions import BrowserSessions, read_cookie, set_cookie

_FLOW = "headway-oidc"


class StartQuery(msgspec.Struct):
    """Where to go after signing in."""

    next: str | None = None


class CallbackQuery(msgspec.Struct):
    """The provider's answer; see RFC 6749, section 4.1.2, and RFC 9207."""

    state: str | None = None
    code: str | None = None
    error: str | None = None
    iss: str | None = None


class SingleSignOnPages:
    """Sends the browser to the provider, and takes it back. Without a provider in the settings, nothing is found here."""

    def __init__(self, services: Services, sessions: BrowserSessions) -> None:
        self._open_id = services.open_id
        self._accounts = services.accounts
        self._sign_in = services.sign_in
        self._sessions = sessions

    @get("/app/oidc/start", query=StartQuery, public=True)
    async def start(self, request: PageRequest[StartQuery, None]) -> Redirect:
        """Send the browser to the provider."""
        host = read_header(request.scope, b"host")
        begun = await self._provider().begin(
            f"{request.scope['scheme']}://{host}/app/oidc/callback", safe_next(request.query.next)
        )
        set_cookie(request.scope, _FLOW, begun.sealed, FLOW_LIFETIME // SECOND)
        return Redirect(begun.url)

    @get("/app/oidc/callback", query=CallbackQuery, public=True)
    async def callback(self, request: PageRequest[CallbackQuery, None]) -> Page | Redirect:
        """Begin a session for whom the provider has identified; an account that is not known yet is created.

        The account is found by the provider's subject, never by an e-mail address.
        """
        provider, query = self._provider(), request.query
        kept = read_cookie(request.scope, _FLOW)
        set_cookie(request.scope, _FLOW, "", 0)
        try:
            answer = Answer(query.state, query.code, query.error, query.iss)
            signed_in = await provider.complete(kept, answer)
            claims = signed_in.claims
            user_id = await self._accounts.find_or_create_outside(claims.subject, name=claims.name, email=claims.email)
            session = await self._sign_in.sign_in_outside(user_id, request.client)
        except Unauthenticated as error:
            return Page("account/sign_in.html", {"next": "/app", "provider": provider.name, "outside": error.kind}, status=401)
        self._sessions.begin(request.scope, session)
        return Redirect(signed_in.next)

    def _provider(self) -> OpenIdConnect:
        if self._open_id is None:
            raise NotFound("There is no such page.")
        return self._open_id
