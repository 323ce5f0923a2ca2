"""Tries that are limited, as rows: the times of the last ones under each key."""

import msgspec
from sqlalchemy import bindparam, delete, select, update

from headway.db.database import WriteTransaction
from headway.db.dialects import insert
from headway.instants import Instant
from headway.limits.tables import rate_limits

_insert = insert(rate_limits).values(key=bindparam("key"), times="[]", expires_at=bindparam("now"))
# The update changes nothing: it locks the row, so that it cannot be deleted before it is read.
_lock = _insert.on_conflict_do_update(index_elements=["key"], set_={"expires_at": rate_limits.c.expires_at}).returning(
    rate_limits.c.times
)
_update = (
    update(rate_limits)
    .where(rate_limits.c.key == bindparam("wanted"))
    .values(times=bindparam("new_times"), expires_at=bindparam("until"))
)
_expired = (
    select(rate_limits.c.key).where(rate_limits.c.expires_at < bindparam("now")).limit(100).with_for_update(skip_locked=True)
)
_delete_expired = delete(rate_limits).where(rate_limits.c.key.in_(_expired))


def stored_key(tx: WriteTransaction, key: str) -> str:
    """Give the form in which a key is stored: it may name an address, which is nobody's to read."""
    return tx.keyring.sign(key)


async def lock_times(tx: WriteTransaction, key: str, now: Instant) -> list[Instant]:
    """Lock a stored key until the transaction ends and give its times; they must be locked in ascending order."""
    times: list[Instant] = msgspec.json.decode((await tx.one(_lock, key=key, now=now))["times"])
    return times


async def set_times(tx: WriteTransaction, key: str, times: list[Instant], *, expires_at: Instant) -> None:
    """Overwrite the times of a locked key; after `expires_at` they no longer matter."""
    await tx.run(_update, wanted=key, new_times=msgspec.json.encode(times).decode(), until=expires_at)


async def delete_expired(tx: WriteTransaction, now: Instant) -> None:
    """Delete some of those that no longer matter; this comes last: who waits for them meanwhile is not to be waited for."""
    await tx.run(_delete_expired, now=now)
