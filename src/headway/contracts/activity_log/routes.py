"""The routes of the activity log."""

from typing import ClassVar

from headway.audit.model import AuditEntry
from headway.contracts.activity_log import mapping, wire
from headway.contracts.activity_log.errors import render_error
from headway.db.database import ReadTransaction, WriteTransaction
from headway.http.contract import Contract
from headway.http.pages import Pages
from headway.http.problems import status_of
from headway.http.request import READ, READ_LARGE, Request, Response
from headway.http.routes import get, make_router, post
from headway.services import Services
from headway.settings import Settings

PREFIX = "/api/v1/activities"


def make(services: Services, settings: Settings) -> Contract:
    """Make the contract."""
    groups = [ActivityRoutes(services, settings)]
    return Contract(
        prefixes=(PREFIX,),
        router=make_router(PREFIX, "Activity log", groups, transactions=services.transactions, settings=settings),
        status_of=status_of,
        render_error=render_error,
        error_schema=wire.LogFailure,
        error_statuses=(400, 401, 404, 409, 413, 415, 422, 500, 503),
    )


class ActivityRoutes:
    """Log, list and read activities."""

    path_types: ClassVar = {"activity_id": wire.EntryId}

    def __init__(self, services: Services, settings: Settings) -> None:
        self._log = services.audit_log
        self._max_metadata_bytes = settings.max_event_bytes
        self._pages = Pages(services.paging, settings)

    @post("/", body=wire.ActivityBody, responses={201: wire.One[wire.Activity]}, idempotent=True)
    async def create(self, request: Request[None, wire.ActivityBody]) -> Response:
        """Log an activity. Any actor can be named; the response says who logged it and whether the actor is verified."""
        draft = mapping.entry_draft(request.body, max_bytes=self._max_metadata_bytes)

        if request.idempotency_key is None:
            return _created(await self._log.record(request.caller, draft, request.client))

        async def record(tx: WriteTransaction) -> Response:
            return _created(await self._log.record_in(tx, request.caller, draft, request.client))

        return await request.transact(record)

    @get("/", query=wire.ActivitiesQuery, responses={200: wire.Page[list[wire.Activity]]}, transaction=READ_LARGE)
    async def list_activities(self, request: Request[wire.ActivitiesQuery, None], tx: ReadTransaction) -> Response:
        """List activities, the newest first: all for administrators, for others those they did or logged."""
        walk = self._pages.walk(request)
        found = await self._log.read(tx, request.caller, mapping.entry_filter(request.query), walk)
        data = [mapping.activity(each) for each in found]
        return Response(200, wire.Page(data=data, next_cursor=walk.next_cursor, message="Activities retrieved successfully"))

    @get("/{activity_id:str}", responses={200: wire.One[wire.Activity]}, transaction=READ)
    async def read(self, request: Request[None, None], tx: ReadTransaction) -> Response:
        """Read an activity that the list shows to the caller."""
        entry = await self._log.find(tx, request.caller, mapping.entry_id(request.path["activity_id"]))
        return Response(200, wire.One(data=mapping.activity(entry), message="Activity retrieved successfully"))


def _created(entry: AuditEntry) -> Response:
    return Response(201, wire.One(data=mapping.activity(entry), message="Activity created successfully"))
