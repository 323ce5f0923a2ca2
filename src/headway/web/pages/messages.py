"""Messages: conversations, and whom to write to."""

from typing import Annotated

import msgspec
from msgspec import Meta

from headway.db.database import ReadTransaction, WriteTransaction
from headway.http.params import Page as PageNumber
from headway.http.params import parse_id
from headway.http.request import READ_LARGE, WRITE
from headway.messaging.model import MAX_LENGTH
from headway.paging.service import Walk
from headway.services import Services
from headway.web.page_routes import Page, PageRequest, Redirect, get, post

_CONVERSATIONS, _PEERS, _MESSAGES = 50, 20, 50
_CONVERSATION = "/app/messages/{user_id:str}"


class MessagesQuery(msgspec.Struct):
    """Which conversations, and whose names to look for."""

    page: PageNumber = 1
    q: Annotated[str, Meta(max_length=200)] | None = None


class ConversationQuery(msgspec.Struct):
    """Which part of a conversation: 1 is the newest."""

    page: PageNumber = 1


class MessageForm(msgspec.Struct):
    """A message."""

    message: Annotated[str, Meta(max_length=MAX_LENGTH)]


class MessagesPages:
    """One's conversations, and each of them."""

    def __init__(self, services: Services) -> None:
        self._messaging = services.messaging

    @get("/app/messages", query=MessagesQuery, transaction=READ_LARGE)
    async def show_all(self, request: PageRequest[MessagesQuery, None], tx: ReadTransaction) -> Page:
        """List the conversations, the newest first, and people to write to."""
        user_id, query = request.caller.user_id, request.query
        page = query.page
        found = await self._messaging.list_conversations(tx, user_id, Walk(_CONVERSATIONS, page))
        peers = await self._messaging.find_peers(tx, user_id, query.q, limit=_PEERS + 1)
        context = {
            "conversations": found.conversations,
            "tutors": await self._messaging.list_tutors(tx, user_id),
            "peers": peers[:_PEERS],
            "has_more_peers": len(peers) > _PEERS,
            "q": query.q or "",
            "page": page,
            "has_more": page * _CONVERSATIONS < found.total,
        }
        return Page("messages/conversations.html", context)

    @get(_CONVERSATION, query=ConversationQuery, transaction=READ_LARGE)
    async def show(self, request: PageRequest[ConversationQuery, None], tx: ReadTransaction) -> Page:
        """Show a conversation, the newest message last."""
        user_id, page = request.caller.user_id, request.query.page
        other = await self._messaging.find_correspondent(tx, user_id, parse_id(request.path["user_id"]))
        walk = Walk(_MESSAGES, page)
        messages, total = await self._messaging.list_messages(tx, user_id, peer_id=other.user_id, walk=walk)
        context = {
            "other": other,
            "messages": list(reversed(messages)),
            "page": page,
            "has_older": page * _MESSAGES < total,
        }
        return Page("messages/conversation.html", context)

    @post(_CONVERSATION, form=MessageForm, page="show", transaction=WRITE)
    async def send(self, request: PageRequest[None, MessageForm], tx: WriteTransaction) -> Redirect:
        """Send a message; who answers has read what came before."""
        user_id, other_id = request.caller.user_id, parse_id(request.path["user_id"])
        await self._messaging.send(tx, user_id, other_id, request.form.message)
        await self._messaging.mark_conversation_read(tx, user_id, other_id)
        return Redirect(f"/app/messages/{other_id}", notice=request.text("Message sent."))

    @post(f"{_CONVERSATION}/read", page="show", transaction=WRITE)
    async def mark_read(self, request: PageRequest[None, None], tx: WriteTransaction) -> Redirect:
        """Mark what the other wrote as read."""
        other_id = parse_id(request.path["user_id"])
        await self._messaging.mark_conversation_read(tx, request.caller.user_id, other_id)
        return Redirect(f"/app/messages/{other_id}")
