"""The API keys of service accounts, for administrators."""

from typing import Annotated

import msgspec
from msgspec import Meta

from headway.accounts.model import MAX_NAME
from headway.db.database import ReadTransaction, WriteTransaction
from headway.errors import NotFound
from headway.http.params import UNKNOWN_ID, parse_id
from headway.http.request import READ_LARGE, WRITE
from headway.identity import Scope
from headway.paging.model import MAX_LENGTH
from headway.services import Services
from headway.web.page_routes import Page, PageRequest, Redirect, get, post

_PATH = "/app/admin/keys"
_LIMIT = 50


class KeysQuery(msgspec.Struct):
    """The place in the list."""

    cursor: Annotated[str, Meta(max_length=MAX_LENGTH)] | None = None


class NewKeyForm(msgspec.Struct):
    """An API key to create; without an account, a service account with its name is created."""

    name: Annotated[str, Meta(max_length=MAX_NAME)]
    scopes: list[Scope]
    user_id: Annotated[int, Meta(ge=1)] | None = None


class AdminKeysPages:
    """The list of API keys, and the page that shows a new one."""

    def __init__(self, services: Services) -> None:
        self._keys = services.api_keys
        self._paging = services.paging

    @get(_PATH, query=KeysQuery, transaction=READ_LARGE)
    async def show(self, request: PageRequest[KeysQuery, None], tx: ReadTransaction) -> Page:
        """List the keys, the newest first."""
        cursor = None if request.query is None else request.query.cursor
        walk = self._paging.walk(request.caller.user_id, ("admin keys",), cursor=cursor, page=1, limit=_LIMIT)
        found, total = await self._keys.list_for(tx, request.caller, walk)
        return Page("admin/keys.html", {"keys": found, "total": total, "next": walk.next_cursor, "scopes": list(Scope)})

    @post(_PATH, form=NewKeyForm, page="show", transaction=WRITE)
    async def create(self, request: PageRequest[None, NewKeyForm], tx: WriteTransaction) -> Page:
        """Create a key and show it, this once: no redirection could, without keeping it somewhere."""
        form = request.form
        key, text = await self._keys.create_for(
            tx, request.caller, form.name, form.scopes, user_id=form.user_id, client=request.client
        )
        return Page("admin/new_key.html", {"key": key, "text": text})

    @post(f"{_PATH}/{{key_id:str}}/revoke", page="show", transaction=WRITE)
    async def revoke(self, request: PageRequest[None, None], tx: WriteTransaction) -> Redirect:
        """Revoke a key."""
        key_id = parse_id(request.path["key_id"])
        if key_id == UNKNOWN_ID:
            raise NotFound("There is no such API key.", code="API_KEY_NOT_FOUND")
        await self._keys.revoke_for(tx, request.caller, key_id, client=request.client)
        return Redirect(_PATH, notice=request.text("The key is revoked."))
