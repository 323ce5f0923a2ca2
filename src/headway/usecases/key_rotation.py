"""Going over to another key: everything that is encrypted is encrypted anew, beside running servers."""

from collections.abc import Callable

import msgspec

from headway.domain.audit import Target, TargetType
from headway.storage import users
from headway.storage.database import Database
from headway.storage.encrypted import TEXTS
from headway.usecases.journal import Action, Journal

Advance = Callable[[int, int], None]
"""Told the number of texts that are done and of all texts."""


class Rotated(msgspec.Struct, frozen=True):
    """How many texts are encrypted with the first key now."""

    texts: int


async def rotate_keys(database: Database, journal: Journal, *, advance: Advance = lambda _done, _all: None) -> Rotated:
    """Encrypt everything with the first key, find addresses under a new one, and sign the log with the first key.

    Servers must have been given the new key before, as the first of their keys. Done again after it was cut off, it goes on:
    what the first key wrote already is left as it is. Raises Unavailable, WrongKeyError.
    """
    async with database.write() as tx:
        await users.hash_addresses_anew(tx)
    async with database.read() as tx:
        total = sum([await texts.count(tx) for texts in TEXTS])
    done = 0
    for texts in TEXTS:
        async for count in texts.rotate(database):
            done += count
            advance(min(done, total), total)
    async with database.write() as tx:
        await journal.by_operator(tx, Action.ROTATE_KEYS, Target(TargetType.SYSTEM), metadata={"texts": done})
    return Rotated(done)
