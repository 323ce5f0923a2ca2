"""My data: what is stored about oneself, how long, and a copy of it; for administrators, a copy of anybody's."""

from typing import Annotated

import msgspec
from msgspec import Meta

from headway.accounts.administration import require_admin
from headway.db.database import ReadTransaction
from headway.http.params import parse_id
from headway.http.request import READ_LARGE
from headway.http.streams import Streamed
from headway.identity import NOBODY
from headway.paging.model import MAX_LENGTH
from headway.privacy.export import MEDIA_TYPE, file_name
from headway.services import Services
from headway.settings import Settings
from headway.web.export_page import ReadableExports
from headway.web.page_routes import Page, PageRequest, get, post

_PATH = "/app/account/data"
_LIMIT = 20


class DataQuery(msgspec.Struct):
    """The place in the list of those who have seen the record."""

    cursor: Annotated[str, Meta(max_length=MAX_LENGTH)] | None = None


class DownloadForm(msgspec.Struct):
    """The button alone."""


class MyDataPages:
    """The page of one's own data."""

    def __init__(self, services: Services, settings: Settings, readable: ReadableExports) -> None:
        self._exports = services.personal_exports
        self._disclosed = services.disclosed
        self._paging = services.paging
        self._settings = settings
        self._readable = readable

    @get(_PATH, query=DataQuery, transaction=READ_LARGE)
    async def show(self, request: PageRequest[DataQuery, None], tx: ReadTransaction) -> Page:
        """Show what is stored, and who has seen it."""
        settings, caller, cursor = self._settings, request.caller, request.query.cursor
        walk = self._paging.walk(caller.user_id, ("own disclosures",), cursor=cursor, page=1, limit=_LIMIT)
        disclosures, total = await self._disclosed.list_own(tx, caller, walk)
        return Page(
            "account/data.html",
            {
                "contact": settings.privacy_contact,
                "days": {
                    "told": settings.webhook_kept_days,
                    "mails": settings.mail_kept_days,
                    "events": settings.retention_events_days,
                    "messages": settings.retention_messages_days,
                    "audit": settings.retention_audit_days,
                    "disclosures": settings.retention_disclosures_days,
                },
                "gives_staff_notes": settings.export_staff_notes,
                "has_disclosure_log": settings.disclosure_log,
                "disclosures": disclosures,
                "total": total,
                "next": walk.next_cursor,
                "nobody": NOBODY,
            },
        )

    @post("/app/account/data/export", form=DownloadForm, page="show")
    async def export(self, request: PageRequest[None, DownloadForm]) -> Streamed:
        """Send a copy of everything."""
        return self._streamed(request, request.caller.user_id)

    @post("/app/admin/users/{user_id:str}/export", form=DownloadForm)
    async def export_anybodys(self, request: PageRequest[None, DownloadForm]) -> Streamed:
        """Send an administrator a copy of everything that is known of a person."""
        async with request.read() as tx:
            await require_admin(tx, request.caller)
        return self._streamed(request, parse_id(request.path["user_id"]))

    def _streamed(self, request: PageRequest[None, DownloadForm], user_id: int) -> Streamed:
        render = self._readable.for_viewer(request.viewer)
        parts = self._exports.file(request.read_large, request.caller, user_id, render, client=request.client)
        return Streamed(file_name(user_id, self._exports.now()), MEDIA_TYPE, parts, is_compressed=True)
