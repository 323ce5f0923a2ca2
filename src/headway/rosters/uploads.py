"""Rosters that are uploaded: their size is bounded, and they are read beside the event loop."""

import asyncio

from headway.errors import Forbidden
from headway.identity import Caller
from headway.instants import Clock
from headway.rosters.model import Options, Report
from headway.rosters.reading import Reading, open_upload
from headway.rosters.service import Rosters

UPLOADED_TYPES = ("text/csv", "application/zip")


class UploadedRosters:
    """Imports what callers upload; `Rosters` says how. An upload is as small as one request can import."""

    def __init__(self, rosters: Rosters, clock: Clock, *, max_rows: int) -> None:
        self._rosters = rosters
        self._clock = clock
        self._max_rows = max_rows

    async def run(self, name: str, content: bytes, reading: Reading, options: Options) -> Report:
        """Import the content of an uploaded file, or with a dry run tell what that would change. Raises as `Rosters.run`."""
        require_importer(options.caller)
        roster = await asyncio.to_thread(open_upload, name, content, reading, self._clock)
        return await self._rosters.run(roster, options._replace(max_rows=self._max_rows, owner_id=_owner_of(options.caller)))


def require_importer(caller: Caller | None) -> None:
    """Check that a caller may import rosters. Raises Forbidden."""
    if caller is None or not caller.role.sees_all:
        raise Forbidden("Only administrators and services import rosters.")


def _owner_of(caller: Caller | None) -> int | None:
    """Return who owns new courses that have no teacher: an administrator who imports."""
    return caller.user_id if caller is not None and caller.role.can_teach else None
