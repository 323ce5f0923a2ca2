"""Signing in and out, the access token for scripts of a page, and the viewer's language."""

from collections.abc import Collection
from typing import Annotated

import msgspec
from msgspec import Meta

from headway.accounts.passwords import LONGEST as LONGEST_PASSWORD
from headway.db.database import WriteTransaction
from headway.http.request import WRITE
from headway.services import Services
from headway.web.page_routes import Download, Page, PageRequest, Redirect, get, post, safe_next
from headway.web.sessions import LANGUAGE, YEAR_SECONDS, BrowserSessions, set_cookie

_TOKEN_SECONDS = 300


class Next(msgspec.Struct):
    """Where to go after signing in."""

    next: str | None = None


class SignInForm(msgspec.Struct):
    """The sign-in form."""

    email: str
    password: Annotated[str, Meta(max_length=4 * LONGEST_PASSWORD)]
    next: str | None = None


class LanguageForm(msgspec.Struct):
    """The choice of a language."""

    language: Annotated[str, Meta(max_length=20)]
    next: str | None = None


class SignInPages:
    """Signs in and out."""

    def __init__(self, services: Services, sessions: BrowserSessions, languages: Collection[str]) -> None:
        self._languages = languages
        self._sign_in = services.sign_in
        self._accounts = services.accounts
        self._tokens = services.tokens
        self._open_id = services.open_id
        self._sessions = sessions

    @get("/app/sign-in", query=Next, public=True)
    async def show(self, request: PageRequest[Next, None]) -> Page | Redirect:
        """Show the sign-in form; who is signed in goes on."""
        if request.optional_caller is not None and request.failed is None:
            return Redirect(safe_next(request.query.next))
        wanted = request.failed.value("next") if request.failed else request.query.next
        provider = None if self._open_id is None else self._open_id.name
        return Page("account/sign_in.html", {"next": safe_next(wanted), "provider": provider, "outside": None})

    @post("/app/sign-in", form=SignInForm, page="show", public=True)
    async def sign_in(self, request: PageRequest[None, SignInForm]) -> Redirect:
        """Begin a session of its own, whatever the cookies of the request say (session fixation)."""
        form = request.form
        session = await self._sign_in.sign_in(email=form.email, password=form.password, client=request.client)
        self._sessions.begin(request.scope, session)
        return Redirect(safe_next(form.next))

    @post("/app/sign-out", public=True)
    async def sign_out(self, request: PageRequest[None, None]) -> Redirect:
        """End the session of this browser."""
        caller = request.optional_caller
        if caller is not None and caller.session_id is not None:
            async with request.write() as tx:
                await self._sign_in.sign_out(tx, caller.user_id, caller.session_id)
        self._sessions.end(request.scope)
        return Redirect("/app/sign-in", notice=request.text("You are signed out."))

    @post("/app/sign-out-everywhere", transaction=WRITE)
    async def sign_out_everywhere(self, request: PageRequest[None, None], tx: WriteTransaction) -> Redirect:
        """End all sessions of the account, and all its tokens."""
        await self._sign_in.sign_out_everywhere(tx, request.caller, client=request.client)
        self._sessions.end(request.scope)
        return Redirect("/app/sign-in", notice=request.text("You are signed out on all devices."))

    @post("/app/token")
    async def token(self, request: PageRequest[None, None]) -> Download:
        """Return an access token for five minutes, with which a script of the page calls the API and `/ws`.

        It ends with the session.
        """
        async with request.read() as tx:
            user = await self._accounts.find(tx, request.caller.user_id)
        # Ended sessions are looked for as long as an access token lasts, so that no token may last longer.
        lifetime = min(_TOKEN_SECONDS, self._tokens.lifetime_seconds)
        token = self._tokens.issue(user, lifetime_seconds=lifetime, session_id=request.caller.session_id)
        return Download("token.json", msgspec.json.encode({"token": token, "expiresIn": lifetime}), "application/json")

    @post("/app/language", form=LanguageForm, public=True)
    async def choose_language(self, request: PageRequest[None, LanguageForm]) -> Redirect:
        """Remember the language in this browser."""
        form = request.form
        if form.language in self._languages:
            set_cookie(request.scope, LANGUAGE, form.language, YEAR_SECONDS)
        return Redirect(safe_next(form.next))
