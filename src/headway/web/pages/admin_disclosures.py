"""The disclosure log, for administrators: who was shown whose record."""

from typing import Annotated

from msgspec import Meta

from headway.csv_files import csv_of
from headway.db.database import ReadTransaction
from headway.disclosures.model import EVERYBODY, NO_COURSE, DisclosureFilter
from headway.http.params import parse_id
from headway.http.request import READ_LARGE
from headway.identity import NOBODY, Channel
from headway.instants import iso
from headway.paging.model import MAX_LENGTH
from headway.paging.service import Walk
from headway.privacy.disclosures import NamedDisclosure
from headway.services import Services
from headway.web.page_routes import Download, Page, PageRequest, get
from headway.web.periods import Period
from headway.web.texts import Viewer

_PATH = "/app/admin/disclosures"
_LIMIT = 50
MOST_ROWS = 10_000
"""Of a CSV file."""
_NO_USER = -1


class DisclosuresQuery(Period):
    """The filters of the log, and the place in it."""

    learner: Annotated[str, Meta(max_length=20)] | None = None
    """An id."""
    reader: Annotated[str, Meta(max_length=20)] | None = None
    """An id."""
    cursor: Annotated[str, Meta(max_length=MAX_LENGTH)] | None = None


class AdminDisclosuresPages:
    """The list of disclosures."""

    def __init__(self, services: Services) -> None:
        self._disclosed = services.disclosed
        self._paging = services.paging
        self._is_kept = services.disclosures.is_kept

    @get(_PATH, query=DisclosuresQuery, transaction=READ_LARGE)
    async def show(self, request: PageRequest[DisclosuresQuery, None], tx: ReadTransaction) -> Page:
        """List what was shown to whom, the newest first."""
        chosen, cursor = _filter(request), request.query.cursor
        walk = self._paging.walk(request.caller.user_id, ("disclosures", *chosen), cursor=cursor, page=1, limit=_LIMIT)
        found, total = await self._disclosed.list_for(tx, request.caller, chosen, walk)
        context = {
            "disclosures": found,
            "total": total,
            "next": walk.next_cursor,
            "is_kept": self._is_kept,
            "most_rows": MOST_ROWS,
            "webhook": Channel.WEBHOOK,
        }
        return Page("admin/disclosures.html", context)

    @get(f"{_PATH}.csv", query=DisclosuresQuery, transaction=READ_LARGE)
    async def download(self, request: PageRequest[DisclosuresQuery, None], tx: ReadTransaction) -> Download:
        """Download the newest ones that match, `MOST_ROWS` at the most."""
        found, _ = await self._disclosed.list_for(tx, request.caller, _filter(request), Walk(MOST_ROWS, 1))
        return Download("disclosures.csv", csv_of(_header(request.viewer), map(_row, found)))


def _filter(request: PageRequest[DisclosuresQuery, None]) -> DisclosureFilter:
    query = request.query
    return DisclosureFilter(_user_id(query.learner), _user_id(query.reader), *query.bounds(request.viewer))


def _user_id(text: str | None) -> int | None:
    return None if text is None else parse_id(text) or _NO_USER


def _header(viewer: Viewer) -> list[str]:
    text = viewer.text
    return [
        *(text("Id of the reader"), text("Reader"), text("Role"), text("How"), text("Id of the learner"), text("Learner")),
        *(text("What"), text("Id of the course"), text("Course"), text("First"), text("Last"), text("Times that day")),
    ]


def _row(named: NamedDisclosure) -> tuple[object, ...]:
    row, shown = named.disclosure, named.disclosure.disclosed
    return (
        *(None if shown.reader_id == NOBODY else shown.reader_id, named.reader, shown.role.value, shown.channel.value),
        *(None if shown.learner_id == EVERYBODY else shown.learner_id, named.learner, shown.kind.value),
        *(None if shown.course_id == NO_COURSE else shown.course_id, named.course),
        *(iso(row.first_at), iso(row.last_at), row.times),
    )
