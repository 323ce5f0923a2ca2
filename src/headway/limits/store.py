"""Rate limits as rows: the times of the counted requests under each key."""

import msgspec
from sqlalchemy import bindparam, update

from headway.db.database import WriteTransaction
from headway.db.dialects import delete_before, insert
from headway.instants import Instant
from headway.limits.tables import rate_limits

_insert = insert(rate_limits).values(key=bindparam("key"), times="[]", expires_at=bindparam("now"))
# The update changes nothing: it locks the row, so that it cannot be deleted before it is read.
_lock = _insert.on_conflict_do_update(index_elements=["key"], set_={"expires_at": rate_limits.c.expires_at}).returning(
    rate_limits.c.times
)
_update = (
    update(rate_limits)
    .where(rate_limits.c.key == bindparam("locked_key"))
    .values(times=bindparam("new_times"), expires_at=bindparam("until"))
)
_delete_expired = delete_before(rate_limits.c.expires_at)


def stored_key(tx: WriteTransaction, key: str) -> str:
    """Return the stored form of a key, a keyed hash: the key may name an e-mail address."""
    return tx.keyring.sign(key)


async def lock_times(tx: WriteTransaction, key: str, now: Instant) -> list[Instant]:
    """Lock a stored key until the transaction ends and return its times. Lock several keys in ascending order."""
    times: list[Instant] = msgspec.json.decode((await tx.one(_lock, key=key, now=now))["times"])
    return times


async def set_times(tx: WriteTransaction, key: str, times: list[Instant], *, expires_at: Instant) -> None:
    """Overwrite the times of a locked key; after `expires_at` they may be deleted."""
    await tx.run(_update, locked_key=key, new_times=msgspec.json.encode(times).decode(), until=expires_at)


async def delete_expired(tx: WriteTransaction, now: Instant) -> None:
    """Delete up to 100 expired keys. Call it last: it takes locks out of order, and skips keys that are locked."""
    await tx.run(_delete_expired, before=now)
