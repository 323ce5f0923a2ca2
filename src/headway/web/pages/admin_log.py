"""The audit log, for administrators: who did what to what, and whether the log is as it was written."""

from typing import Annotated

import msgspec
from msgspec import Meta

from headway.accounts.administration import require_admin
from headway.accounts.model import MAX_EMAIL
from headway.audit.model import Action, AuditEntry, EntryFilter, TargetType
from headway.csv_files import csv_of
from headway.db.database import ReadTransaction
from headway.http.request import READ_LARGE
from headway.instants import iso
from headway.paging.model import MAX_LENGTH
from headway.paging.service import Walk
from headway.services import Services
from headway.web.page_routes import Download, Page, PageRequest, Redirect, get, post
from headway.web.periods import Period
from headway.web.texts import Viewer

_PATH = "/app/admin/log"
_LIMIT = 50
MOST_ROWS = 10_000
"""Of a CSV file: each entry has to be decrypted."""
_LONGEST_ACTION = 100
_NOBODY = "ext:"
"""The name of no account."""


class LogQuery(Period):
    """The filters of the log, and the place in it."""

    action: Annotated[str, Meta(max_length=_LONGEST_ACTION)] | None = None
    person: Annotated[str, Meta(max_length=MAX_EMAIL + 10)] | None = None
    """An id, an address, or an external id."""
    target_type: TargetType | None = None
    target_id: Annotated[str, Meta(max_length=MAX_EMAIL + 10)] | None = None
    cursor: Annotated[str, Meta(max_length=MAX_LENGTH)] | None = None


class AdminLogPages:
    """The list of entries, and the verification of their chain."""

    def __init__(self, services: Services) -> None:
        self._log = services.audit_log
        self._verification = services.log_verification
        self._administration = services.administration
        self._paging = services.paging

    @get(_PATH, query=LogQuery, transaction=READ_LARGE)
    async def show(self, request: PageRequest[LogQuery, None], tx: ReadTransaction) -> Page:
        """List the entries that match, the newest first."""
        query, caller = request.query, request.caller
        entry_filter = await self._filter(request, tx)
        walk = self._paging.walk(caller.user_id, ("admin log", *entry_filter), cursor=query.cursor, page=1, limit=_LIMIT)
        entries = await self._log.read(tx, caller, entry_filter, walk)
        context = {
            "entries": entries,
            "next": walk.next_cursor,
            "chain": await self._verification.state(tx),
            "actions": sorted(action.value for action in Action),
            "target_types": list(TargetType),
            "most_rows": MOST_ROWS,
        }
        return Page("admin/log.html", context)

    @get(f"{_PATH}.csv", query=LogQuery, transaction=READ_LARGE)
    async def download(self, request: PageRequest[LogQuery, None], tx: ReadTransaction) -> Download:
        """Download the newest entries that match, `MOST_ROWS` at the most."""
        entries = await self._log.read(tx, request.caller, await self._filter(request, tx), Walk(MOST_ROWS, 1))
        return Download("audit-log.csv", csv_of(_header(request.viewer), (_row(request.viewer, each) for each in entries)))

    @post(f"{_PATH}/verify", page="show")
    async def verify(self, request: PageRequest[None, None]) -> Redirect:
        """Begin to verify the whole log."""
        async with request.read() as tx:
            await require_admin(tx, request.caller)
        await self._verification.start()
        return Redirect(_PATH, notice=request.text("The log is being verified. This page shows when it is done."))

    async def _filter(self, request: PageRequest[LogQuery, None], tx: ReadTransaction) -> EntryFilter:
        """Return the filter of a request. Raises Forbidden; Invalid naming the days."""
        query, caller = request.query, request.caller
        await require_admin(tx, caller)
        since, until = query.bounds(request.viewer)
        person = query.person
        if person is not None and "@" in person:
            user = await self._administration.find_by_email(tx, caller, person)
            person = _NOBODY if user is None else str(user.id)
        return EntryFilter(
            action=query.action,
            actor_ids=None if person is None else [person],
            target_type=query.target_type,
            target_ids=None if query.target_id is None or query.target_type is None else [query.target_id],
            since=since,
            until=until,
        )


def _header(viewer: Viewer) -> list[str]:
    text = viewer.text
    return [
        *(text("No."), text("Id"), text("When"), text("Action"), text("Status"), text("Id of the person"), text("Person")),
        *(text("Verified"), text("Recorded by"), text("Kind of target"), text("Id of the target"), text("Target")),
        *(text("Address"), text("Details")),
    ]


def _row(viewer: Viewer, entry: AuditEntry) -> tuple[object, ...]:
    actor, target = entry.actor, entry.target
    return (
        *(entry.seq, entry.id, iso(entry.performed_at), entry.action, entry.status.value, actor.user_id, actor.name),
        viewer.text("yes") if entry.is_actor_verified else viewer.text("no"),
        *(entry.recorded_by, target.type.value, target.id, target.name),
        None if entry.client is None else entry.client.address,
        msgspec.json.encode(entry.metadata).decode() if entry.metadata else None,
    )
