"""Exports of everything that is known of a person."""

from typing import Any

from headway.http.params import parse_id
from headway.http.request import Request
from headway.http.routes import get
from headway.http.streams import Streamed
from headway.privacy.export import MEDIA_TYPE, file_name
from headway.services import Services


class PersonalExportRoutes:
    """Export what is known of a person."""

    def __init__(self, services: Services) -> None:
        self._exports = services.personal_exports

    @get("/learner/me/export", responses={}, streams=(MEDIA_TYPE,))
    async def export_own(self, request: Request[None, None]) -> Streamed:
        """Export everything that is known of the caller.

        A zip archive of JSON files, with a readable `index.html` in the language of `Accept-Language`, and a `manifest.json`
        that names the files with their SHA-256. The export is recorded in the audit log.
        """
        return self._streamed(request, request.caller.user_id)

    @get("/users/{user_id:str}/export", responses={}, streams=(MEDIA_TYPE,))
    async def export(self, request: Request[None, None]) -> Streamed:
        """Export everything that is known of a person: for administrators.

        As the export of one's own data, with the notes of staff about the person.
        """
        return self._streamed(request, parse_id(request.path["user_id"]))

    def _streamed(self, request: Request[Any, Any], user_id: int) -> Streamed:
        render = self._exports.renderer(request.accept_language)
        parts = self._exports.file(request.read_large, request.caller, user_id, render, client=request.client)
        return Streamed(file_name(user_id, self._exports.now()), MEDIA_TYPE, parts, is_compressed=True)
