"""One's own account: name, password, language, and signing out everywhere."""

from typing import Annotated

import msgspec
from msgspec import Meta

from headway.accounts.model import MAX_NAME
from headway.db.database import ReadTransaction, WriteTransaction
from headway.errors import Invalid
from headway.http.request import READ, WRITE
from headway.services import Services
from headway.web.page_routes import Page, PageRequest, Redirect, get, post
from headway.web.sessions import BrowserSessions

_PATH = "/app/account"
_LONGEST_PASSWORD = 512


class NameForm(msgspec.Struct):
    """Another name."""

    name: Annotated[str, Meta(max_length=MAX_NAME)]


class PasswordForm(msgspec.Struct):
    """Another password, typed twice."""

    current_password: Annotated[str, Meta(max_length=_LONGEST_PASSWORD)]
    new_password: Annotated[str, Meta(max_length=_LONGEST_PASSWORD)]
    repeated_password: Annotated[str, Meta(max_length=_LONGEST_PASSWORD)]


class AccountPages:
    """The page of one's own account."""

    def __init__(self, services: Services, sessions: BrowserSessions) -> None:
        self._accounts = services.accounts
        self._sign_in = services.sign_in
        self._sessions = sessions

    @get(_PATH, transaction=READ)
    async def show(self, request: PageRequest[None, None], tx: ReadTransaction) -> Page:
        """Show the account."""
        return Page("account/account.html", {"account": await self._accounts.find_account(tx, request.caller.user_id)})

    @post("/app/account/name", form=NameForm, page="show", transaction=WRITE)
    async def change_name(self, request: PageRequest[None, NameForm], tx: WriteTransaction) -> Redirect:
        """Change the name."""
        await self._accounts.change_profile(tx, request.caller.user_id, name=request.form.name)
        return Redirect(_PATH, notice=request.text("Your name is changed."))

    @post("/app/account/password", form=PasswordForm, page="show")
    async def change_password(self, request: PageRequest[None, PasswordForm]) -> Redirect:
        """Change the password, which ends all sessions, also this one."""
        form = request.form
        if form.new_password != form.repeated_password:
            raise Invalid.field("repeated_password", "is another one")
        await self._sign_in.change_password(
            request.caller.user_id, current=form.current_password, new=form.new_password, client=request.client
        )
        self._sessions.end(request.scope)
        return Redirect("/app/sign-in", notice=request.text("Your password is changed. Sign in with the new one."))
