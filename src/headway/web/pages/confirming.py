"""Proving addresses: of a registration, and of one's own new address."""

from typing import Annotated

import msgspec
from msgspec import Meta

from headway.accounts.link_model import MAX_TOKEN
from headway.accounts.model import MAX_EMAIL
from headway.db.database import WriteTransaction
from headway.http.request import WRITE
from headway.services import Services
from headway.web.page_routes import Page, PageRequest, Redirect, get, post

_REGISTRATION, _ADDRESS, _UNVERIFIED = "/app/confirm-registration", "/app/confirm-address", "/app/verification"


class TokenForm(msgspec.Struct):
    """A link, or what stands after its `#`."""

    token: Annotated[str, Meta(max_length=MAX_TOKEN)]


class AgainForm(msgspec.Struct):
    """The address that was registered."""

    email: Annotated[str, Meta(max_length=4 * MAX_EMAIL)]


class ConfirmingPages:
    """Takes the links of mails. A GET uses nothing up: the button does."""

    def __init__(self, services: Services) -> None:
        self._registering = services.registering
        self._own_address = services.own_address

    @get(_UNVERIFIED, public=True)
    async def show_unverified(self, request: PageRequest[None, None]) -> Page:
        """Show where the link is, and how to get another one."""
        del request
        return Page("account/unverified.html")

    @post(_UNVERIFIED, form=AgainForm, page="show_unverified", public=True)
    async def ask_again(self, request: PageRequest[None, AgainForm]) -> Redirect:
        """Ask for another mail; what is shown then is the same for every address."""
        await self._registering.ask_again(request.form.email, request.client)
        return Redirect(_UNVERIFIED, notice=request.text("If this address was registered, another mail is on its way."))

    @get(_REGISTRATION, public=True)
    async def show_registration(self, request: PageRequest[None, None]) -> Page:
        """Show the button that confirms a registration."""
        del request
        return Page("account/confirm.html", {"action": _REGISTRATION})

    @post(_REGISTRATION, form=TokenForm, page="show_registration", public=True, transaction=WRITE)
    async def confirm_registration(self, request: PageRequest[None, TokenForm], tx: WriteTransaction) -> Redirect:
        """Create the account."""
        await self._registering.confirm(tx, request.form.token, request.client)
        return Redirect("/app/sign-in", notice=request.text("Your account is ready. Sign in."))

    @get(_ADDRESS, public=True)
    async def show_address(self, request: PageRequest[None, None]) -> Page:
        """Show the button that confirms a new address."""
        del request
        return Page("account/confirm.html", {"action": _ADDRESS})

    @post(_ADDRESS, form=TokenForm, page="show_address", public=True, transaction=WRITE)
    async def confirm_address(self, request: PageRequest[None, TokenForm], tx: WriteTransaction) -> Redirect:
        """Change the address."""
        await self._own_address.confirm(tx, request.form.token, request.client)
        return Redirect("/app/account", notice=request.text("Your address is changed. Sign in with it from now on."))
