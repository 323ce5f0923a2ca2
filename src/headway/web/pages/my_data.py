"""My data: what is stored about oneself, how long, and a copy of it; for administrators, a copy of anybody's."""

import msgspec

from headway.accounts.administration import require_admin
from headway.http.params import parse_id
from headway.http.streams import Streamed
from headway.privacy.export import MEDIA_TYPE, file_name
from headway.services import Services
from headway.settings import Settings
from headway.web.export_page import ReadableExports
from headway.web.page_routes import Page, PageRequest, get, post

_PATH = "/app/account/data"


class DownloadForm(msgspec.Struct):
    """The button alone."""


class MyDataPages:
    """The page of one's own data."""

    def __init__(self, services: Services, settings: Settings, readable: ReadableExports) -> None:
        self._exports = services.personal_exports
        self._settings = settings
        self._readable = readable

    @get(_PATH)
    async def show(self, request: PageRequest[None, None]) -> Page:
        """Show what is stored."""
        settings = self._settings
        return Page(
            "account/data.html",
            {
                "contact": settings.privacy_contact,
                "told_days": settings.webhook_kept_days,
                "gives_staff_notes": settings.export_staff_notes,
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
