"""What an erasure takes from stored responses: the person's own, and those of others that tell of the person."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import bindparam, delete, select, tuple_

from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.dialects import UpdateRows
from headway.db.keyring import WrongKeyError
from headway.db.personal_keys import reader
from headway.idempotency.tables import idempotency_keys
from headway.instants import Instant

_AT_ONCE = 500
_keys = idempotency_keys.c
_own = delete(idempotency_keys).where(_keys.user_id == bindparam("of_user"))
_page = (
    select(_keys.user_id, _keys.key, _keys.answer)
    .where(
        _keys.created_at >= bindparam("since", type_=_keys.created_at.type),
        tuple_(_keys.user_id, _keys.key) > tuple_(bindparam("after_user", type_=_keys.user_id.type), bindparam("after_key")),
    )
    .order_by(_keys.user_id, _keys.key)
    .limit(_AT_ONCE)
)
_blank = UpdateRows(idempotency_keys, ["answer"])


async def find_responses(tx: ReadTransaction, tells_of: Callable[[str], bool], *, since: Instant) -> list[tuple[int, str]]:
    """Find the responses stored since an instant that tell of a person: all of them are decrypted."""
    found: list[tuple[int, str]] = []
    after: tuple[int, str] = (-1, "")
    while page := await tx.all(_page, after_user=after[0], after_key=after[1], since=since):
        personal = await reader(tx, [row["answer"] for row in page])
        found += [(row["user_id"], row["key"]) for row in page if _tells(personal, row["answer"], tells_of)]
        after = page[-1]["user_id"], page[-1]["key"]
    return found


async def erase(tx: WriteTransaction, user_id: int, others: list[tuple[int, str]]) -> dict[str, int]:
    """Delete the responses to a user, and empty those of others: whoever repeats such a request is told so."""
    own = await tx.run(_own, of_user=user_id)
    await tx.write_rows((_blank, [("", *key) for key in others if key[0] != user_id]))
    return {"storedResponses": own + sum(key[0] != user_id for key in others)}


def _tells(personal: Any, token: str, tells_of: Callable[[str], bool]) -> bool:
    try:
        text = personal.read(token)
    except WrongKeyError:
        return False
    return text is not None and tells_of(text)
