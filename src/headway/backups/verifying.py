"""What is verified of a copy: that its pages fit, that these are its keys, and what `verify` and `audit verify` report."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from headway.audit.chain import ChainHead
from headway.audit.verify import verify_log
from headway.backups.model import VerifiedCopy
from headway.db.database import Database
from headway.db.keyring import Keyring
from headway.db.sqlite import SqliteDatabase
from headway.services import make_checks
from headway.settings import Settings
from headway.verify import Verify


class Look(NamedTuple):
    """How a copy is looked at."""

    is_quick: bool = False
    """Leave out what recomputes the data."""
    archives_folder: Path | None = None
    """Where archived events are, if not where they were written."""


@asynccontextmanager
async def open_copy(copy: Path, settings: Settings) -> AsyncIterator[Database]:
    """Open a file that nobody changes, with the present keys, to read it within the block. Raises Unavailable."""
    database = SqliteDatabase(copy, Keyring.present(settings), timeout_seconds=settings.database_timeout_seconds, is_copy=True)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def verify_data(database: Database, look: Look) -> tuple[VerifiedCopy, ChainHead | None]:
    """Verify the data of an open copy that has this version's schema; return what was found and the head of its log.

    Raises WrongKeyError, Unavailable, OperatorError.
    """
    if look.is_quick:
        return VerifiedCopy(integrity="quick"), None
    async with database.read() as tx:
        log = await verify_log(tx, kept_head=None)
    found = await Verify(database, make_checks(archives_folder=look.archives_folder)).run()
    verified = VerifiedCopy(integrity="full", differences=len(found.differences), audit_faults=len(log.faults))
    return verified, log.head
