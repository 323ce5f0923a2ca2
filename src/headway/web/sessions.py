"""Sessions of browsers: two cookies hold the access token and the refresh token that a client of the API would hold.

So a browser session has the same lifetime, ends in the same ways and is audited like any other; see docs/adr/0036. Scripts
cannot read the cookies, other sites' requests do not carry them but for links (SameSite=Lax), and with HTTPS their names begin
with `__Host-`, so that no other host can set them (RFC 6265bis, section 4.1.3.2).
"""

from typing import Final, NamedTuple
from urllib.parse import quote, unquote

import msgspec
from litestar.types import Scope

from headway.accounts.model import REFRESH_LIFETIME, Session
from headway.errors import Forbidden, Unauthenticated
from headway.http.authentication import Authentication
from headway.http.middleware import RESPONSE_HEADERS
from headway.http.request import client_of, read_header
from headway.identity import Caller, Channel
from headway.instants import SECOND
from headway.services import Services

ACCESS: Final = "headway-access"
REFRESH: Final = "headway-refresh"
NOTICE: Final = "headway-notice"
LANGUAGE: Final = "headway-language"
ZONE: Final = "headway-zone"
"""Set by a script of the pages."""
YEAR_SECONDS: Final = 31_536_000
_MAX_COOKIE_CHARACTERS = 16_384
_LONGEST_NOTICE = 300
_NOTICE_SECONDS = 60
_NOT_GOOD = "!"
"""Begins a notice that tells of no success; in a text it is quoted."""


class BrowserSessions:
    """Signs browsers in and out by cookies."""

    def __init__(self, services: Services, authentication: Authentication) -> None:
        self._sign_in = services.sign_in
        self._tokens = services.tokens
        self._authentication = authentication

    async def caller(self, scope: Scope) -> Caller | None:
        """Return who is signed in. An expired access token is replaced with the refresh token, as the API's clients do."""
        access = read_cookie(scope, ACCESS)
        if access:
            try:
                return _at_a_page((await self._authentication.verify(access)).caller)
            except Unauthenticated:
                pass
        refresh = read_cookie(scope, REFRESH)
        if not refresh:
            return None
        try:
            claims = self._tokens.read_refresh(refresh)
            session = await self._sign_in.refresh(
                user_id=claims.user_id, session_id=claims.session_id, generation=claims.generation, client=client_of(scope)
            )
            return _at_a_page((await self._authentication.verify(self.begin(scope, session))).caller)
        except Unauthenticated:
            self.end(scope)
            return None

    def begin(self, scope: Scope, session: Session) -> str:
        """Set the cookies of a session in the response; return its access token."""
        access = self._tokens.issue(session.user, session_id=session.id)
        set_cookie(scope, ACCESS, access, self._tokens.lifetime_seconds)
        set_cookie(scope, REFRESH, self._tokens.issue_refresh(session), REFRESH_LIFETIME // SECOND)
        return access

    def end(self, scope: Scope) -> None:
        """Delete the cookies in the response."""
        for name in (ACCESS, REFRESH):
            set_cookie(scope, name, "", 0)


def check_origin(scope: Scope) -> None:
    """Reject a request that a page of another site makes in its visitor's name (cross-site request forgery).

    Browsers say where a request comes from: `Sec-Fetch-Site` to trustworthy URLs, `Origin` to all. Raises Forbidden
    CROSS_ORIGIN. See docs/adr/0036.
    """
    site = read_header(scope, b"sec-fetch-site")
    origin = read_header(scope, b"origin")
    own = f"{scope['scheme']}://{read_header(scope, b'host')}"
    is_own = site == "same-origin" if site is not None else origin == own
    if not is_own:
        raise Forbidden("This request does not come from a page of this server.", code="CROSS_ORIGIN")


def read_cookie(scope: Scope, name: str) -> str | None:
    """Return a cookie of a request, by its name without prefix."""
    return _read_all(scope).get(_full_name(scope, name))


def set_cookie(scope: Scope, name: str, value: str, max_age_seconds: int, *, is_for_scripts: bool = False) -> None:
    """Add a cookie to the response; an age of 0 deletes it."""
    attributes = [f"{_full_name(scope, name)}={value}", "Path=/", "SameSite=Lax", f"Max-Age={max_age_seconds}"]
    attributes += [] if is_for_scripts else ["HttpOnly"]
    attributes += ["Secure"] if _is_secure(scope) else []
    scope[RESPONSE_HEADERS].append((b"set-cookie", "; ".join(attributes).encode()))  # type: ignore[literal-required]


class Notice(NamedTuple):
    """What a page says about the request before."""

    text: str
    is_good: bool


def leave_notice(scope: Scope, text: str, *, is_good: bool) -> None:
    """Store a notice for the next page to show."""
    mark = "" if is_good else _NOT_GOOD
    set_cookie(scope, NOTICE, mark + quote(text[:_LONGEST_NOTICE]), _NOTICE_SECONDS)


def take_notice(scope: Scope) -> Notice | None:
    """Return the notice that the last request left for this page."""
    value = read_cookie(scope, NOTICE)
    if not value:
        return None
    set_cookie(scope, NOTICE, "", 0)
    text = unquote(value.removeprefix(_NOT_GOOD))[:_LONGEST_NOTICE]
    return Notice(text, is_good=not value.startswith(_NOT_GOOD))


def _at_a_page(caller: Caller) -> Caller:
    return msgspec.structs.replace(caller, channel=Channel.PAGE)


def _read_all(scope: Scope) -> dict[str, str]:
    """Split the header as browsers do (RFC 6265bis, section 5.8.3): odd cookies of others on the host spoil none of ours."""
    text = read_header(scope, b"cookie") or ""
    if len(text) > _MAX_COOKIE_CHARACTERS:
        return {}
    pairs = (each.partition("=") for each in text.split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def _full_name(scope: Scope, name: str) -> str:
    # A script that sets the zone does not know of prefixes.
    return f"__Host-{name}" if _is_secure(scope) and name != ZONE else name


def _is_secure(scope: Scope) -> bool:
    return scope["scheme"] == "https"
