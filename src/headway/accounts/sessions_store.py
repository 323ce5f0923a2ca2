"""Sign-ins as rows."""

import msgspec
from sqlalchemy import bindparam, delete, insert, select, tuple_, update

from headway.accounts.model import StoredSession, TokenUse
from headway.accounts.tables import sessions
from headway.db.database import ReadTransaction, WriteTransaction
from headway.instants import Instant

_insert = insert(sessions).values(
    user_id=bindparam("user_id"),
    id=bindparam("session_id"),
    token_version=bindparam("token_version"),
    generation=1,
    replaced="[]",
    created_at=bindparam("now"),
    expires_at=bindparam("until"),
)
_this = (sessions.c.user_id == bindparam("of_user"), sessions.c.id == bindparam("session_id"))
_lock = (
    select(
        sessions.c.token_version,
        sessions.c.generation,
        sessions.c.replaced,
        sessions.c.created_at,
        sessions.c.expires_at,
        sessions.c.ended_at,
    )
    .where(*_this)
    .with_for_update()
)
_rotate = (
    update(sessions)
    .where(*_this)
    .values(generation=bindparam("next"), replaced=bindparam("used"), expires_at=bindparam("until"))
)
_end = update(sessions).where(*_this, sessions.c.ended_at.is_(None)).values(ended_at=bindparam("now"))
_expired = (
    select(sessions.c.user_id, sessions.c.id)
    .where(sessions.c.expires_at < bindparam("now"))
    .limit(100)
    .with_for_update(skip_locked=True)
)
_delete_expired = delete(sessions).where(tuple_(sessions.c.user_id, sessions.c.id).in_(_expired))
_ended_since = select(sessions.c.id).where(sessions.c.ended_at > bindparam("since"))


async def insert_session(
    tx: WriteTransaction, *, user_id: int, session_id: str, token_version: int, expires_at: Instant, now: Instant
) -> None:
    """Store a new sign-in, of generation 1."""
    await tx.run(_insert, user_id=user_id, session_id=session_id, token_version=token_version, now=now, until=expires_at)


async def lock(tx: WriteTransaction, user_id: int, session_id: str) -> StoredSession | None:
    """Lock and read a sign-in."""
    row = await tx.first(_lock, of_user=user_id, session_id=session_id)
    if row is None:
        return None
    replaced = msgspec.json.decode(row["replaced"], type=list[TokenUse])
    times = row["created_at"], row["expires_at"], row["ended_at"]
    return StoredSession(row["token_version"], row["generation"], replaced, *times)


async def rotate(tx: WriteTransaction, user_id: int, session_id: str, session: StoredSession) -> None:
    """Overwrite the generation, with what it replaced, and the time at which it expires."""
    used = msgspec.json.encode(session.replaced).decode()
    await tx.run(_rotate, of_user=user_id, session_id=session_id, next=session.generation, used=used, until=session.expires_at)


async def end(tx: WriteTransaction, user_id: int, session_id: str, now: Instant) -> bool:
    """End a sign-in; False if it had ended or never was."""
    return await tx.run(_end, of_user=user_id, session_id=session_id, now=now) > 0


async def delete_expired(tx: WriteTransaction, now: Instant) -> None:
    """Delete some of the sign-ins that have expired."""
    await tx.run(_delete_expired, now=now)


async def ended_since(tx: ReadTransaction, since: Instant) -> frozenset[str]:
    """Return the ids of the sign-ins that were ended after an instant."""
    return frozenset(row["id"] for row in await tx.all(_ended_since, since=since))
