"""Rosters: who learns and teaches what, as another system says in a file."""

from headway.contracts.learner import import_mapping, import_wire, wire
from headway.http.request import Request, Response
from headway.http.routes import post
from headway.identity import Scope
from headway.rosters.model import Options
from headway.rosters.reading import Reading
from headway.rosters.uploads import UPLOADED_TYPES, UploadedRosters
from headway.services import Services
from headway.settings import Settings


class RosterFileRoutes:
    """Import rosters."""

    def __init__(self, services: Services, settings: Settings) -> None:
        self._uploads = UploadedRosters(services.rosters, services.clock, max_rows=settings.max_roster_rows)

    @post(
        "/rosters",
        query=import_wire.ImportQuery,
        media_types=UPLOADED_TYPES,
        max_body_bytes=lambda settings: settings.max_roster_bytes,
        responses={200: wire.One[import_wire.RosterReport]},
        scope=Scope.ROSTER_WRITE,
    )
    async def run(self, request: Request[import_wire.ImportQuery, None]) -> Response:
        """Import a roster, or tell with `dryRun=true` what that would change: for administrators and services.

        The body is a zip of OneRoster files, or a CSV file. A repetition changes nothing.
        """
        query = request.query
        reading = Reading(query.source, query.mode, query.course)
        options = Options(request.caller, request.client, is_dry_run=query.dry_run, allows_drops=query.allow_drops)
        report = await self._uploads.run("roster", request.raw_body, reading, options)
        return Response(200, wire.One(data=import_mapping.report(report)))
