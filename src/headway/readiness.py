"""Whether the server can serve requests: its database has the right schema and keys, and commits a write."""

import asyncio
import time

from headway import schema
from headway.db import revisions
from headway.db.database import Database
from headway.db.keyring import WrongKeyError
from headway.errors import Unavailable

_FRESH_SECONDS = 2.0
"""What was found holds for this time: however often anybody asks, the database writes a few pages in it."""


class Readiness:
    """What keeps the server from serving. Whoever asks while the database is looked at gets the answer of that look."""

    def __init__(self, database: Database, *, version: str) -> None:
        self._database = database
        self._version = version
        self._look: asyncio.Task[str | None] | None = None
        self._looked_at = 0.0

    async def fault(self) -> str | None:
        """Return why the server cannot serve requests, or None if it can."""
        if self._look is None or (self._look.done() and time.monotonic() - self._looked_at >= _FRESH_SECONDS):
            self._look = asyncio.create_task(self._find_fault(), name="readiness")
        # Whoever gives up waiting does not end the look for the others.
        return await asyncio.shield(self._look)

    async def _find_fault(self) -> str | None:
        try:
            return await self._prove()
        finally:
            self._looked_at = time.monotonic()

    async def _prove(self) -> str | None:
        try:
            if not await schema.is_current(self._database, self._version):
                return "the database has another schema version"
        except WrongKeyError:
            return "the database has other keys"
        except Unavailable:
            return "the database does not respond"
        try:
            async with self._database.write() as tx:
                await revisions.prove_write(tx)
        except Unavailable:
            return "the database cannot be written"
        return None
