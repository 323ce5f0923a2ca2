"""Erasing a person, and the receipts of all erasures, for administrators."""

from typing import Annotated

import msgspec
from msgspec import Meta

from headway.accounts.model import MAX_EMAIL, Operator
from headway.db.database import ReadTransaction
from headway.http.params import parse_id
from headway.http.request import READ, READ_LARGE
from headway.paging.model import MAX_LENGTH
from headway.privacy.erasure import ErasureRequest, Findings, Reason
from headway.services import Services
from headway.web.page_routes import Download, Page, PageRequest, Redirect, get, post

_PATH = "/app/admin/erasures"
_USER = "/app/admin/users/{user_id:str}/erase"
_LIMIT = 50


class ErasuresQuery(msgspec.Struct):
    """The place in the list."""

    cursor: Annotated[str, Meta(max_length=MAX_LENGTH)] | None = None


class ErasureForm(msgspec.Struct):
    """Why, and the id or the address of the account again."""

    reason: Reason
    confirmation: Annotated[str, Meta(max_length=MAX_EMAIL)]


class AdminErasuresPages:
    """The form of an erasure, the list of receipts, and each receipt."""

    def __init__(self, services: Services) -> None:
        self._administration = services.administration
        self._erasure = services.erasure
        self._paging = services.paging

    @get(_USER, transaction=READ)
    async def ask(self, request: PageRequest[None, None], tx: ReadTransaction) -> Page:
        """Show what an erasure does, with a form that asks for the account again."""
        found = await self._administration.find(tx, request.caller, parse_id(request.path["user_id"]))
        return Page("admin/erase.html", {"person": found.account.user, "reasons": list(Reason)})

    @post(_USER, form=ErasureForm, page="ask")
    async def erase(self, request: PageRequest[None, ErasureForm]) -> Redirect:
        """Erase the person, and show the receipt."""
        caller, client = request.caller, request.client
        wanted = ErasureRequest(parse_id(request.path["user_id"]), request.form.reason, request.form.confirmation.strip())

        async def prepare(tx: ReadTransaction) -> Findings:
            return await self._erasure.prepare(tx, caller, wanted)

        found = await request.read_large(prepare)
        async with request.write() as tx:
            made = await self._erasure.erase(tx, wanted, found, Operator(caller, client))
        return Redirect(f"{_PATH}/{made.id}", notice=request.text("The person is erased."))

    @get(_PATH, query=ErasuresQuery, transaction=READ_LARGE)
    async def show(self, request: PageRequest[ErasuresQuery, None], tx: ReadTransaction) -> Page:
        """List the erasures, the newest first."""
        walk = self._paging.walk(request.caller.user_id, ("admin erasures",), cursor=request.query.cursor, page=1, limit=_LIMIT)
        found, total = await self._erasure.list_erasures(tx, request.caller, walk)
        return Page("admin/erasures.html", {"erasures": found, "total": total, "next": walk.next_cursor})

    @get(f"{_PATH}/{{erasure_id:str}}", transaction=READ)
    async def show_one(self, request: PageRequest[None, None], tx: ReadTransaction) -> Page:
        """Show a receipt."""
        found = await self._erasure.find(tx, request.caller, parse_id(request.path["erasure_id"]))
        return Page("admin/erasure.html", {"erasure": found, "receipt": found.signed.receipt})

    @get(f"{_PATH}/{{erasure_id:str}}/receipt.json", transaction=READ)
    async def download(self, request: PageRequest[None, None], tx: ReadTransaction) -> Download:
        """Download a receipt, as `headway erasure verify` reads it."""
        found = await self._erasure.find(tx, request.caller, parse_id(request.path["erasure_id"]))
        content = msgspec.json.format(msgspec.json.encode(found.signed))
        return Download(f"erasure-{found.id}.json", content, "application/json")
