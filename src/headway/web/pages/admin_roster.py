"""Rosters: upload a file, look at what it would change, and apply it."""

import hashlib
from typing import Annotated

import msgspec
from msgspec import Meta

from headway.accounts.administration import require_admin
from headway.bounded_cache import BoundedCache
from headway.db.database import ReadTransaction
from headway.errors import Invalid
from headway.http.request import READ
from headway.instants import MINUTE, Instant
from headway.rosters.model import MAX_SOURCE, Mode, Options, Report
from headway.rosters.reading import Reading
from headway.rosters.uploads import UploadedRosters
from headway.services import Services
from headway.settings import Settings
from headway.web.page_routes import Page, PageRequest, get, post

_PATH = "/app/admin/roster"
_KEPT = 15 * MINUTE
_KEPT_BYTES = 20_000_000
_SHOWN_ROWS = 200
"""How many changes of each kind the page lists."""
_GONE = "is no longer kept: choose it again"


class RosterForm(msgspec.Struct):
    """How a roster is read; the file comes beside it, or was uploaded before and is named by its digest."""

    digest: Annotated[str, Meta(max_length=64)] | None = None
    source: Annotated[str, Meta(max_length=MAX_SOURCE)] | None = None
    mode: Mode | None = None
    course: Annotated[str, Meta(max_length=500)] | None = None
    allow_drops: bool = False


class AdminRosterPages:
    """The upload of rosters.

    What is uploaded is kept in memory for a quarter of an hour, for who uploaded it, until it is applied. Another server
    process, or one that was restarted, asks for the file again.
    """

    def __init__(self, services: Services, settings: Settings) -> None:
        self._uploads = UploadedRosters(services.rosters, services.clock, max_rows=settings.max_roster_rows)
        self._clock = services.clock
        self._kept: BoundedCache[tuple[int, str], tuple[str, bytes, Instant]] = BoundedCache(
            _KEPT_BYTES, lambda _key, kept: len(kept[1]) + 200
        )

    @get(_PATH, transaction=READ)
    async def show(self, request: PageRequest[None, None], tx: ReadTransaction) -> Page:
        """Show the form."""
        await require_admin(tx, request.caller)
        return Page("admin/roster.html", {"report": None})

    @post(_PATH, form=RosterForm, takes_file=True, page="show")
    async def compare(self, request: PageRequest[None, RosterForm]) -> Page:
        """Show what a roster would change."""
        form = request.form
        await self._require_admin(request)
        if request.file is None or not request.file.content:
            raise Invalid.field("file", "is required")
        name, content = request.file
        report = await self._run(request, name, content, is_dry_run=True)
        digest = hashlib.sha256(content).hexdigest()
        self._kept.put((request.caller.user_id, digest), (name, content, self._clock() + _KEPT))
        context = {"report": report, "digest": digest, "name": name, "form": form, "shown_rows": _SHOWN_ROWS}
        return Page("admin/roster.html", context)

    @post(f"{_PATH}/apply", form=RosterForm, page="show")
    async def apply(self, request: PageRequest[None, RosterForm]) -> Page:
        """Apply a roster that was compared before, and show what that changed."""
        await self._require_admin(request)
        key = (request.caller.user_id, request.form.digest or "")
        kept = self._kept.get(key)
        if kept is None or kept[2] < self._clock():
            raise Invalid.field("file", _GONE)
        report = await self._run(request, kept[0], kept[1], is_dry_run=False)
        self._kept.discard(key)
        return Page("admin/roster.html", {"report": report, "name": kept[0], "shown_rows": _SHOWN_ROWS})

    async def _run(self, request: PageRequest[None, RosterForm], name: str, content: bytes, *, is_dry_run: bool) -> Report:
        form = request.form
        reading = Reading(form.source, form.mode, form.course)
        options = Options(request.caller, request.client, is_dry_run=is_dry_run, allows_drops=form.allow_drops)
        return await self._uploads.run(name, content, reading, options)

    @staticmethod
    async def _require_admin(request: PageRequest[None, RosterForm]) -> None:
        async with request.read() as tx:
            await require_admin(tx, request.caller)
