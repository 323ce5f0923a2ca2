"""Messages and conversations as rows: each of the two users has a copy of everything."""

from collections.abc import Sequence

from sqlalchemy import Integer, Text, and_, bindparam, func, select, true, update

from headway.accounts.tables import users
from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import WriteRows, insert, rows
from headway.db.index_keys import encrypting
from headway.db.types import Id
from headway.messaging.model import Conversation, Message
from headway.messaging.tables import conversations, messages

_insert = WriteRows(messages, ["user_id", "peer_id", "id", "sender_id", "message", "is_read", "created_at"])
_sides = rows(
    "sides",
    {
        "user_id": Id,
        "peer_id": Id,
        "last_message_id": Text(),
        "last_message_at": conversations.c.last_message_at.type,
        "unread": Integer(),
    },
)
_new_conversations = insert(conversations).from_select(
    [column.name for column in _sides.c],
    # The condition keeps SQLite from reading ON CONFLICT as the beginning of a join.
    select(*_sides.c).where(true()).order_by(_sides.c.user_id),
)
_touch_conversations = _new_conversations.on_conflict_do_update(
    index_elements=["user_id", "peer_id"],
    set_={
        "last_message_id": _new_conversations.excluded.last_message_id,
        "last_message_at": _new_conversations.excluded.last_message_at,
        "unread": conversations.c.unread + _new_conversations.excluded.unread,
    },
)
_columns = [messages.c[name] for name in ("user_id", "peer_id", "id", "sender_id", "message", "is_read", "created_at")]
_of_user = messages.c.user_id == bindparam("of_user")
_with_peer = messages.c.peer_id == bindparam("with_peer")
_by_id = select(*_columns).where(_of_user, messages.c.id == bindparam("message_id"))
_page = select(*_columns).where(_of_user).order_by(messages.c.id.desc()).limit(bindparam("limit")).offset(bindparam("offset"))
_page_with = _page.where(_with_peer)
_count = select(func.count().label("total")).select_from(messages).where(_of_user)
_count_with = _count.where(_with_peer)
_own = conversations.c.user_id == bindparam("of_user")
_newest = (
    # The page is cut before anything is joined to it.
    select(conversations)
    .where(_own)
    .order_by(conversations.c.last_message_id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
    .subquery("newest")
)
_conversations = (
    select(_newest.c.unread.label("unread"), users.c.name.label("peer_name"), *_columns)
    .select_from(_newest)
    .join(users, users.c.id == _newest.c.peer_id)
    .join(
        messages,
        and_(
            messages.c.user_id == _newest.c.user_id,
            messages.c.peer_id == _newest.c.peer_id,
            messages.c.id == _newest.c.last_message_id,
        ),
    )
    .order_by(_newest.c.last_message_id.desc())
)
_totals = select(func.count().label("total"), func.coalesce(func.sum(conversations.c.unread), 0).label("unread")).where(_own)
_lock_conversation = (
    select(conversations.c.unread).where(_own, conversations.c.peer_id == bindparam("with_peer")).with_for_update()
)
_is_unread_to_user = and_(messages.c.sender_id == bindparam("with_peer"), messages.c.is_read.is_(False))
_mark = update(messages).where(_of_user, _with_peer, _is_unread_to_user).values(is_read=True)
_mark_one = _mark.where(messages.c.id == bindparam("message_id"))
_seen_by_peer = (
    update(messages)
    .where(
        messages.c.user_id == bindparam("with_peer"),
        messages.c.peer_id == bindparam("of_user"),
        messages.c.sender_id == bindparam("with_peer"),
        messages.c.is_read.is_(False),
    )
    .values(is_read=True)
)
_seen_one_by_peer = _seen_by_peer.where(messages.c.id == bindparam("message_id"))
_count_down = (
    update(conversations)
    .where(_own, conversations.c.peer_id == bindparam("with_peer"))
    .values(unread=conversations.c.unread - bindparam("count", type_=Integer()))
)


async def insert_message(tx: WriteTransaction, message: Message) -> None:
    """Store a new message with both users, and count it as unread with the receiver."""
    m = message
    sides = sorted([(m.sender_id, m.receiver_id), (m.receiver_id, m.sender_id)])
    await tx.all(
        _touch_conversations, sides=[(user, peer, m.id, m.created_at, int(user == m.receiver_id)) for user, peer in sides]
    )
    text = (await encrypting(tx)).encrypt(m.message)
    await tx.write_rows((_insert, [(user, peer, m.id, m.sender_id, text, m.is_read, m.created_at) for user, peer in sides]))


async def find(tx: ReadTransaction, user_id: int, message_id: str) -> Message | None:
    """Look up a message that a user sent or received."""
    row = await tx.first(_by_id, of_user=user_id, message_id=message_id)
    return None if row is None else _message(tx, row)


async def list_messages(
    tx: ReadTransaction, user_id: int, *, peer_id: int | None, limit: int, offset: int
) -> tuple[list[Message], int]:
    """Read a page of a user's messages, of one conversation or all, the newest first, and how many there are."""
    params = {"of_user": user_id} if peer_id is None else {"of_user": user_id, "with_peer": peer_id}
    page, count = (_page, _count) if peer_id is None else (_page_with, _count_with)
    found = [_message(tx, row) for row in await tx.all(page, **params, limit=limit, offset=offset)]
    return found, (await tx.one(count, **params))["total"]


async def list_conversations(
    tx: ReadTransaction, user_id: int, *, limit: int, offset: int
) -> tuple[list[Conversation], int, int]:
    """Read a page of a user's conversations, the newest first; how many there are, and how much is unread in all."""
    found = [
        Conversation(row["peer_id"], row["peer_name"], _message(tx, row), row["unread"])
        for row in await tx.all(_conversations, of_user=user_id, limit=limit, offset=offset)
    ]
    totals = await tx.one(_totals, of_user=user_id)
    return found, totals["total"], int(totals["unread"])


async def mark_read(tx: WriteTransaction, user_id: int, peer_id: int, message_id: str | None = None) -> int:
    """Mark one message from a peer, or all, as read in the copies of both users; return how many were unread."""
    params: dict[str, int | str] = {"of_user": user_id, "with_peer": peer_id}
    await tx.all(_lock_conversation, **params)
    if message_id is None:
        count = await tx.run(_mark, **params)
        await tx.run(_seen_by_peer, **params)
    else:
        count = await tx.run(_mark_one, **params, message_id=message_id)
        await tx.run(_seen_one_by_peer, **params, message_id=message_id)
    await tx.run(_count_down, **params, count=count)
    return count


def _message(tx: ReadTransaction, row: Row) -> Message:
    user_id, peer_id, sender_id = row["user_id"], row["peer_id"], row["sender_id"]
    receiver_id = peer_id if sender_id == user_id else user_id
    return Message(
        row["id"], sender_id, receiver_id, tx.keyring.decrypt(row["message"]), bool(row["is_read"]), row["created_at"]
    )


_is_unread = and_(
    messages.c.user_id == conversations.c.user_id,
    messages.c.peer_id == conversations.c.peer_id,
    messages.c.sender_id == conversations.c.peer_id,
    messages.c.is_read.is_(False),
)
_unread = (
    select(conversations.c.user_id, conversations.c.peer_id, conversations.c.unread, func.count(messages.c.id).label("count"))
    .outerjoin(messages, _is_unread)
    .group_by(conversations.c.user_id, conversations.c.peer_id, conversations.c.unread)
    .having(conversations.c.unread != func.count(messages.c.id))
    .order_by(conversations.c.user_id, conversations.c.peer_id)
)


async def find_wrong_unread(tx: ReadTransaction) -> Sequence[Row]:
    """Find the conversations whose stored number of unread messages is not their count: user_id, peer_id, unread, count."""
    return await tx.all(_unread)
