"""Who was shown whose record."""

from headway.contracts.learner import disclosure_mapping, disclosure_wire, mapping, wire
from headway.db.database import ReadTransaction
from headway.http.pages import Pages
from headway.http.request import READ_LARGE, Request, Response
from headway.http.routes import get
from headway.services import Services


class DisclosureRoutes:
    """Read the disclosure log."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._disclosed = services.disclosed
        self._pages = pages

    @get(
        "/learner/me/disclosures",
        query=wire.PageQuery,
        responses={200: wire.Many[disclosure_wire.Disclosure]},
        transaction=READ_LARGE,
    )
    async def list_own(self, request: Request[wire.PageQuery, None], tx: ReadTransaction) -> Response:
        """List who was shown one's own records, the newest first: also those of all learners of one's courses."""
        walk = self._pages.walk(request)
        found, total = await self._disclosed.list_own(tx, request.caller, walk)
        return Response(200, mapping.many([disclosure_mapping.disclosure(each) for each in found], walk, total))

    @get(
        "/disclosures",
        query=disclosure_wire.DisclosuresQuery,
        responses={200: wire.Many[disclosure_wire.Disclosure]},
        transaction=READ_LARGE,
    )
    async def list_all(self, request: Request[disclosure_wire.DisclosuresQuery, None], tx: ReadTransaction) -> Response:
        """List what was shown to whom, the newest first: for administrators."""
        chosen = disclosure_mapping.disclosure_filter(request.query)
        walk = self._pages.walk(request)
        found, total = await self._disclosed.list_for(tx, request.caller, chosen, walk)
        return Response(200, mapping.many([disclosure_mapping.disclosure(each) for each in found], walk, total))
