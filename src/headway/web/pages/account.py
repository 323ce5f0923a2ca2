"""One's own account: name, password, language, and signing out everywhere."""

from typing import Annotated

import msgspec
from msgspec import Meta

from headway.accounts.model import MAX_EMAIL, MAX_NAME
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


class AddressForm(msgspec.Struct):
    """Another address, and the password of the account."""

    new_email: Annotated[str, Meta(max_length=4 * MAX_EMAIL)]
    address_password: Annotated[str, Meta(max_length=_LONGEST_PASSWORD)]


class AccountPages:
    """The page of one's own account."""

    def __init__(self, services: Services, sessions: BrowserSessions) -> None:
        self._accounts = services.accounts
        self._sign_in = services.sign_in
        self._sessions = sessions
        self._own_address = services.own_address
        self._sends_mail = services.mail.is_on

    @get(_PATH, transaction=READ)
    async def show(self, request: PageRequest[None, None], tx: ReadTransaction) -> Page:
        """Show the account."""
        account = await self._accounts.find_account(tx, request.caller.user_id)
        return Page("account/account.html", {"account": account, "sends_mail": self._sends_mail})

    @post("/app/account/name", form=NameForm, page="show", transaction=WRITE)
    async def change_name(self, request: PageRequest[None, NameForm], tx: WriteTransaction) -> Redirect:
        """Change the name."""
        await self._accounts.change_profile(tx, request.caller.user_id, name=request.form.name)
        return Redirect(_PATH, notice=request.text("Your name is changed."))

    @post("/app/account/address", form=AddressForm, page="show")
    async def change_address(self, request: PageRequest[None, AddressForm]) -> Redirect:
        """Ask for another address; what is shown does not tell whether it is taken."""
        form = request.form
        try:
            await self._own_address.ask(
                request.caller.user_id, password=form.address_password, email=form.new_email, client=request.client
            )
        except Invalid as error:
            if error.fields[0].field != "current_password":
                raise
            raise Invalid.field("address_password", error.fields[0].message) from error
        return Redirect(_PATH, notice=request.text("A mail with a link is on its way to the new address."))

    @post("/app/account/password", form=PasswordForm, page="show")
    async def change_password(self, request: PageRequest[None, PasswordForm]) -> Redirect:
        """Change the password, which ends all sessions, also this one."""
        form = request.form
        if form.new_password != form.repeated_password:
            raise Invalid.field("repeated_password", "is not the same as above")
        await self._sign_in.change_password(
            request.caller.user_id, current=form.current_password, new=form.new_password, client=request.client
        )
        self._sessions.end(request.scope)
        return Redirect("/app/sign-in", notice=request.text("Your password is changed. Sign in with the new one."))
