"""The rows of stored responses."""

from sqlalchemy import bindparam, select
from sqlalchemy import insert as insert_into

from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.dialects import delete_before
from headway.db.personal_keys import reader, texts_for
from headway.errors import Conflict
from headway.idempotency.model import RequestKey, StoredResponse
from headway.idempotency.tables import idempotency_keys
from headway.instants import Instant

_keys = idempotency_keys.c
_find = select(_keys.request, _keys.status, _keys.answer).where(
    _keys.user_id == bindparam("user_id"), _keys.key == bindparam("key")
)
_insert = insert_into(idempotency_keys).values(
    {name: bindparam(name) for name in ("user_id", "key", "request", "status", "answer", "created_at")}
)
_delete_old = delete_before(_keys.created_at)


async def find(tx: ReadTransaction, user_id: int, key: str) -> tuple[str, StoredResponse] | None:
    """Return the hash of the request that first carried a user's key, with the response to it.

    Raises Conflict RESPONSE_ERASED.
    """
    row = await tx.first(_find, user_id=user_id, key=key)
    if row is None:
        return None
    body = (await reader(tx, [row["answer"]])).read(row["answer"])
    if body is None:
        message = "The response to this request was erased with a person whom it named."
        raise Conflict(message, code="RESPONSE_ERASED")
    return row["request"], StoredResponse(row["status"], body)


async def insert(tx: WriteTransaction, key: RequestKey, response: StoredResponse, now: Instant) -> None:
    """Store a response under a key that has none."""
    answer = (await texts_for(tx, (key.user_id,))).encrypt(response.body, (key.user_id,))
    await tx.run(_insert, **key._asdict(), status=response.status, answer=answer, created_at=now)


async def delete_older(tx: WriteTransaction, before: Instant) -> None:
    """Delete up to 100 of the responses stored before an instant."""
    await tx.run(_delete_old, before=before)
