"""Erasures that a restored backup knows nothing of: they are read from the database that it replaces, and repeated."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from headway import schema
from headway.accounts import store as users
from headway.db import sqlite
from headway.db.database import Database
from headway.db.keyring import Keyring
from headway.errors import HeadwayError, OperatorError
from headway.instants import Instant
from headway.paging.service import Slice
from headway.privacy import receipts_store
from headway.privacy.erasure import ErasureRequest, Reason
from headway.privacy.receipts import Receipt
from headway.services import Services
from headway.settings import Settings

_AT_ONCE = 500


class RepeatedErasures(msgspec.Struct, frozen=True):
    """The accounts that were erased after a backup began, by id."""

    again: list[str]
    """Erased again in the restored database."""
    left: list[str]
    """Not erased again, with the reason."""


class Erased(NamedTuple):
    """Somebody who was erased. An account is the same one if it has the id and the time at which it was created."""

    receipt: Receipt
    created_at: Instant


async def read_erased(settings: Settings) -> list[Erased] | None:
    """Read who was erased in a database, the first one first; None if it cannot be read.

    That is so without one, if it is damaged, or has other keys or the schema of another version.
    """
    if not sqlite.is_there(settings.sqlite_path):
        return None
    database = schema.database(settings, for_commands=True, keyring=Keyring.present(settings))
    try:
        await database.open()
        try:
            return await _read(database)
        finally:
            await database.close()
    except (HeadwayError, OperatorError):
        return None


async def _read(database: Database) -> list[Erased] | None:
    if await schema.version_of(database) != schema.head():
        return None
    found: list[Erased] = []
    part = Slice(_AT_ONCE)
    async with database.read() as tx:
        while page := (await receipts_store.list_page(tx, part))[0]:
            for each in page:
                account = await users.find_account(tx, int(each.signed.receipt.user_id))
                if account is not None:
                    found.append(Erased(each.signed.receipt, account.created_at))
            part = Slice(_AT_ONCE, after=page[-1].id)
    return found[::-1]


async def repeat_erasures(settings: Settings, database: Database, erased: Sequence[Erased]) -> RepeatedErasures:
    """Erase again in a restored database who was erased in the one that it replaces, if the account is in it."""
    again, left = [], []
    services = Services(settings, database)
    try:
        for each in erased:
            try:
                if await _erase(services, each):
                    again.append(each.receipt.user_id)
            except HeadwayError as error:
                left.append(f"{each.receipt.user_id}: {error}")
    finally:
        await services.close()
    return RepeatedErasures(again, left)


async def _erase(services: Services, erased: Erased) -> bool:
    """Erase somebody again; return False if the account is not there, is another one, or is erased already."""
    receipt = erased.receipt
    user_id = int(receipt.user_id)
    wanted = ErasureRequest(user_id, Reason(receipt.reason), receipt.user_id)
    async with services.database.read() as tx:
        account = await users.find_account(tx, user_id)
        if account is None or account.created_at != erased.created_at or account.user.erased_at is not None:
            return False
        found = await services.erasure.prepare(tx, None, wanted)
    async with services.database.write() as tx:
        await services.erasure.erase(tx, wanted, found)
    return True
