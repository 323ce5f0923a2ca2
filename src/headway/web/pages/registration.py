"""Registering: a learner makes an account."""

from typing import Annotated

import msgspec
from msgspec import Meta

from headway.accounts.link_model import MAX_TOKEN
from headway.accounts.model import MAX_EMAIL, MAX_NAME
from headway.accounts.passwords import LONGEST as LONGEST_PASSWORD
from headway.errors import Conflict, Invalid
from headway.services import Services
from headway.web.page_routes import Page, PageRequest, Redirect, get, post
from headway.web.sessions import BrowserSessions


class RegisterForm(msgspec.Struct):
    """The form of a new account."""

    name: Annotated[str, Meta(max_length=MAX_NAME)]
    email: Annotated[str, Meta(max_length=4 * MAX_EMAIL)]
    password: Annotated[str, Meta(max_length=4 * LONGEST_PASSWORD)]
    repeated_password: Annotated[str, Meta(max_length=4 * LONGEST_PASSWORD)]
    invitation: Annotated[str, Meta(max_length=MAX_TOKEN)] | None = None


class RegistrationPages:
    """Registers learners, by the rules and limits of the API's `register`."""

    def __init__(self, services: Services, sessions: BrowserSessions) -> None:
        self._accounts = services.accounts
        self._sign_in = services.sign_in
        self._registering = services.registering
        self._sessions = sessions

    @get("/app/register", public=True)
    async def show(self, request: PageRequest[None, None]) -> Page | Redirect:
        """Show the form; who is signed in has an account."""
        if request.optional_caller is not None and request.failed is None:
            return Redirect("/app")
        return Page("account/register.html")

    @post("/app/register", form=RegisterForm, page="show", public=True)
    async def register(self, request: PageRequest[None, RegisterForm]) -> Redirect:
        """Make the account and sign in to it, or have its address proven first."""
        form = request.form
        if form.password != form.repeated_password:
            raise Invalid.field("repeated_password", "is not the same as above")
        new = await self._sign_in.prepare(
            name=form.name, email=form.email, password=form.password, interests=(), client=request.client
        )
        if await self._registering.must_prove(new, form.invitation or "", request.client):
            async with request.write() as tx:
                await self._registering.keep(tx, new, request.client)
            return Redirect("/app/verification")
        try:
            async with request.write() as tx:
                await self._accounts.add(tx, new)
        except Conflict as taken:
            raise Invalid.field("email", "already has an account") from taken
        session = await self._sign_in.sign_in(email=form.email, password=form.password, client=request.client)
        self._sessions.begin(request.scope, session)
        return Redirect("/app", notice=request.text("Welcome, %(name)s. Find a course to begin with.", name=form.name))
