"""Answers that are given again, as rows."""

from sqlalchemy import bindparam, delete, insert, select, tuple_

from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.index_keys import encrypting
from headway.idempotency.model import StoredResponse
from headway.idempotency.tables import idempotency_keys
from headway.instants import Instant

_keys = idempotency_keys.c
_find = select(_keys.request, _keys.status, _keys.answer).where(
    _keys.user_id == bindparam("user_id"), _keys.key == bindparam("key")
)
_insert = insert(idempotency_keys).values(
    {name: bindparam(name) for name in ("user_id", "key", "request", "status", "answer", "created_at")}
)
_old = (
    select(_keys.user_id, _keys.key).where(_keys.created_at < bindparam("before")).limit(100).with_for_update(skip_locked=True)
)
_delete_old = delete(idempotency_keys).where(tuple_(_keys.user_id, _keys.key).in_(_old))


async def find(tx: ReadTransaction, user_id: int, key: str) -> StoredResponse | None:
    """Give the answer that is kept under a user's key."""
    row = await tx.first(_find, user_id=user_id, key=key)
    return None if row is None else StoredResponse(row["request"], row["status"], tx.keyring.decrypt(row["answer"]))


async def keep(tx: WriteTransaction, user_id: int, key: str, answer: StoredResponse, now: Instant) -> None:
    """Keep an answer under a user's key, which must be new."""
    given = {"request": answer.request, "status": answer.status, "answer": (await encrypting(tx)).encrypt(answer.body)}
    await tx.run(_insert, user_id=user_id, key=key, **given, created_at=now)


async def delete_older(tx: WriteTransaction, before: Instant) -> None:
    """Delete some of the answers that were kept before an instant."""
    await tx.run(_delete_old, before=before)
