"""Forgotten passwords: asking for a link, and choosing a password with it."""

from typing import Annotated

import msgspec
from msgspec import Meta

from headway.accounts.link_model import MAX_TOKEN
from headway.accounts.model import MAX_EMAIL
from headway.accounts.passwords import LONGEST as LONGEST_PASSWORD
from headway.errors import Invalid
from headway.services import Services
from headway.web.page_routes import Page, PageRequest, Redirect, get, post
from headway.web.sessions import BrowserSessions

_Password = Annotated[str, Meta(max_length=4 * LONGEST_PASSWORD)]


class ForgottenForm(msgspec.Struct):
    """The address of whoever forgot a password."""

    email: Annotated[str, Meta(max_length=4 * MAX_EMAIL)]


class ResetForm(msgspec.Struct):
    """A link, or what stands after its `#`, and a password, typed twice."""

    token: Annotated[str, Meta(max_length=MAX_TOKEN)]
    new_password: _Password
    repeated_password: _Password


class AskedQuery(msgspec.Struct):
    """Whether a link was asked for just now."""

    asked: bool = False


class RecoveryPages:
    """Asks for links, and takes them. A GET uses nothing up, and no path or query holds a token."""

    def __init__(self, services: Services, sessions: BrowserSessions) -> None:
        self._recovery = services.recovery
        self._sends_mail = services.mail.is_on
        self._sessions = sessions

    @get("/app/forgot-password", query=AskedQuery, public=True)
    async def ask(self, request: PageRequest[AskedQuery, None]) -> Page:
        """Show the form, or what to do without mail, or what happens after asking."""
        return Page("account/forgot_password.html", {"sends_mail": self._sends_mail, "asked": request.query.asked})

    @post("/app/forgot-password", form=ForgottenForm, page="ask", public=True)
    async def send(self, request: PageRequest[None, ForgottenForm]) -> Redirect:
        """Ask for a link; what is shown then is the same for every address."""
        await self._recovery.ask(request.form.email, request.client)
        return Redirect("/app/forgot-password?asked=true")

    @get("/app/reset-password", public=True)
    async def show(self, request: PageRequest[None, None]) -> Page:
        """Show the form; a script fills in what stands after `#`."""
        return Page("account/reset_password.html", {"sends_mail": self._sends_mail})

    @post("/app/reset-password", form=ResetForm, page="show", public=True)
    async def reset(self, request: PageRequest[None, ResetForm]) -> Redirect:
        """Choose a password; whoever is signed in here is signed out, as everywhere."""
        form = request.form
        if form.new_password != form.repeated_password:
            raise Invalid.field("repeated_password", "is not the same as above")
        await self._recovery.reset(form.token, form.new_password, request.client)
        self._sessions.end(request.scope)
        return Redirect("/app/sign-in", notice=request.text("Your password is changed. Sign in with the new one."))
