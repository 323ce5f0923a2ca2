"""Peers and messages."""

from typing import Any

from litestar.handlers import HTTPRouteHandler

from headway.contracts.learner import mapping, wire
from headway.contracts.learner.routes.paging import Pages
from headway.errors import Invalid
from headway.http.routing import Answer, Asked, Routes
from headway.messaging.service import Messaging


def peer_routes(routes: Routes, messaging: Messaging, pages: Pages) -> list[HTTPRouteHandler]:
    """Make the routes."""

    async def list_peers(asked: Asked[wire.PageQuery, Any]) -> Answer:
        """List those who learn in the same courses."""
        query, limit = asked.query, pages.limit(asked.query.limit)
        found, total = await messaging.list_peers(asked.caller.user_id, page=query.page, limit=limit)
        return Answer(200, pages.answer([mapping.peer(each) for each in found], query, total))

    async def send(asked: Asked[Any, wire.MessageBody]) -> Answer:
        """Write to a peer, to a tutor of a shared course, or as a tutor to a learner."""
        receiver_id = mapping.id_of(asked.body.receiver_id)
        sent = await messaging.send(asked.caller.user_id, receiver_id, asked.body.message)
        return Answer(201, wire.One(data=mapping.message(sent)))

    async def list_messages(asked: Asked[wire.MessagesQuery, Any]) -> Answer:
        """List one's messages, with somebody or all, the newest first."""
        query, limit = asked.query, pages.limit(asked.query.limit)
        found, total = await messaging.list_messages(
            asked.caller.user_id,
            peer_id=None if query.with_ is None else mapping.id_of(query.with_),
            page=query.page,
            limit=limit,
        )
        return Answer(200, pages.answer([mapping.message(each) for each in found], query, total))

    async def mark_message(asked: Asked[Any, wire.ReadBody]) -> Answer:
        """Mark a message that one received as read."""
        _require_read(asked.body)
        marked = await messaging.mark_message_read(asked.caller.user_id, asked.path["message_id"])
        return Answer(200, wire.One(data=mapping.message(marked)))

    async def list_conversations(asked: Asked[wire.PageQuery, Any]) -> Answer:
        """List one's conversations, the newest first, with how much is unread."""
        query, limit = asked.query, pages.limit(asked.query.limit)
        found = await messaging.list_conversations(asked.caller.user_id, page=query.page, limit=limit)
        paging = wire.UnreadPaging(page=query.page, limit=limit, total=found.total, unread=found.unread)
        told = [mapping.conversation(each) for each in found.conversations]
        return Answer(200, wire.Conversations(data=told, metadata=paging))

    async def mark_conversation(asked: Asked[Any, wire.ReadBody]) -> Answer:
        """Mark all that somebody wrote as read."""
        _require_read(asked.body)
        peer_id = mapping.id_of(asked.path["user_id"])
        count = await messaging.mark_conversation_read(asked.caller.user_id, peer_id)
        return Answer(200, wire.One(data=wire.MarkedRead(asked.path["user_id"], count)))

    message = {200: wire.One[wire.Message]}
    return [
        routes.add("GET", "/learner/peers", list_peers, query=wire.PageQuery, answers={200: wire.Many[wire.Peer]}),
        routes.add("POST", "/learner/messages", send, body=wire.MessageBody, answers={201: wire.One[wire.Message]}),
        routes.add(
            "GET",
            "/learner/messages",
            list_messages,
            query=wire.MessagesQuery,
            answers={200: wire.Many[wire.Message]},
        ),
        routes.add("PATCH", "/learner/messages/{message_id:str}", mark_message, body=wire.ReadBody, answers=message),
        routes.add(
            "GET",
            "/learner/conversations",
            list_conversations,
            query=wire.PageQuery,
            answers={200: wire.Conversations},
        ),
        routes.add(
            "PATCH",
            "/learner/conversations/{user_id:str}",
            mark_conversation,
            body=wire.ReadBody,
            answers={200: wire.One[wire.MarkedRead]},
        ),
    ]


def _require_read(body: wire.ReadBody) -> None:
    if not body.is_read:
        raise Invalid.field("isRead", "can only become true")
