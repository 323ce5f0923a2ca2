"""What an erasure takes from messages: their texts. The rows stay, with the ids of both people."""

from sqlalchemy import BindParameter, bindparam, func, select

from headway.db.database import WriteTransaction
from headway.db.dialects import UpdateRows
from headway.db.personal_keys import PERSONAL
from headway.db.types import Id
from headway.messaging.tables import conversations, messages

_of_user: BindParameter[int] = bindparam("of_user", type_=Id)
_peers = select(conversations.c.peer_id).where(conversations.c.user_id == _of_user)
_count = select(func.count().label("count")).select_from(messages).where(messages.c.user_id == _of_user)
# Those under the keys of both become unreadable with the one that is destroyed.
_older = select(messages.c.peer_id, messages.c.id).where(
    messages.c.user_id == _of_user, messages.c.message.not_like(PERSONAL), messages.c.message != ""
)
_blank = UpdateRows(messages, ["message"])


async def erase(tx: WriteTransaction, user_id: int) -> dict[str, int]:
    """Remove the messages of a user that are not under personal keys, with both of their people; count all."""
    older = [(row["peer_id"], row["id"]) for row in await tx.all(_older, of_user=user_id)]
    copies = [side for peer_id, key in older for side in ((user_id, peer_id, key), (peer_id, user_id, key))]
    await tx.write_rows((_blank, [("", *side) for side in sorted(copies)]))
    return {"messages": int((await tx.one(_count, of_user=user_id))["count"])}


async def list_peers(tx: WriteTransaction, user_id: int) -> list[int]:
    """Return those with whom a user has a conversation."""
    return sorted(row["peer_id"] for row in await tx.all(_peers, of_user=user_id))
