"""Erasing people, and the receipts of it."""

from headway.accounts.model import Operator
from headway.contracts.learner import erasure_mapping, erasure_wire, mapping, wire
from headway.db.database import ReadTransaction, WriteTransaction
from headway.http.pages import Pages
from headway.http.params import parse_id
from headway.http.request import READ, READ_LARGE, Request, Response
from headway.http.routes import get, post
from headway.privacy.erasure import ErasureRequest, Findings
from headway.services import Services


class ErasureRoutes:
    """Erase people, and list and read the receipts: for administrators."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._erasure = services.erasure
        self._pages = pages

    @post(
        "/users/{user_id:str}/erasure",
        body=erasure_wire.ErasureBody,
        responses={201: wire.One[erasure_wire.Erasure]},
        idempotent=True,
    )
    async def erase(self, request: Request[None, erasure_wire.ErasureBody]) -> Response:
        """Erase a person for ever: for administrators. Progress and study time stay under the id.

        Name, address, external id, password, messages, feedback, notes and what clients wrote beside events cannot be read any
        more, by nobody. The response is a signed receipt; repeating the request returns the same one.
        """
        body = request.body
        wanted = ErasureRequest(parse_id(request.path["user_id"]), body.reason, body.confirmation)

        async def prepare(tx: ReadTransaction) -> Findings:
            return await self._erasure.prepare(tx, request.caller, wanted)

        found = await request.read_large(prepare)

        async def erase(tx: WriteTransaction) -> Response:
            made = await self._erasure.erase(tx, wanted, found, Operator(request.caller, request.client))
            return Response(201, wire.One(data=erasure_mapping.erasure(made)))

        return await request.transact(erase)

    @get("/erasures", query=wire.PageQuery, responses={200: wire.Many[erasure_wire.Erasure]}, transaction=READ_LARGE)
    async def list_erasures(self, request: Request[wire.PageQuery, None], tx: ReadTransaction) -> Response:
        """List the erasures with their receipts, the newest first: for administrators."""
        walk = self._pages.walk(request)
        found, total = await self._erasure.list_erasures(tx, request.caller, walk)
        return Response(200, mapping.many([erasure_mapping.erasure(each) for each in found], walk, total))

    @get("/erasures/key", responses={200: wire.One[erasure_wire.ReceiptKey]}, transaction=READ)
    async def read_key(self, request: Request[None, None], tx: ReadTransaction) -> Response:
        """Read the key that verifies receipts: for administrators. It is made with the first receipt, and stays the same."""
        key = await self._erasure.public_key(tx, request.caller)
        return Response(200, wire.One(data=erasure_wire.ReceiptKey(algorithm="Ed25519", public_key=key)))

    @get("/erasures/{erasure_id:str}", responses={200: wire.One[erasure_wire.Erasure]}, transaction=READ)
    async def read(self, request: Request[None, None], tx: ReadTransaction) -> Response:
        """Read an erasure with its receipt: for administrators."""
        found = await self._erasure.find(tx, request.caller, parse_id(request.path["erasure_id"]))
        return Response(200, wire.One(data=erasure_mapping.erasure(found)))
