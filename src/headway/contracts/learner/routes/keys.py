"""API keys of service accounts."""

from headway.contracts.learner import key_mapping, key_wire, mapping, wire
from headway.db.database import ReadTransaction, WriteTransaction
from headway.http.pages import Pages
from headway.http.params import parse_id
from headway.http.request import READ_LARGE, WRITE, Request, Response
from headway.http.routes import delete, get, post
from headway.services import Services


class KeyRoutes:
    """Create, list and revoke API keys."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._keys = services.api_keys
        self._pages = pages

    # Not idempotent: a response with a secret is not stored.
    @post("/keys", body=key_wire.KeyBody, responses={201: wire.One[key_wire.NewKey]}, transaction=WRITE)
    async def create(self, request: Request[None, key_wire.KeyBody], tx: WriteTransaction) -> Response:
        """Create an API key of a service account: for administrators. Its text is in this response alone."""
        body = request.body
        user_id = None if body.user_id is None else parse_id(body.user_id)
        key, text = await self._keys.create_for(
            tx, request.caller, body.name, body.scopes, user_id=user_id, client=request.client
        )
        return Response(201, wire.One(data=key_mapping.new_key(key, text)))

    @get("/keys", query=wire.PageQuery, responses={200: wire.Many[key_wire.ListedKey]}, transaction=READ_LARGE)
    async def list_keys(self, request: Request[wire.PageQuery, None], tx: ReadTransaction) -> Response:
        """List the API keys, the newest first, revoked ones too: for administrators."""
        walk = self._pages.walk(request)
        found, total = await self._keys.list_for(tx, request.caller, walk)
        return Response(200, mapping.many([key_mapping.listed_key(each) for each in found], walk, total))

    @delete("/keys/{key_id:str}", responses={204: ()}, transaction=WRITE)
    async def revoke(self, request: Request[None, None], tx: WriteTransaction) -> Response:
        """Revoke an API key for ever: for administrators. A key that was revoked stays so."""
        await self._keys.revoke_for(tx, request.caller, parse_id(request.path["key_id"]), client=request.client)
        return Response(204)
