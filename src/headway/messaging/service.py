"""Peers, and the messages between them."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from headway.db.database import ReadTransaction, WriteTransaction
from headway.errors import Forbidden, NotFound
from headway.feed import store as feed
from headway.feed.model import MessageSent, MessagesRead, new_entries, user_topic
from headway.ids import NewId
from headway.instants import Clock
from headway.messaging import store as messages
from headway.messaging.model import Conversation, Correspondent, Message, Peer, check_message
from headway.paging.service import Moving, Walk
from headway.verify import Difference, Findings


class Conversations(NamedTuple):
    """Some of a user's conversations, how many there are, and how many messages are unread in all of them."""

    conversations: list[Conversation]
    total: int
    unread: int


class Messaging:
    """The peers, messages and conversations of a user."""

    def __init__(self, clock: Clock, new_id: NewId) -> None:
        self._clock = clock
        self._new_id = new_id

    async def list_peers(self, tx: ReadTransaction, user_id: int, walk: Walk) -> tuple[list[Peer], int]:
        """List those who have access to a course that the user has access to, and count them."""
        found, total = await messages.list_peers(tx, user_id, walk.slice)
        return walk.cut(found, lambda peer: peer.user_id), total

    async def find_peers(self, tx: ReadTransaction, user_id: int, name: str | None, *, limit: int) -> list[Peer]:
        """Find the first of a user's peers, or of those with a name, without counting them all."""
        return await messages.find_peers(tx, user_id, name, limit=limit)

    async def list_tutors(self, tx: ReadTransaction, user_id: int) -> list[Peer]:
        """List the staff of the courses to which a learner has access, with those courses."""
        return await messages.list_tutors(tx, user_id)

    async def find_correspondent(self, tx: ReadTransaction, user_id: int, other_id: int) -> Correspondent:
        """Return somebody with whom a user has a conversation or may begin one. Raises NotFound USER_NOT_FOUND for others."""
        found = await messages.find_correspondent(tx, user_id, other_id)
        if found is None:
            raise NotFound("There is no such user to write to.", code="USER_NOT_FOUND")
        return found

    async def count_unread(self, tx: ReadTransaction, user_id: int) -> int:
        """Count the messages that a user has not read."""
        _, unread = await messages.conversation_totals(tx, user_id)
        return unread

    async def send(self, tx: WriteTransaction, sender_id: int, receiver_id: int, text: str) -> Message:
        """Send a message to a peer, to a tutor of a shared course, or as a tutor to a learner.

        Raises Invalid, Forbidden NOT_A_PEER.
        """
        check_message(text)
        now = self._clock()
        message = Message(self._new_id(), sender_id, receiver_id, text, is_read=False, created_at=now)
        if sender_id == receiver_id or not await messages.may_write(tx, sender_id, receiver_id):
            raise Forbidden("Messages go to peers, and between tutors and their learners.", code="NOT_A_PEER")
        await self._store(tx, [message])
        return message

    async def send_to_learners(self, tx: WriteTransaction, tutor_id: int, texts: Mapping[int, str]) -> list[Message]:
        """Send each of some learners a text, by learner, as their tutor; leave out those whom the sender does not teach.

        The number of statements does not depend on how many they are. Raises Invalid.
        """
        for text in texts.values():
            check_message(text)
        now = self._clock()
        receivers = sorted(await messages.learners_among(tx, tutor_id, list(texts)) - {tutor_id})
        sent = [
            Message(self._new_id(), tutor_id, receiver_id, texts[receiver_id], is_read=False, created_at=now)
            for receiver_id in receivers
        ]
        if sent:
            await self._store(tx, sent)
        return sent

    async def _store(self, tx: WriteTransaction, sent: Sequence[Message]) -> None:
        await messages.insert_messages(tx, sent)
        entries = [
            entry
            for m in sent
            for entry in new_entries(
                MessageSent(m.id, m.sender_id, m.receiver_id, m.message, m.created_at),
                *(user_topic(m.sender_id), user_topic(m.receiver_id)),
            )
        ]
        await feed.publish(tx, entries, sent[0].created_at)

    async def list_messages(
        self, tx: ReadTransaction, user_id: int, *, peer_id: int | None, walk: Walk
    ) -> tuple[list[Message], int]:
        """List the user's messages, of one conversation or all, the newest first, and count them."""
        found, total = await messages.list_messages(tx, user_id, peer_id=peer_id, part=walk.slice)
        return walk.cut(found, lambda message: message.id), total

    async def list_conversations(self, tx: ReadTransaction, user_id: int, walk: Walk) -> Conversations:
        """List the user's conversations, the newest first."""
        source = Moving(
            page=partial(messages.list_conversations, tx, user_id),
            order=partial(messages.conversation_order, tx, user_id),
            some=partial(messages.find_conversations, tx, user_id),
            key=lambda conversation: conversation.peer_id,
        )
        found = await walk.read(tx, source)
        return Conversations(found, *await messages.conversation_totals(tx, user_id))

    async def mark_message_read(self, tx: WriteTransaction, user_id: int, message_id: str) -> Message:
        """Mark a message that the user received as read. Raises NotFound MESSAGE_NOT_FOUND, Forbidden for the sender."""
        message = await messages.find(tx, user_id, message_id)
        if message is None:
            raise NotFound("There is no such message.", code="MESSAGE_NOT_FOUND")
        if message.receiver_id != user_id:
            raise Forbidden("Only its receiver marks a message as read.")
        await self._mark(tx, user_id, message.sender_id, message_id)
        return msgspec.structs.replace(message, is_read=True)

    async def mark_conversation_read(self, tx: WriteTransaction, user_id: int, peer_id: int) -> int:
        """Mark all messages from a peer as read; return how many were unread."""
        return await self._mark(tx, user_id, peer_id, None)

    async def _mark(self, tx: WriteTransaction, user_id: int, peer_id: int, message_id: str | None) -> int:
        count = await messages.mark_read(tx, user_id, peer_id, message_id)
        if count:
            event = MessagesRead(user_id, peer_id, message_id)
            await feed.publish(tx, new_entries(event, user_topic(user_id), user_topic(peer_id)), self._clock())
        return count


async def check_unread(tx: ReadTransaction, findings: Findings) -> None:
    """Compare each conversation's number of unread messages with its messages."""
    findings.add(
        Difference(
            "conversations", {"user_id": row["user_id"], "peer_id": row["peer_id"]}, "unread", row["unread"], row["count"]
        )
        for row in await messages.find_wrong_unread(tx)
    )
