"""What an erasure takes from messages: their texts. The rows stay, with the ids of both people."""

from sqlalchemy import BindParameter, and_, bindparam, func, select, update

from headway.db.database import WriteTransaction
from headway.db.personal_keys import PERSONAL
from headway.db.types import Id
from headway.messaging.tables import conversations, messages

_of_user: BindParameter[int] = bindparam("of_user", type_=Id)
_peers = select(conversations.c.peer_id).where(conversations.c.user_id == _of_user)
_count = select(func.count().label("count")).select_from(messages).where(messages.c.user_id == _of_user)
# Those under the keys of both become unreadable with the one that is destroyed.
_is_older = and_(messages.c.message.not_like(PERSONAL), messages.c.message != "")
_own = update(messages).where(messages.c.user_id == _of_user, _is_older).values(message="")
_copies = update(messages).where(messages.c.user_id.in_(_peers), messages.c.peer_id == _of_user, _is_older).values(message="")


async def erase(tx: WriteTransaction, user_id: int) -> dict[str, int]:
    """Remove the messages of a user that are not under personal keys, with both of their people; count all."""
    await tx.run(_own, of_user=user_id)
    await tx.run(_copies, of_user=user_id)
    return {"messages": int((await tx.one(_count, of_user=user_id))["count"])}


async def list_peers(tx: WriteTransaction, user_id: int) -> list[int]:
    """Return those with whom a user has a conversation."""
    return sorted(row["peer_id"] for row in await tx.all(_peers, of_user=user_id))
