"""Going over to another key: everything that is encrypted is encrypted anew, beside running servers."""

import secrets
from collections.abc import Callable

import msgspec

from headway.accounts import users_store as users
from headway.audit.model import Target, TargetType
from headway.audit.recorder import Action, AuditRecorder
from headway.db import index_keys
from headway.db.database import Database
from headway.encrypted import TEXTS

Advance = Callable[[int, int], None]
"""Told the number of texts that are done and of all texts."""


class Rotated(msgspec.Struct, frozen=True):
    """How many texts are encrypted with the first key now."""

    texts: int


async def rotate_keys(database: Database, audit: AuditRecorder, *, advance: Advance = lambda _done, _all: None) -> Rotated:
    """Encrypt everything with the first key, find addresses under a new one, and sign the log with the first key.

    Servers must have been given the new key before, as the first of their keys. Done again after it was cut off, it goes on:
    what the first key wrote already is left as it is. Raises Unavailable, WrongKeyError.
    """
    key = secrets.token_urlsafe(32)
    async with database.read() as tx:
        await index_keys.prove(tx)
        hashes = await users.hash_addresses(tx, key)
    async with database.write() as tx:
        await users.find_addresses_under(tx, key, hashes)
    async with database.read() as tx:
        total = sum([await texts.count(tx) for texts in TEXTS])
    done = 0
    for texts in TEXTS:
        async for count in texts.rotate(database):
            done += count
            advance(min(done, total), total)
    async with database.write() as tx:
        await audit.by_operator(tx, Action.ROTATE_KEYS, Target(TargetType.SYSTEM), metadata={"texts": done})
    return Rotated(done)
