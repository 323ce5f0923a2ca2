"""Forgets messages by their age, with both of their users."""

from typing import Any

from sqlalchemy import bindparam, delete, exists, func, select, tuple_, update

from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.forgetting import Forgotten, Found
from headway.db.types import Id
from headway.instants import Instant
from headway.messaging.tables import conversations, messages

_AT_ONCE = 20
_is_old = messages.c.created_at < bindparam("before", type_=messages.c.created_at.type)
# Each message is there twice.
_old = select(
    func.count().label("number"),
    func.min(messages.c.created_at).label("oldest"),
    func.max(messages.c.created_at).label("newest"),
).where(_is_old, messages.c.user_id < messages.c.peer_id)
_of_both = (messages.c.user_id == conversations.c.user_id, messages.c.peer_id == conversations.c.peer_id)
_oldest = (
    select(messages.c.created_at).where(*_of_both).order_by(messages.c.id).limit(1).correlate(conversations).scalar_subquery()
)
_pairs = (
    select(conversations.c.user_id, conversations.c.peer_id, _oldest.label("oldest"))
    .where(
        conversations.c.user_id < conversations.c.peer_id,
        tuple_(conversations.c.user_id, conversations.c.peer_id)
        > tuple_(bindparam("after_user", type_=Id), bindparam("after_peer", type_=Id)),
    )
    .order_by(conversations.c.user_id, conversations.c.peer_id)
    .limit(_AT_ONCE)
)
_side = (conversations.c.user_id == bindparam("of_user"), conversations.c.peer_id == bindparam("with_peer"))
_copies = (messages.c.user_id == bindparam("of_user"), messages.c.peer_id == bindparam("with_peer"))
_lock = select(conversations.c.unread).where(*_side).with_for_update()
_delete = delete(messages).where(*_copies, _is_old)
_delete_empty = delete(conversations).where(*_side, ~exists(select(messages.c.id).where(*_copies)))
_last_id = select(func.max(messages.c.id)).where(*_copies).scalar_subquery()
_last_at = select(func.max(messages.c.created_at)).where(*_copies).scalar_subquery()
_unread = (
    select(func.count())
    .where(*_copies, messages.c.sender_id == bindparam("with_peer"), messages.c.is_read.is_(False))
    .scalar_subquery()
)
_recount = update(conversations).where(*_side).values(last_message_id=_last_id, last_message_at=_last_at, unread=_unread)


class OldMessages:
    """Messages, and conversations of which none is left."""

    name = "messages"

    async def find(self, tx: ReadTransaction, before: Instant) -> Found:
        """Count the messages of before an instant."""
        return Found(*await tx.one(_old, before=before))

    async def forget(self, tx: WriteTransaction, before: Instant, place: Any | None) -> Forgotten:
        """Delete the old messages of some pairs of users, with both; what is unread, and the last message, follow."""
        after_user, after_peer = place or (0, 0)
        pairs = await tx.all(_pairs, after_user=after_user, after_peer=after_peer)
        count = 0
        for user_id, peer_id, oldest in pairs:
            if oldest is None or oldest < before:
                count += await _forget_between(tx, user_id, peer_id, before)
        last = (pairs[-1]["user_id"], pairs[-1]["peer_id"]) if len(pairs) == _AT_ONCE else None
        return Forgotten(count, last)


async def _forget_between(tx: WriteTransaction, user_id: int, peer_id: int, before: Instant) -> int:
    sides = [{"of_user": user_id, "with_peer": peer_id}, {"of_user": peer_id, "with_peer": user_id}]
    for side in sides:
        await tx.all(_lock, **side)
    count = 0
    for side in sides:
        count = await tx.run(_delete, **side, before=before)
        await tx.run(_delete_empty, **side)
        await tx.run(_recount, **side)
    return count
